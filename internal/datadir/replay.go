package datadir

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/pkg/v3/wait"
	"go.etcd.io/etcd/server/v3/auth"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3alarm"
	"go.etcd.io/etcd/server/v3/etcdserver/apply"
	"go.etcd.io/etcd/server/v3/etcdserver/cindex"
	"go.etcd.io/etcd/server/v3/lease"
	serverstorage "go.etcd.io/etcd/server/v3/storage"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// minLeaseTTL is what an etcd with its default election timeout of a second
// grants at least, in seconds (server/etcdserver/server.go, NewServer).
const minLeaseTTL = 2

// bcryptCost is etcd's default; only passwords that an etcd older than 3.5
// logged in plain text are hashed here.
const bcryptCost = 10

// quiet is a logger that says nothing and that turns etcd's fatal and panic
// messages into panics with the message's fields, for apply to recover.
func quiet() *zap.Logger {
	return zap.New(zapcore.NewNopCore(), zap.WithFatalHook(raise{}), zap.WithPanicHook(raise{}))
}

type raise struct{}

func (raise) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := errors.New(e.Message)
	for _, f := range fields {
		if cause, ok := f.Interface.(error); ok {
			err = fmt.Errorf("%w: %w", err, cause)
		}
	}
	panic(err)
}

// replayer applies raft entries to a db with etcd's own applier, wired as
// server/etcdserver/server.go (NewServer) wires it, without raft, network and
// clock: the lessor is never promoted, so no lease expires.
type replayer struct {
	be      backend.Backend
	index   cindex.ConsistentIndexer
	lessor  lease.Lessor
	kv      mvcc.WatchableKV
	members interface {
		MustCreateBackendBuckets()
		MustSaveClusterVersionToBackend(*semver.Version)
	}
	applier apply.UberApplier
	lg      *zap.Logger
	alarms  *v3alarm.AlarmStore
	users   auth.AuthStore
	waiters wait.Wait
	// plain is true while neither auth nor an alarm stands between a request
	// and the store; slowly sends all through the applier, for tests.
	plain, slowly bool
	quickly       int // requests that did not need the applier
}

// openReplayer opens a private copy of a db. After an error, and after an
// error of apply, the replayer is unusable and the copy is worthless.
func openReplayer(ctx context.Context, path string, size int64) (r *replayer, err error) {
	defer recoverAs(&err)
	lg := quiet()
	r = &replayer{lg: lg, index: cindex.NewConsistentIndex(nil)}
	cfg := backend.DefaultBackendConfig(lg)
	cfg.Path = path
	cfg.BatchInterval = 24 * time.Hour // commits happen here, not in a goroutine that could only crash
	cfg.MmapSize = uint64(2*size) + 64<<20
	cfg.UnsafeNoFsync = true // the finished image is what is synced
	cfg.Timeout = time.Second
	cfg.Hooks = serverstorage.NewBackendHooks(lg, r.index)
	r.be = backend.New(cfg)
	r.index.SetBackend(r.be)
	r.members = schema.NewMembershipBackend(lg, r.be)
	r.members.MustCreateBackendBuckets()
	group := membership.NewCluster(lg)
	r.lessor = lease.NewLessor(lg, r.be, group, lease.LessorConfig{MinLeaseTTL: minLeaseTTL})
	tokens, err := auth.NewTokenProvider(lg, "", nil, 0)
	if err != nil {
		return nil, err
	}
	r.kv = mvcc.New(lg, r.be, r.lessor, mvcc.StoreConfig{CompactionBatchLimit: 10000, CompactionSleepInterval: time.Nanosecond})
	alarms, err := v3alarm.NewAlarmStore(lg, schema.NewAlarmBackend(lg, r.be))
	if err != nil {
		return nil, err
	}
	users := auth.NewAuthStore(lg, schema.NewAuthBackend(lg, r.be), tokens, bcryptCost)
	r.alarms, r.users, r.waiters = alarms, users, wait.New()
	r.applier = apply.NewUberApplier(apply.ApplierOptions{
		Logger: lg, KV: r.kv, AlarmStore: alarms, AuthStore: users, Lessor: r.lessor, Cluster: group,
		RaftStatus: r, SnapshotServer: r, ConsistentIndex: r.index, Backend: r.be,
		TxnModeWriteWithSharedBuffer: true, QuotaBackendBytesCfg: -1, WarningApplyDuration: time.Hour,
	})
	r.be.SetTxPostLockInsideApplyHook(func() {
		if i, term := r.index.ConsistentApplyingIndex(); i > r.index.UnsafeConsistentIndex() {
			r.index.SetConsistentIndex(i, term)
		}
	})
	r.look()
	return r, r.settle(ctx)
}

// look finds out whether requests reach the store as they are.
func (r *replayer) look() {
	r.plain = !r.users.IsAuthEnabled() && len(r.alarms.Get(etcdserverpb.AlarmType_NONE)) == 0
}

// compactionPatience is how long etcd's own code may take for one compaction.
const compactionPatience = 10 * time.Minute

var errCompaction = fmt.Errorf("a compaction did not end within %s: etcd's own code is stuck, or the disk is", compactionPatience)

