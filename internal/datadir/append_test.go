package datadir

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/membershippb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// mix is a kind of history that TestAppenderIsTheApplier gives to both.
type mix struct {
	name string
	next func(random *rand.Rand, n int) *pb.InternalRaftRequest
	// quick is the least part of the requests that the appender must take.
	quick float64
}

func mixes() []mix {
	return []mix{
		{"of every kind", anyRequest, 0},
		{"as kube-apiserver writes", usualRequest, 0.9},
	}
}

// usualRequest makes what fills a log: puts, deletions and guarded
// transactions of single keys, leases, compactions; now and then, late, one of
// the others.
func usualRequest(random *rand.Rand, n int) *pb.InternalRaftRequest {
	req := &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: uint64(n + 1), Username: "u"}}
	key := func() []byte { return fmt.Appendf(nil, "/registry/k%03d", random.IntN(200)) }
	put := func() *pb.PutRequest {
		p := &pb.PutRequest{Key: key(), Value: make([]byte, random.IntN(9)*random.IntN(300)), PrevKv: random.IntN(9) == 0}
		if random.IntN(4) == 0 {
			p.Lease = int64(1 + random.IntN(9)) // some do not exist
		}
		return p
	}
	remove := func() *pb.DeleteRangeRequest { return &pb.DeleteRangeRequest{Key: key(), PrevKv: random.IntN(2) == 0} }
	switch c := random.IntN(1000); {
	case n > 2950 && c < 30:
		return anyRequest(random, n)
	case c < 250:
		req.Put = put()
	case c < 330:
		req.DeleteRange = remove()
	case c < 900:
		req.Txn = usualTxn(random, key, put, remove)
	case c < 940:
		req.LeaseGrant = &pb.LeaseGrantRequest{ID: int64(random.IntN(8)), TTL: int64(random.IntN(5)) * 50}
	case c < 955:
		req.LeaseRevoke = &pb.LeaseRevokeRequest{ID: int64(1 + random.IntN(8))}
	case c < 962:
		req.Compaction = &pb.CompactionRequest{Revision: int64(random.IntN(2*n + 1)), Physical: random.IntN(2) == 0}
	case c < 970:
		req.ClusterVersionSet = &membershippb.ClusterVersionSetRequest{Ver: fmt.Sprintf("3.%d.0", 5+random.IntN(3))}
	case c < 980:
		req.ClusterMemberAttrSet = &membershippb.ClusterMemberAttrSetRequest{Member_ID: 7}
	default:
		return &pb.InternalRaftRequest{} // nothing
	}
	return req
}

func usualTxn(random *rand.Rand, key func() []byte, put func() *pb.PutRequest, remove func() *pb.DeleteRangeRequest) *pb.TxnRequest {
	txn := &pb.TxnRequest{}
	for range random.IntN(3) {
		c := &pb.Compare{Key: key(), Result: pb.Compare_CompareResult(random.IntN(4)), Target: []pb.Compare_CompareTarget{
			pb.Compare_CREATE, pb.Compare_MOD, pb.Compare_VERSION, pb.Compare_LEASE}[random.IntN(4)]}
		rev := int64(random.IntN(4)) * int64(random.IntN(1500))
		switch {
		case random.IntN(5) == 0: // nothing to compare with: 0
		case c.Target == pb.Compare_CREATE:
			c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: rev}
		case c.Target == pb.Compare_MOD:
			c.TargetUnion = &pb.Compare_ModRevision{ModRevision: rev}
		case c.Target == pb.Compare_VERSION:
			c.TargetUnion = &pb.Compare_Version{Version: int64(random.IntN(3))}
		default:
			c.TargetUnion = &pb.Compare_Lease{Lease: int64(random.IntN(3))}
		}
		txn.Compare = append(txn.Compare, c)
	}
	ops := func() []*pb.RequestOp {
		var list []*pb.RequestOp
		for i := range random.IntN(4) {
			switch random.IntN(4) {
			case 0:
				list = append(list, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key(), Limit: 5}}})
			case 1:
				list = append(list, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: remove()}})
			default:
				p := put()
				p.Key = fmt.Appendf(p.Key, "-%d", i) // a transaction puts a key once
				list = append(list, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: p}})
			}
		}
		return list
	}
	txn.Success, txn.Failure = ops(), ops()
	return txn
}

