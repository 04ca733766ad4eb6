package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/kube"
)

// The size of a demo when nobody says otherwise.
const (
	DefaultObjects   = 5000
	DefaultRevisions = 20000
)

// fillWorkers is how many writes are under way at once; etcd batches what
// arrives together, so many small writers are fast.
const fillWorkers = 128

// leaseTTL (seconds) outlives every run of the demo. kube-apiserver gives
// events one hour and its masterleases 15 s.
const leaseTTL = 3600

// Filled tells what Fill wrote.
type Filled struct {
	Objects   int
	Revision  int64
	Bytes     int64
	Namespace string
}

// Fill writes objects of a middling Kubernetes cluster, then updates them
// until there were revisions writes in all: each a transaction of its own that
// compares the object's modification revision, as kube-apiserver does. It may
// be called once for a cluster.
func Fill(ctx context.Context, client *clientv3.Client, objects, revisions int) (Filled, error) {
	codec, err := kube.NewCodec()
	if err != nil {
		return Filled{}, err
	}
	all, err := population(codec, objects)
	if err != nil {
		return Filled{}, fmt.Errorf("fill cluster: %w", err)
	}
	leases, err := grant(ctx, client)
	if err != nil {
		return Filled{}, fmt.Errorf("fill cluster: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := filler{client: client, leases: leases}
	results := make([]Filled, fillWorkers)
	errs := make([]error, fillWorkers)
	var group sync.WaitGroup
	for n := range fillWorkers {
		group.Go(func() {
			mine, updates := share(all, revisions, n)
			if results[n], errs[n] = f.work(ctx, n, mine, updates); errs[n] != nil {
				cancel()
			}
		})
	}
	group.Wait()
	total := Filled{Objects: len(all), Namespace: demoNamespace}
	for _, r := range results {
		total.Bytes += r.Bytes
		total.Revision = max(total.Revision, r.Revision)
	}
	if err := errors.Join(errs...); err != nil {
		return total, fmt.Errorf("fill cluster: %w", err)
	}
	return total, nil
}

// grant makes the leases: one for the events, as kube-apiserver shares one
// among many, and one for the masterleases.
func grant(ctx context.Context, client *clientv3.Client) (map[leaseClass]clientv3.LeaseID, error) {
	leases := map[leaseClass]clientv3.LeaseID{}
	for _, class := range []leaseClass{eventLease, masterLease} {
		l, err := client.Grant(ctx, leaseTTL)
		if err != nil {
			return nil, err
		}
		leases[class] = l.ID
	}
	return leases, nil
}

// share gives the n-th worker its objects and its part of the updates.
func share(all []stored, revisions, n int) (mine []stored, updates int) {
	for i := n; i < len(all); i += fillWorkers {
		mine = append(mine, all[i])
	}
	total := max(0, revisions-len(all))
	updates = total / fillWorkers
	if n < total%fillWorkers {
		updates++
	}
	return mine, updates
}

type filler struct {
	client *clientv3.Client
	leases map[leaseClass]clientv3.LeaseID
}

func (f filler) work(ctx context.Context, n int, mine []stored, updates int) (Filled, error) {
	var done Filled
	known := make([]int64, len(mine)) // modification revisions
	steps := make([]int, len(mine))
	put := func(i int) error {
		value, err := mine[i].value(steps[i])
		if err != nil {
			return err
		}
		rev, err := f.put(ctx, mine[i], value, known[i])
		known[i], done.Revision, done.Bytes = rev, max(done.Revision, rev), done.Bytes+int64(len(value))
		steps[i]++
		return err
	}
	var lively []int // each object as often as its churn weighs
	for i := range mine {
		if err := put(i); err != nil {
			return done, err
		}
		for range mine[i].churn {
			lively = append(lively, i)
		}
	}
	if len(lively) == 0 {
		lively = []int{0}
	}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for k := 0; k < updates && len(mine) > 0; k++ {
		if err := put(lively[r.IntN(len(lively))]); err != nil {
			return done, err
		}
	}
	return done, nil
}

func (f filler) put(ctx context.Context, s stored, value []byte, known int64) (int64, error) {
	var options []clientv3.OpOption
	if s.lease != noLease {
		options = append(options, clientv3.WithLease(f.leases[s.lease]))
	}
	resp, err := f.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(s.key), "=", known)).
		Then(clientv3.OpPut(s.key, string(value), options...)).
		Else(clientv3.OpGet(s.key)).Commit()
	if err != nil {
		return known, fmt.Errorf("write %s: %w", s.key, err)
	}
	if !resp.Succeeded {
		return known, fmt.Errorf("write %s: somebody else has changed it", s.key)
	}
	return resp.Header.Revision, nil
}
