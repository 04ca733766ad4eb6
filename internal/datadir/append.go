package datadir

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/lease/leasepb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// appender applies the requests that fill a log (puts, deletions of single
// keys, transactions of them guarded by what the index knows, leases and
// compactions) by writing their records behind those of a db, page by page,
// without bbolt and etcd's layers above it. It stops before any other request:
// etcd's own applier goes on from there. What it writes is what server/
// storage/mvcc/kvstore_txn.go, server/etcdserver/txn and server/lease/lessor.go
// write; TestAppenderIsTheApplier holds it against them.
type appender struct {
	p    *pageFile
	f    *os.File
	w    *pageWriter
	tree *treeWriter
	// names are the buckets' values as the source has them, own those that
	// are written anew.
	names map[string][]byte
	own   map[string]smallBucket
	// keys is the index, bound the keys of each lease that the log revokes.
	keys  *keyTable[history]
	bound boundKeys
	// rev is the newest revision, sub the next change's number in the
	// transaction that is being applied.
	rev, sub int64
	// compacted is the newest compaction that was asked for, -1 when there was
	// none; pending tells that its records are still there.
	compacted   int64
	pending     bool
	index, term uint64
	applied     int
	t           txnParts
}

// appendable are the buckets that an appender writes anew.
func appendable() [][]byte {
	return [][]byte{schema.Meta.Name(), schema.Cluster.Name(), schema.Lease.Name()}
}

// newAppender goes on with f, which is a copy of p's pages, from what a check
// of p found. It is nil where the db is in a state that only etcd's own applier
// understands: with users and roles switched on, or under an alarm.
func newAppender(ctx context.Context, f *os.File, p *pageFile, db examined) (*appender, error) {
	if db.AuthEnabled || len(db.Alarms) > 0 || db.walked.h == nil {
		return nil, nil
	}
	a := &appender{
		p: p, f: f, w: newPageWriter(ctx, f, p.meta.pageSize, p.meta.end, nil), own: map[string]smallBucket{},
		keys: db.walked.h.keys, bound: boundKeys{}, rev: db.Revision, index: db.ConsistentIndex, term: db.Term,
	}
	all, err := p.buckets(ctx)
	if err != nil {
		return nil, err
	}
	if a.names, err = bucketValues(ctx, p); err != nil {
		return nil, err
	}
	for _, name := range appendable() {
		if a.own[string(name)], err = values(ctx, p, all, name); err != nil {
			return nil, err
		}
	}
	if err := a.bind(db.walked.h.bound, all[string(schema.Key.Name())]); err != nil {
		return nil, err
	}
	meta := a.own[string(schema.Meta.Name())]
	a.compacted = -1
	if v, ok := meta[string(schema.FinishedCompactKeyName)]; ok {
		a.compacted = int64(bigEndian(v))
	}
	if v, ok := meta[string(schema.ScheduledCompactKeyName)]; ok && int64(bigEndian(v)) > a.compacted {
		a.compacted, a.pending = int64(bigEndian(v)), true
	}
	if a.rev >= math.MaxInt64/2 {
		return nil, fmt.Errorf("the revision %d is too high to go on from", a.rev)
	}
	a.tree, err = resumeTree(a.w, p, all[string(schema.Key.Name())])
	return a, err
}

// boundKeys are the keys that are bound to leases, by the lease's ID. Only
// leases that have an entry are followed.
type boundKeys map[int64]map[string]struct{}

// move notes that a key went from one lease to another; 0 is none.
func (b boundKeys) move(key []byte, from, to int64) {
	if from == to {
		return
	}
	delete(b[from], string(key))
	if keys := b[to]; keys != nil {
		keys[string(key)] = struct{}{}
	}
}

// bind reads the names of the keys that a check found bound to leases.
func (a *appender) bind(found map[int64]map[keyID]place, keys bucket) error {
	for id, places := range found {
		a.bound[id] = map[string]struct{}{}
		if !a.leaseExists(id) {
			continue // as etcd binds nothing to a lease that it does not find
		}
		for _, at := range places {
			_, value, err := a.p.at(keys, at)
			if err != nil {
				return err
			}
			rec, err := parseRecord(value)
			if err != nil {
				return err
			}
			a.bound[id][string(rec.key)] = struct{}{}
		}
	}
	return nil
}

// leaseExists tells whether a lease was granted and not revoked.
func (a *appender) leaseExists(id int64) bool {
	_, ok := a.own[string(schema.Lease.Name())][leaseKey(id)]
	return ok
}

func leaseKey(id int64) string { return string(binary.BigEndian.AppendUint64(nil, uint64(id))) }

// apply applies one entry; ok is false, and nothing was done, where it is one
// for etcd's own applier. An error is the end of the salvage.
func (a *appender) apply(e rawEntry, index, term uint64) (k kind, ok bool, err error) {
	switch {
	case e.kind != raftpb.EntryNormal:
		k = kindMembership
	case len(e.data) == 0:
		k = kindEmpty
	default:
		k, ok, err = a.request(e.data)
		if err = errors.Join(err, a.keys.err()); !ok || err != nil {
			return k, ok, err
		}
	}
	if index > a.index {
		a.index, a.term = index, term
	}
	a.applied++
	return k, true, nil
}

// errOthers ends an appender's work: the rest is for etcd's own applier.
var errOthers = errors.New("the request is for etcd's own applier")

