package datadir

import (
	"cmp"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields that an appender reads in place, beside those of wire.go
// (api/etcdserverpb/raft_internal.proto and rpc.proto).
const (
	fieldID     = 1
	fieldHeader = 100

	putKey, putValue, putLease, putPrevKV = 1, 2, 3, 4
	deleteKey, deleteEnd, deletePrevKV    = 1, 2, 3
	txnCompare                            = 1
	opRange                               = 1
	rangeRevision                         = 4

	compareResult, compareTarget, compareKey = 1, 2, 3
	compareVersion, compareCreate            = 4, 5
	compareMod, compareLease                 = 6, 8
)

// rawRequest is a request of which only one part is set.
type rawRequest struct {
	field protowire.Number
	body  []byte
}

// parseRequest finds the put, deletion or transaction in a request; plain is
// false for every other one, and for one of an unusual form.
func parseRequest(b []byte) (r rawRequest, plain bool) {
	for len(b) > 0 {
		field, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return r, false
		}
		b = b[n:]
		switch {
		case field == fieldID && wire == protowire.VarintType, field == fieldHeader && wire == protowire.BytesType:
			if n = protowire.ConsumeFieldValue(field, wire, b); n < 0 {
				return r, false
			}
		case (field == fieldPut || field == fieldDeleteRange || field == fieldTxn) && wire == protowire.BytesType && r.field == 0:
			var body []byte
			if body, n = protowire.ConsumeBytes(b); n < 0 {
				return r, false
			}
			r = rawRequest{field, body}
		default:
			return r, false
		}
		b = b[n:]
	}
	return r, r.field != 0
}

// putParts is a put that needs nothing of what was there before.
type putParts struct {
	key, value []byte
	lease      int64
}

func parsePut(b []byte) (p putParts, ok bool) {
	for len(b) > 0 {
		var f field
		if f, b, ok = next(b); !ok {
			return p, false
		}
		switch {
		case f.id == putKey && f.bytes:
			p.key = f.data
		case f.id == putValue && f.bytes:
			p.value = f.data
		case f.id == putLease && f.varint:
			p.lease = int64(f.number)
		case f.id == putPrevKV && f.varint: // is for the response only
		default:
			return p, false // ignore_value, ignore_lease
		}
	}
	return p, len(p.key) > 0
}

// parseDelete gives the key of a deletion of one key.
func parseDelete(b []byte) (key []byte, ok bool) {
	for len(b) > 0 {
		var f field
		if f, b, ok = next(b); !ok {
			return nil, false
		}
		switch {
		case f.id == deleteKey && f.bytes:
			key = f.data
		case f.id == deleteEnd && f.bytes && len(f.data) == 0:
		case f.id == deletePrevKV && f.varint:
		default:
			return nil, false
		}
	}
	return key, len(key) > 0
}

func (a *appender) put(b []byte) bool {
	p, ok := parsePut(b)
	if !ok {
		return false
	}
	if p.lease == 0 || a.leaseExists(p.lease) { // else the request failed
		a.putKey(p.key, p.value, p.lease)
	}
	return true
}

func (a *appender) remove(b []byte) bool {
	key, ok := parseDelete(b)
	if ok {
		a.deleteKey(key)
	}
	return ok
}

// txnParts is a transaction, taken apart; it is used again.
type txnParts struct {
	compares, success, failure [][]byte
	ops                        []op
}

// op is one change of a transaction.
type op struct {
	put    putParts
	remove bool
}

// txn applies a transaction of single puts and deletions; everything in it is
// looked at before anything is done.
func (a *appender) txn(b []byte) bool {
	t := &a.t
	t.compares, t.success, t.failure, t.ops = t.compares[:0], t.success[:0], t.failure[:0], t.ops[:0]
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok || !f.bytes {
			return false
		}
		b = rest
		switch f.id {
		case txnCompare:
			t.compares = append(t.compares, f.data)
		case txnSuccess:
			t.success = append(t.success, f.data)
		case txnFailure:
			t.failure = append(t.failure, f.data)
		default:
			return false
		}
	}
	ops := t.success
	for _, c := range t.compares {
		holds, ok := a.compare(c)
		if !ok {
			return false
		}
		if !holds {
			ops = t.failure
			break
		}
	}
	for _, o := range ops {
		if !t.take(o) {
			return false
		}
	}
	for _, o := range t.ops {
		if !o.remove && o.put.lease != 0 && !a.leaseExists(o.put.lease) {
			return true // all of it failed
		}
	}
	for _, o := range t.ops {
		if o.remove {
			a.deleteKey(o.put.key)
		} else {
			a.putKey(o.put.key, o.put.value, o.put.lease)
		}
	}
	return true
}

// take notes one operation; what only reads the present is passed over.
func (t *txnParts) take(b []byte) bool {
	f, rest, ok := next(b)
	if !ok || !f.bytes || len(rest) > 0 {
		return false
	}
	switch f.id {
	case opRange:
		return readsNow(f.data)
	case opPut:
		p, ok := parsePut(f.data)
		t.ops = append(t.ops, op{put: p})
		return ok
	case opDeleteRange:
		key, ok := parseDelete(f.data)
		t.ops = append(t.ops, op{put: putParts{key: key}, remove: true})
		return ok
	}
	return false
}

// readsNow tells whether a range asks for no revision of its own, which could
// be one that makes the transaction fail.
func readsNow(b []byte) bool {
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok || f.id == rangeRevision {
			return false
		}
		b = rest
	}
	return true
}

// compare evaluates a guard; ok is false where the index alone cannot.
func (a *appender) compare(b []byte) (holds, ok bool) {
	var result, target, want uint64
	var key []byte
	union := protowire.Number(0)
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return false, false
		}
		b = rest
		switch {
		case f.id == compareResult && f.varint:
			result = f.number
		case f.id == compareTarget && f.varint:
			target = f.number
		case f.id == compareKey && f.bytes:
			key = f.data
		case f.varint && f.id >= compareVersion && f.id <= compareLease && union == 0:
			union, want = f.id, f.number
		default:
			return false, false // a value, a range
		}
	}
	h, ok := a.compared(key)
	if !ok {
		return false, false
	}
	var have int64
	var of protowire.Number
	switch etcdserverpb.Compare_CompareTarget(target) {
	case etcdserverpb.Compare_VERSION:
		have, of = h.version, compareVersion
	case etcdserverpb.Compare_CREATE:
		have, of = h.create, compareCreate
	case etcdserverpb.Compare_MOD:
		have, of = h.mod, compareMod
	case etcdserverpb.Compare_LEASE:
		have, of = h.lease, compareLease
	default:
		return false, false
	}
	if union != 0 && union != of {
		return false, false
	}
	return resultHolds(etcdserverpb.Compare_CompareResult(result), cmp.Compare(have, int64(want)))
}

// compared looks a key up without making a place for it.
func (a *appender) compared(key []byte) (history, bool) {
	if len(key) == 0 {
		return history{}, false
	}
	h, _ := a.keys.look(key)
	return h, true
}

// resultHolds holds the sign of a comparison against what a guard asks for.
func resultHolds(r etcdserverpb.Compare_CompareResult, sign int) (holds, ok bool) {
	switch r {
	case etcdserverpb.Compare_EQUAL:
		return sign == 0, true
	case etcdserverpb.Compare_NOT_EQUAL:
		return sign != 0, true
	case etcdserverpb.Compare_GREATER:
		return sign > 0, true
	case etcdserverpb.Compare_LESS:
		return sign < 0, true
	}
	return false, false
}