// TestAppenderIsTheApplier applies the same random requests with an appender
// (and etcd's own applier where it stops) and with etcd's own applier alone,
// from an empty db and on from what that left, and compares every bucket.
func TestAppenderIsTheApplier(t *testing.T) {
	for _, h := range mixes() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, %d", h.name, seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 11))
				path := filepath.Join(t.TempDir(), "db")
				r, err := openReplayer(t.Context(), path, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.close(); err != nil {
					t.Fatal(err)
				}
				index := uint64(5)
				for round := range 3 {
					var entries [][]byte
					for n := range 1000 {
						data, err := proto.Marshal(h.next(random, 1000*round+n))
						if err != nil {
							t.Fatal(err)
						}
						entries = append(entries, data)
					}
					theirs, ours := path+".theirs", path+".ours"
					taken := appended(t, path, ours, index, entries, []int{0, 1, 5000}[round])
					copyTo(t, path, theirs)
					slowly(t, theirs, index, entries)
					if diff := cmp.Diff(contentOfDB(t, theirs), contentOfDB(t, ours)); diff != "" {
						t.Fatalf("round %d: after %d of %d requests from the appender: %s", round, taken, len(entries), diff)
					}
					if float64(taken) < h.quick*float64(len(entries)) {
						t.Errorf("round %d: the appender took %d of %d requests", round, taken, len(entries))
					}
					sane(t, ours)
					index += uint64(len(entries))
					copyTo(t, ours, path)
				}
			})
		}
	}
}

// appended applies entries to a copy of a db as a salvage does, with so much of
// the index in memory (0: all).
func appended(t *testing.T, from, to string, index uint64, entries [][]byte, slots int) (taken int) {
	t.Helper()
	taken, err := appendTo(t.Context(), from, to, index, entries, slots)
	if err != nil {
		t.Fatal(err)
	}
	sane(t, to)
	slowly(t, to, index+uint64(taken), entries[taken:])
	return taken
}

// appendTo applies entries to a copy of a db with an appender alone, as far as
// it can.
func appendTo(ctx context.Context, from, to string, index uint64, entries [][]byte, slots int) (taken int, err error) {
	b, err := os.ReadFile(from)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		return 0, err
	}
	p, err := openPages(from)
	if err != nil {
		return 0, err
	}
	defer p.close()
	revoked := map[int64]bool{}
	for _, data := range entries {
		if revokes(data) {
			revoked[revokedLease(data)] = true
		}
	}
	db, err := sound(ctx, p, from, checking{index: true, bound: revoked, slots: slots})
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	defer db.walked.h.close()
	if spilled := db.walked.h.keys.below != nil; spilled != (slots == 1) && slots != 5000 {
		return 0, fmt.Errorf("the index lies in a file: %v, with %d slots in memory", spilled, slots)
	}
	a, err := newAppender(ctx, f, p, db)
	if a == nil || err != nil {
		return 0, err
	}
	for _, data := range entries {
		_, ok, err := a.apply(rawEntry{data: data}, index+uint64(taken), 3)
		if err != nil {
			return taken, err
		}
		if !ok {
			break
		}
		taken++
	}
	if err := a.finish(ctx); err != nil {
		return taken, err
	}
	if taken == len(entries) && a.pending {
		return taken, compactFile(ctx, to, a.compacted)
	}
	return taken, nil
}

// slowly applies entries with etcd's own applier.
func slowly(t testing.TB, path string, index uint64, entries [][]byte) {
	t.Helper()
	if len(entries) == 0 {
		return
	}
	r, err := openReplayer(t.Context(), path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	r.slowly = true
	for i, data := range entries {
		e := &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(3)), Index: new(index + uint64(i)), Data: data}
		if _, err := r.apply(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
}

// sane: the file passes every rung, read by this package; bbolt's own reader
// opened it in contentOfDB.
func sane(t *testing.T, path string) {
	t.Helper()
	c, err := Check(context.Background(), path, CheckOptions{Level: L3, SkipHashCheck: true})
	if err != nil || !c.Passed {
		t.Fatalf("%+v, %v", c, err)
	}
}

func copyTo(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
