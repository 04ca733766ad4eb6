package datadir

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

var errWire = errors.New("the message cannot be decoded")

// field is one field of a message, read in place.
type field struct {
	id     protowire.Number
	number uint64
	data   []byte
	// bytes and varint tell its form; fields of other forms have neither.
	bytes, varint bool
}

// next reads the field at the beginning of b, which is not empty. rest is what
// follows; ok is false where b is no message.
func next(b []byte) (f field, rest []byte, ok bool) {
	id, wire, n := protowire.ConsumeTag(b)
	if n < 0 {
		return f, nil, false
	}
	b = b[n:]
	f.id = id
	switch wire {
	case protowire.VarintType:
		f.varint = true
		f.number, n = protowire.ConsumeVarint(b)
	case protowire.BytesType:
		f.bytes = true
		f.data, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(id, wire, b)
	}
	if n < 0 {
		return f, nil, false
	}
	return f, b[n:], true
}

// eachField visits the fields of a protobuf message that are byte strings.
func eachField(b []byte, visit func(field protowire.Number, data []byte)) error {
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return errWire
		}
		b = rest
		if f.bytes {
			visit(f.id, f.data)
		}
	}
	return nil
}

// wireEntry reads a raftpb.Entry in place (raft/v3/raftpb/raft.proto).
func wireEntry(b []byte) (e rawEntry, index, term uint64, err error) {
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return e, 0, 0, errWire
		}
		b = rest
		switch {
		case f.id == 1 && f.varint:
			e.kind = raftpb.EntryType(f.number)
		case f.id == 2 && f.varint:
			term = f.number
		case f.id == 3 && f.varint:
			index = f.number
		case f.id == 4 && f.bytes:
			e.data = f.data
		}
	}
	return e, index, term, nil
}

// wireRecord reads a walpb.Record in place (server/storage/wal/walpb/
// record.proto); ok is false without a type.
func wireRecord(b []byte) (kind int64, crc uint32, data []byte, ok bool) {
	for len(b) > 0 {
		f, rest, fine := next(b)
		if !fine {
			return 0, 0, nil, false
		}
		b = rest
		switch {
		case f.id == 1 && f.varint:
			kind, ok = int64(f.number), true
		case f.id == 2 && f.varint:
			crc = uint32(f.number)
		case f.id == 3 && f.bytes:
			data = f.data
		}
	}
	return kind, crc, data, ok
}

// The fields of etcdserverpb.InternalRaftRequest that can make a revision
// (api/etcdserverpb/raft_internal.proto), and those of a transaction.
const (
	fieldV2          = 2
	fieldPut         = 4
	fieldDeleteRange = 5
	fieldTxn         = 6
	fieldLeaseRevoke = 9
	txnSuccess       = 2
	txnFailure       = 3
	opPut            = 2
	opDeleteRange    = 3
	opTxn            = 4
	maxNesting       = 64
)

// isV2 tells whether a request is one of the API before v3. An etcd up to 3.5
// logs those as bare messages (api/etcdserverpb/etcdserver.proto, Request), whose
// second field is the method, such as "QGET", or inside the second field of an
// InternalRaftRequest, which newer ones have reserved. By their other fields
// they would pass for a put of no key. A /health that is asked of an etcd 3.4, or
// of one with --enable-v2, logs one each time.
func isV2(b []byte) bool {
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return false
		}
		if f.id == fieldV2 && f.bytes {
			return true
		}
		b = rest
	}
	return false
}

// requestWrites tells whether a request can make a revision; one that cannot
// be decoded cannot.
func requestWrites(b []byte) bool {
	writes, v2 := false, false
	err := eachField(b, func(field protowire.Number, data []byte) {
		switch field {
		case fieldV2:
			v2 = true
		case fieldPut, fieldDeleteRange, fieldLeaseRevoke:
			writes = true
		case fieldTxn:
			writes = writes || txnWrites(data, 0)
		}
	})
	return writes && !v2 && err == nil
}

// revokes tells whether a request ends a lease.
func revokes(b []byte) bool {
	is, v2 := false, false
	err := eachField(b, func(field protowire.Number, _ []byte) {
		is, v2 = is || field == fieldLeaseRevoke, v2 || field == fieldV2
	})
	return is && !v2 && err == nil
}

func txnWrites(b []byte, depth int) bool {
	if depth > maxNesting {
		return true
	}
	writes := false
	_ = eachField(b, func(field protowire.Number, op []byte) {
		if field != txnSuccess && field != txnFailure {
			return
		}
		_ = eachField(op, func(field protowire.Number, data []byte) {
			switch field {
			case opPut, opDeleteRange:
				writes = true
			case opTxn:
				writes = writes || txnWrites(data, depth+1)
			}
		})
	})
	return writes
}
