package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/salvor-project/salvor/internal/datadir"
)

const (
	replayed = 400_000 // entries in the generated log
	liveTxns = 5_000   // transactions sent to a live etcd, one at a time
)

// txn is what kube-apiserver sends for an update: a put, guarded by the
// revision of what it read.
func txn(random *rand.Rand, i int) *etcdserverpb.TxnRequest {
	key := fmt.Appendf(nil, "/registry/pods/default/p%06d", random.IntN(50_000))
	value := object(random, i, 1024)
	put := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: key, Value: value}}}
	guard := &etcdserverpb.Compare{
		Key: key, Target: etcdserverpb.Compare_MOD, Result: etcdserverpb.Compare_LESS,
		TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: 1 << 60},
	}
	return &etcdserverpb.TxnRequest{Compare: []*etcdserverpb.Compare{guard}, Success: []*etcdserverpb.RequestOp{put}}
}

// generateLog writes a data dir whose db is empty and whose log holds entries.
func generateLog(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	work := dir + ".part"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(work, "member", "snap"), 0o700); err != nil {
		return err
	}
	lg := zap.NewNop()
	be := backend.NewDefaultBackend(lg, filepath.Join(work, "member", "snap", "db"))
	lessor := lease.NewLessor(lg, be, membership.NewCluster(lg), lease.LessorConfig{})
	kv := mvcc.New(lg, be, lessor, mvcc.StoreConfig{})
	schema.NewAlarmBackend(lg, be).CreateAlarmBucket()
	tx := be.BatchTx()
	tx.LockOutsideApply()
	schema.UnsafeUpdateConsistentIndexForce(tx, 1, 1)
	tx.Unlock()
	lessor.Stop()
	if err := kv.Close(); err != nil {
		return err
	}
	if err := be.Close(); err != nil {
		return err
	}
	metadata, err := proto.Marshal(&etcdserverpb.Metadata{NodeID: new(uint64(types.ID(1))), ClusterID: new(uint64(2))})
	if err != nil {
		return err
	}
	w, err := wal.Create(lg, filepath.Join(work, "member", "wal"), metadata)
	if err != nil {
		return err
	}
	w.SetUnsafeNoFsync()
	if err := writeEntries(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.Rename(work, dir)
}

func writeEntries(w *wal.WAL) error {
	random := rand.New(rand.NewPCG(3, 3))
	index := uint64(1)
	entries := []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(index)}}
	for i := range replayed {
		data, err := proto.Marshal(&etcdserverpb.InternalRaftRequest{
			Header: &etcdserverpb.RequestHeader{ID: uint64(i + 1)}, Txn: txn(random, i),
		})
		if err != nil {
			return err
		}
		index++
		entries = append(entries, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(index), Data: data})
		if len(entries) == 1000 || i == replayed-1 {
			hard := &raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64(1)), Commit: new(index)}
			if err := w.Save(hard, entries); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
	return nil
}

// replay salvages the generated data dir.
func replay(ctx context.Context, a []string) (string, error) {
	s := datadir.Source{DB: a[0], WALDir: filepath.Join(filepath.Dir(filepath.Dir(a[0])), "wal")}
	r, err := datadir.Salvage(ctx, s, a[1], nil)
	return fmt.Sprintf("%d entries, revision %d", r.Applied, r.Revision), err
}

// replayLive sends transactions to a live etcd, one after the other.
func replayLive(ctx context.Context, a []string) (string, error) {
	e, err := startEtcd(a[0], 8<<10)
	if err != nil {
		return "", err
	}
	defer e.Close()
	random := rand.New(rand.NewPCG(3, 3))
	began := time.Now()
	for i := range liveTxns {
		if _, err := e.Server.Txn(ctx, txn(random, i)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%.0f", float64(liveTxns)/time.Since(began).Seconds()), nil
}
