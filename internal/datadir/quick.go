package datadir

import (
	"cmp"
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/pkg/v3/traceutil"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// quick applies the requests that fill a log (puts, deletions, and
// transactions of them, guarded by revisions and versions, as kube-apiserver
// sends them) to etcd's own store without the layers above it, which only
// fill responses nobody waits for. It is false, and nothing was done, for
// everything else: values compared, nested transactions, ranges of the past,
// missing leases, and whatever happens while auth is on or an alarm is raised.
// TestQuickIsTheApplier holds it against the applier.
func (r *replayer) quick(req *etcdserverpb.InternalRaftRequest) bool {
	if !r.plain || r.slowly {
		return false
	}
	switch {
	case req.Put != nil:
		if !r.simplePut(req.Put) {
			return false
		}
		r.within(func(tx mvcc.TxnWrite) { putIn(tx, req.Put) })
		return true
	case req.DeleteRange != nil:
		r.within(func(tx mvcc.TxnWrite) { deleteIn(tx, req.DeleteRange) })
		return true
	case req.Txn != nil:
		return r.quickTxn(req.Txn)
	}
	return false
}

// within runs one write transaction; without its trace of steps, which nobody
// reads.
func (r *replayer) within(do func(tx mvcc.TxnWrite)) {
	trace := traceutil.TODO()
	trace.StepWithFunction(func() {
		tx := r.kv.Write(trace)
		do(tx)
		tx.End()
	}, "")
}

func (r *replayer) simplePut(p *etcdserverpb.PutRequest) bool {
	return !p.IgnoreValue && !p.IgnoreLease && (p.Lease == 0 || r.lessor.Lookup(lease.LeaseID(p.Lease)) != nil)
}

func putIn(tx mvcc.TxnWrite, p *etcdserverpb.PutRequest) {
	tx.Put(p.Key, p.Value, lease.LeaseID(p.Lease))
}

func deleteIn(tx mvcc.TxnWrite, d *etcdserverpb.DeleteRangeRequest) {
	tx.DeleteRange(d.Key, openEnd(d.RangeEnd))
}

// openEnd is etcd's way to say "to the end" (server/etcdserver/txn/delete.go,
// mkGteRange).
func openEnd(end []byte) []byte {
	if len(end) == 1 && end[0] == 0 {
		return []byte{}
	}
	return end
}

func (r *replayer) quickTxn(t *etcdserverpb.TxnRequest) bool {
	for _, c := range t.Compare {
		if !simpleCompare(c) {
			return false
		}
	}
	holds, ok := r.compares(t.Compare)
	if !ok {
		return false
	}
	ops := t.Success
	if !holds {
		ops = t.Failure
	}
	writes := false
	for _, op := range ops {
		switch q := op.Request.(type) {
		case *etcdserverpb.RequestOp_RequestRange:
			if q.RequestRange == nil || q.RequestRange.Revision != 0 {
				return false
			}
		case *etcdserverpb.RequestOp_RequestPut:
			if q.RequestPut == nil || !r.simplePut(q.RequestPut) {
				return false
			}
			writes = true
		case *etcdserverpb.RequestOp_RequestDeleteRange:
			if q.RequestDeleteRange == nil {
				return false
			}
			writes = true
		default:
			return false
		}
	}
	if !writes {
		return true
	}
	r.within(func(tx mvcc.TxnWrite) {
		for _, op := range ops {
			switch q := op.Request.(type) {
			case *etcdserverpb.RequestOp_RequestPut:
				putIn(tx, q.RequestPut)
			case *etcdserverpb.RequestOp_RequestDeleteRange:
				deleteIn(tx, q.RequestDeleteRange)
			}
		}
	})
	return true
}

// simpleCompare tells whether a guard asks for what the index knows of one
// key.
func simpleCompare(c *etcdserverpb.Compare) bool {
	if len(c.RangeEnd) > 0 || c.Result < etcdserverpb.Compare_EQUAL || c.Result > etcdserverpb.Compare_NOT_EQUAL {
		return false
	}
	switch c.Target {
	case etcdserverpb.Compare_CREATE, etcdserverpb.Compare_MOD, etcdserverpb.Compare_VERSION:
		return true
	}
	return false
}

// compares evaluates guards as etcd does (server/etcdserver/txn/txn.go,
// compareKV); a key that does not exist has the number 0 everywhere.
func (r *replayer) compares(list []*etcdserverpb.Compare) (holds, ok bool) {
	if len(list) == 0 {
		return true, true
	}
	holds, ok = true, true
	trace := traceutil.TODO()
	trace.StepWithFunction(func() {
		view := r.kv.Read(mvcc.SharedBufReadTxMode, trace)
		defer view.End()
		for _, c := range list {
			found, err := view.Range(context.Background(), c.Key, nil, mvcc.RangeOptions{FastKeysOnly: true})
			if err != nil {
				holds, ok = false, false
				return
			}
			var create, mod, version int64
			if len(found.KVs) > 0 {
				kv := found.KVs[0]
				create, mod, version = kv.CreateRevision, kv.ModRevision, kv.Version
			}
			if !compareHolds(c, create, mod, version) {
				holds = false
				return
			}
		}
	}, "")
	return holds, ok
}

func compareHolds(c *etcdserverpb.Compare, create, mod, version int64) bool {
	var have, want int64
	switch c.Target {
	case etcdserverpb.Compare_CREATE:
		have, want = create, c.GetCreateRevision()
	case etcdserverpb.Compare_MOD:
		have, want = mod, c.GetModRevision()
	default:
		have, want = version, c.GetVersion()
	}
	holds, _ := resultHolds(c.Result, cmp.Compare(have, want))
	return holds
}
