package datadir

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestQuickIsTheApplier applies the same random requests with and without the
// quick way and compares the dbs byte for byte of content.
func TestQuickIsTheApplier(t *testing.T) {
	for seed := range uint64(4) {
		var dbs [2]map[string]string
		var quick [2]int
		for i, slowly := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "db")
			r, err := openReplayer(t.Context(), path, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			r.slowly = slowly
			random := rand.New(rand.NewPCG(seed, 7))
			for n := range 3000 {
				req := anyRequest(random, n)
				data, err := proto.Marshal(req)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.apply(t.Context(), &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(3)), Index: new(uint64(n + 5)), Data: data}); err != nil {
					t.Fatalf("seed %d: %v: %v", seed, req, err)
				}
			}
			quick[i] = r.quickly
			if err := r.close(); err != nil {
				t.Fatal(err)
			}
			dbs[i] = contentOfDB(t, path)
		}
		if diff := cmp.Diff(dbs[1], dbs[0]); diff != "" {
			t.Errorf("seed %d: the quick way differs: %s", seed, diff)
		}
		if quick[0] < 500 || quick[0] > 2500 || quick[1] != 0 {
			t.Errorf("seed %d: %v requests went the quick way: the test proves nothing", seed, quick)
		}
	}
}

// anyRequest makes what the quick way takes and what it must leave alone.
func anyRequest(random *rand.Rand, n int) *pb.InternalRaftRequest {
	req := &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: uint64(n + 1)}}
	key := func() []byte { return fmt.Appendf(nil, "k%02d", random.IntN(40)) }
	put := func() *pb.PutRequest {
		p := &pb.PutRequest{Key: key(), Value: fmt.Appendf(nil, "v%d", random.IntN(1000)), PrevKv: random.IntN(9) == 0}
		if random.IntN(4) == 0 {
			p.Lease = int64(1 + random.IntN(6)) // some do not exist
		}
		if random.IntN(12) == 0 {
			p.IgnoreValue, p.Value = true, nil
		}
		return p
	}
	remove := func() *pb.DeleteRangeRequest {
		d := &pb.DeleteRangeRequest{Key: key()}
		switch random.IntN(8) {
		case 0:
			d.RangeEnd = []byte("k20")
		case 1:
			d.Key, d.RangeEnd = []byte("k35"), []byte{0}
		}
		return d
	}
	switch c := random.IntN(100); {
	case c < 30:
		req.Put = put()
	case c < 40:
		req.DeleteRange = remove()
	case c < 85:
		req.Txn = anyTxn(random, key, put, remove, 0)
	case c < 92:
		req.LeaseGrant = &pb.LeaseGrantRequest{ID: int64(1 + random.IntN(4)), TTL: 100}
	case c < 95:
		req.LeaseRevoke = &pb.LeaseRevokeRequest{ID: int64(1 + random.IntN(4))}
	case c < 97:
		req.Compaction = &pb.CompactionRequest{Revision: int64(random.IntN(n + 1))}
	case c < 98:
		req.Alarm = &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, Alarm: pb.AlarmType_NOSPACE, MemberID: 1}
	default:
		req.Alarm = &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE, MemberID: 1}
	}
	return req
}

func anyTxn(random *rand.Rand, key func() []byte, put func() *pb.PutRequest, remove func() *pb.DeleteRangeRequest, depth int) *pb.TxnRequest {
	txn := &pb.TxnRequest{}
	for range random.IntN(3) {
		c := &pb.Compare{Key: key(), Result: pb.Compare_CompareResult(random.IntN(4)), Target: pb.Compare_CompareTarget(random.IntN(5))}
		rev := int64(random.IntN(4)) * int64(random.IntN(700))
		switch c.Target {
		case pb.Compare_CREATE:
			c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: rev}
		case pb.Compare_MOD:
			c.TargetUnion = &pb.Compare_ModRevision{ModRevision: rev}
		case pb.Compare_VERSION:
			c.TargetUnion = &pb.Compare_Version{Version: int64(random.IntN(3))}
		case pb.Compare_VALUE:
			c.TargetUnion = &pb.Compare_Value{Value: []byte("v5")}
		case pb.Compare_LEASE:
			c.TargetUnion = &pb.Compare_Lease{Lease: 1}
		}
		if random.IntN(6) == 0 {
			c.RangeEnd = []byte("k39")
		}
		txn.Compare = append(txn.Compare, c)
	}
	op := func(i int) *pb.RequestOp {
		switch random.IntN(6) {
		case 0:
			r := &pb.RangeRequest{Key: key()}
			if random.IntN(4) == 0 {
				r.Revision = int64(random.IntN(2000)) // may be compacted or to come
			}
			return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
		case 1:
			return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: remove()}}
		case 2:
			if depth < 2 {
				return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: anyTxn(random, key, put, remove, depth+1)}}
			}
		}
		p := put()
		p.Key = fmt.Appendf(nil, "t%d-%d-%d", depth, i, random.IntN(9)) // a transaction puts a key once
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: p}}
	}
	for i := range random.IntN(3) {
		txn.Success = append(txn.Success, op(i))
	}
	for i := range random.IntN(3) {
		txn.Failure = append(txn.Failure, op(i))
	}
	return txn
}

func contentOfDB(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := map[string]string{}
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt finds: %v", err)
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error { all[fmt.Sprintf("%s/%x", name, k)] = fmt.Sprintf("%x", v); return nil })
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