// settle waits for a compaction that the db had begun and etcd resumes.
func (r *replayer) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, compactionPatience, errCompaction)
	defer cancel()
	for {
		tx := r.be.ReadTx()
		tx.RLock()
		scheduled, _ := mvcc.UnsafeReadScheduledCompact(tx)
		finished, _ := mvcc.UnsafeReadFinishedCompact(tx)
		tx.RUnlock()
		if finished >= scheduled {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// await waits for the end of a compaction that was applied.
func (r *replayer) await(ctx context.Context, done <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, compactionPatience, errCompaction)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// recoverAs turns a panic of etcd's packages into an error.
func recoverAs(err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("etcd's own code gave up: %w", p)
	default:
		*err = fmt.Errorf("etcd's own code gave up: %v", p)
	}
}

// The kinds of entries, for the report.
type kind int

const (
	kindRequest kind = iota
	kindEmpty
	kindMembership
	kindV2
)

// apply applies one entry as server/etcdserver/server.go (apply and
// applyEntryNormal) does. Membership is left alone: a restore replaces it.
func (r *replayer) apply(ctx context.Context, e *raftpb.Entry) (kind, error) {
	return r.applyDecoded(ctx, decode(e))
}

// decoded is an entry with its request.
type decoded struct {
	entry *raftpb.Entry
	req   *etcdserverpb.InternalRaftRequest
	kind  kind
	err   error
}

// decode reads an entry's request and tells what it is about.
func decode(e *raftpb.Entry) decoded {
	d := decoded{entry: e}
	switch {
	case e.GetType() != raftpb.EntryNormal:
		d.kind = kindMembership
		return d
	case len(e.GetData()) == 0:
		d.kind = kindEmpty
		return d
	}
	d.req, d.kind, d.err = unmarshalRequest(e.Data)
	return d
}

// unmarshalRequest decodes a request and tells what it is about; there is none
// for the v2 API. An etcd up to 3.5 takes whatever it cannot decode for one of that
// API (server/etcdserver/server.go, applyEntryNormal); but those are known by isV2,
// and what else cannot be decoded is a write that would be lost in silence.
func unmarshalRequest(data []byte) (*etcdserverpb.InternalRaftRequest, kind, error) {
	req := &etcdserverpb.InternalRaftRequest{}
	if isV2(data) {
		return nil, kindV2, nil
	}
	if err := proto.Unmarshal(data, req); err != nil {
		return nil, kindRequest, fmt.Errorf("the request cannot be decoded: %w", err)
	}
	k, err := classify(req)
	return req, k, err
}

func (r *replayer) applyDecoded(ctx context.Context, d decoded) (k kind, err error) {
	defer recoverAs(&err)
	e, req := d.entry, d.req
	r.index.SetConsistentApplyingIndex(e.GetIndex(), e.GetTerm())
	defer func() {
		if err == nil && r.index.ConsistentIndex() < e.GetIndex() {
			r.index.SetConsistentIndex(e.GetIndex(), e.GetTerm())
		}
	}()
	if d.err != nil || d.kind != kindRequest {
		return d.kind, d.err
	}
	if req.ClusterVersionSet != nil {
		v, err := semver.NewVersion(req.ClusterVersionSet.Ver)
		if err == nil {
			r.members.MustSaveClusterVersionToBackend(v)
		}
		return kindMembership, err
	}
	if r.quick(req) {
		r.quickly++
		return d.kind, nil
	}
	defer r.look()
	result, _ := apply.Apply(r.lg, e, r.applier, r.waiters, membership.ApplyBoth)
	if result != nil && result.Physc != nil {
		return d.kind, r.await(ctx, result.Physc)
	}
	return d.kind, nil
}

// classify tells what a request is about. A request of which this version of
// etcd's packages knows nothing was made by a newer etcd.
func classify(req *etcdserverpb.InternalRaftRequest) (kind, error) {
	if req.ClusterMemberAttrSet != nil || req.DowngradeInfoSet != nil || req.DowngradeVersionTest != nil {
		return kindMembership, nil
	}
	known := false
	req.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		known = known || (f.Name() != "header" && f.Name() != "ID")
		return !known
	})
	if known {
		return kindRequest, nil
	}
	return kindRequest, errors.New("the request is unknown to this version: a newer etcd wrote it")
}

// close commits what was applied and releases the db.
func (r *replayer) close() (err error) {
	defer recoverAs(&err)
	r.lessor.Stop()
	err = r.kv.Close()
	r.be.ForceCommit()
	return errors.Join(err, r.be.Close())
}

// The rest satisfies apply.RaftStatusGetter and apply.SnapshotServer, which
// only fill response headers here.

func (r *replayer) MemberID() types.ID     { return 0 }
func (r *replayer) Leader() types.ID       { return 0 }
func (r *replayer) CommittedIndex() uint64 { return r.index.ConsistentIndex() }
func (r *replayer) AppliedIndex() uint64   { return r.index.ConsistentIndex() }
func (r *replayer) Term() uint64           { return 0 }
func (r *replayer) ForceSnapshot()         {}
