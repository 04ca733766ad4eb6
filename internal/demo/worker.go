package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// worker writes one object after the other; no other worker writes the same.
type worker struct {
	w       *Writer
	n       int
	random  *rand.Rand
	world   world
	objects []*written
}

// written is one object of a worker.
type written struct {
	key    string
	make   func(step int) runtime.Object
	step   int
	known  int64 // modification revision
	states history
}

func newWorker(w *Writer, n int) *worker {
	return &worker{w: w, n: n, random: rand.New(rand.NewPCG(7, uint64(n))),
		world: world{codec: w.codec, namespaces: []string{demoNamespace}, nodes: 3, born: time.Now().UTC().Truncate(time.Second)}}
}

// run writes until ctx ends. Its error means that the books could not be kept.
func (k *worker) run(ctx context.Context) error {
	for k.w.enter(ctx) {
		k.w.leave()
		o, err := k.choose()
		if err != nil {
			return err
		}
		if err := k.write(ctx, o); err != nil {
			return err
		}
		pause(ctx, restThen)
	}
	return nil
}

// choose takes an object to update, or makes a new one every so often.
func (k *worker) choose() (*written, error) {
	if n := len(k.objects); n > 0 && (n >= 200 || k.random.IntN(8) != 0) {
		return k.objects[k.random.IntN(n)], nil
	}
	i := k.n*1_000_000 + len(k.objects)
	name := fmt.Sprintf("writer-%d-%d", k.n, len(k.objects))
	var make func(step int) runtime.Object
	switch len(k.objects) % 3 {
	case 0:
		make = func(step int) runtime.Object { return k.configMap(name, i, step) }
	case 1:
		make = func(step int) runtime.Object { return k.world.lease(demoNamespace, name, name, 15, i, step) }
	default:
		make = func(step int) runtime.Object { return k.pod(name, i, step) }
	}
	key, err := k.w.codec.Key(make(0))
	if err != nil {
		return nil, err
	}
	o := &written{key: key, make: make}
	k.objects = append(k.objects, o)
	return o, nil
}

func (k *worker) configMap(name string, i, step int) runtime.Object {
	return &corev1.ConfigMap{
		ObjectMeta: k.world.about("configmap", demoNamespace, name, i, step, "salvor-demo", `{"f:data":{}}`),
		Data:       map[string]string{"app.properties": text(fmt.Sprint(name, step), 700)},
	}
}

func (k *worker) pod(name string, i, step int) runtime.Object {
	meta := k.world.about("pod", demoNamespace, name, i, step, "kubelet", podFields)
	return &corev1.Pod{ObjectMeta: meta, Spec: podSpec(i), Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &meta.CreationTimestamp}}
}

// write sends the next state of an object until etcd has acknowledged it.
// Every try has the same content and demands the revision that was last seen,
// so that it can land only once.
func (k *worker) write(ctx context.Context, o *written) error {
	o.step++
	value, err := k.w.codec.Encode(o.make(o.step))
	if err != nil {
		return err
	}
	sha := digest(value)
	for k.w.enter(ctx) {
		done, err := k.attempt(ctx, o, sha, value)
		k.w.leave()
		if err != nil || done {
			return err
		}
		pause(ctx, retryAfter)
	}
	return nil
}

func (k *worker) attempt(ctx context.Context, o *written, sha string, value []byte) (bool, error) {
	if err := k.w.ledger.try(o.key, sha); err != nil {
		return false, err
	}
	o.states.try(sha)
	resp, err := k.send(ctx, o, value)
	if err != nil {
		if ctx.Err() == nil {
			k.w.count(func(s *Stats) { s.Failed++ })
		}
		return false, nil
	}
	if resp.Succeeded {
		return true, k.landed(o, sha, resp.Header.Revision)
	}
	return k.conflict(o, sha, resp)
}

func (k *worker) send(ctx context.Context, o *written, value []byte) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), writeTimeout)
	defer cancel()
	return k.w.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(namespaceKey), ">", 0),
			clientv3.Compare(clientv3.ModRevision(o.key), "=", o.known)).
		Then(clientv3.OpPut(o.key, string(value))).
		Else(clientv3.OpGet(namespaceKey, clientv3.WithKeysOnly()), clientv3.OpGet(o.key)).Commit()
}

func (k *worker) landed(o *written, sha string, revision int64) error {
	o.known = revision
	o.states.ack(sha)
	if err := k.w.ledger.ack(o.key, sha, revision); err != nil {
		return err
	}
	k.w.acknowledged(revision)
	return nil
}

// conflict learns from a refused write what the key holds: our own write, of
// which the confirmation was lost; or an older state, which means that
// acknowledged writes are gone; or nothing at all in a store that is not ours.
func (k *worker) conflict(o *written, sha string, resp *clientv3.TxnResponse) (bool, error) {
	if resp.Responses[0].GetResponseRange().GetCount() == 0 {
		k.w.count(func(s *Stats) { s.Refused++ })
		return false, nil
	}
	found, known := "", int64(0)
	for _, kv := range resp.Responses[1].GetResponseRange().GetKvs() {
		found, known = digest(kv.Value), kv.ModRevision
	}
	if found == sha {
		return true, k.landed(o, sha, known)
	}
	o.known = known
	lost, foreign := o.states.judge(found)
	if lost == 0 && !foreign {
		return false, nil // only the revision has moved, as after a restore
	}
	o.states.fallBack(found)
	k.w.count(func(s *Stats) { s.Lost += lost })
	return false, k.w.ledger.lost(o.key, found, lost)
}