// all applies entries up to the first that is not for an appender.
func (a *appender) all(ctx context.Context, t tail, r *Report, m *meter) error {
	err := t.each(ctx, func(ref entryRef, raw rawEntry) error {
		k, ok, err := a.apply(raw, ref.index, ref.term)
		if err != nil {
			return fmt.Errorf("apply entry %d: %w", ref.index, err)
		}
		if !ok {
			return errOthers
		}
		r.count(k, ref)
		m.add(int64(ref.size))
		return nil
	})
	if errors.Is(err, errOthers) {
		return nil
	}
	return err
}

// request applies a request by its bytes where its form is a usual one.
func (a *appender) request(data []byte) (kind, bool, error) {
	r, plain := parseRequest(data)
	if !plain {
		return a.rare(data)
	}
	a.sub = 0
	done := false
	switch r.field {
	case fieldPut:
		done = a.put(r.body)
	case fieldDeleteRange:
		done = a.remove(r.body)
	case fieldTxn:
		done = a.txn(r.body)
	}
	if a.sub > 0 {
		a.rev++
	}
	return kindRequest, done, a.tree.w.err
}

// rare applies what is decoded by etcd's own types: leases, compactions,
// cluster attributes.
func (a *appender) rare(data []byte) (kind, bool, error) {
	req, k, err := unmarshalRequest(data)
	if err != nil || k != kindRequest {
		return k, err == nil, nil // the applier tells the error
	}
	switch {
	case req.ClusterVersionSet != nil:
		v, err := semver.NewVersion(req.ClusterVersionSet.Ver)
		if err != nil {
			return kindMembership, false, nil
		}
		a.own[string(schema.Cluster.Name())][string(schema.ClusterClusterVersionKeyName)] = []byte(v.String())
		return kindMembership, true, nil
	case req.Compaction != nil:
		a.compact(req.Compaction.Revision)
		return k, true, nil
	case req.LeaseGrant != nil:
		return k, true, a.grant(req.LeaseGrant)
	case req.LeaseRevoke != nil:
		if id := req.LeaseRevoke.ID; a.bound[id] != nil || !a.leaseExists(id) {
			return k, true, a.revoke(id)
		}
	}
	return k, false, nil
}

// compact notes a compaction; the records go when the db is finished.
func (a *appender) compact(revision int64) {
	if revision <= a.compacted || revision > a.rev {
		return
	}
	a.compacted, a.pending = revision, true
}

func (a *appender) grant(g *etcdserverpb.LeaseGrantRequest) error {
	if g.ID == 0 || g.TTL > lease.MaxLeaseTTL || a.leaseExists(g.ID) {
		return nil
	}
	b, err := proto.Marshal(&leasepb.Lease{ID: g.ID, TTL: max(g.TTL, minLeaseTTL)})
	a.own[string(schema.Lease.Name())][leaseKey(g.ID)] = b
	return err
}

func (a *appender) revoke(id int64) error {
	if !a.leaseExists(id) {
		return nil
	}
	a.sub = 0
	for _, k := range slices.Sorted(maps.Keys(a.bound[id])) {
		a.deleteKey([]byte(k))
	}
	if a.sub > 0 {
		a.rev++
	}
	delete(a.own[string(schema.Lease.Name())], leaseKey(id))
	return a.tree.w.err
}

// deleteKey writes the tombstone of a key, where it exists.
func (a *appender) deleteKey(key []byte) {
	h, _ := a.keys.at(key)
	if h.version == 0 {
		return
	}
	rec := kvRecord{key: key}
	a.write(revision{a.rev + 1, a.sub, true}, rec)
	a.sub++
	a.bound.move(key, h.lease, 0)
	*h = history{}
}

// putKey writes a key's next record.
func (a *appender) putKey(key, value []byte, leaseID int64) {
	h, _ := a.keys.at(key)
	rev := a.rev + 1
	if h.version == 0 {
		h.create = rev
	}
	h.mod, h.version = rev, h.version+1
	a.write(revision{rev, a.sub, false}, kvRecord{key, value, h.create, rev, h.version, leaseID})
	a.sub++
	a.bound.move(key, h.lease, leaseID)
	h.lease = leaseID
}

// write appends a record to the tree; an error stays in the page writer.
func (a *appender) write(r revision, kv kvRecord) {
	key := r.appendTo(make([]byte, 0, 18))
	if err := a.tree.begin(0, len(key), kv.size()); err != nil {
		a.w.err = err
		return
	}
	a.tree.leaf.data = kv.appendTo(append(a.tree.leaf.data, key...))
}

// finish writes what is open: the tree, the buckets of its own, both metas.
func (a *appender) finish(ctx context.Context) error {
	root, err := a.tree.finish()
	if err != nil {
		return err
	}
	key := string(schema.Key.Name())
	var sequence uint64
	if old := a.names[key]; len(old) >= bucketHeader {
		sequence = binary.NativeEndian.Uint64(old[8:])
	}
	a.names[key] = bucketRef(root, sequence)
	meta := a.own[string(schema.Meta.Name())]
	if a.applied > 0 {
		meta[string(schema.MetaConsistentIndexKeyName)] = binary.BigEndian.AppendUint64(nil, a.index)
		if a.term > 0 {
			meta[string(schema.MetaTermKeyName)] = binary.BigEndian.AppendUint64(nil, a.term)
		}
	}
	if a.pending {
		meta[string(schema.ScheduledCompactKeyName)] = revision{main: a.compacted}.bytes()
		if a.compacted == 0 { // removes nothing
			meta[string(schema.FinishedCompactKeyName)] = revision{}.bytes()
			a.pending = false
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return finishDB(a.w, a.names, a.own, a.p.meta.txid+1)
}
