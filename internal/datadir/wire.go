package datadir

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

var errWire = errors.New("the message cannot be decoded")

// eachField visits the fields of a protobuf message in place. Numbers come as
// number, byte strings as data; what has neither form is passed over.
func eachField(b []byte, visit func(field protowire.Number, kind protowire.Type, number uint64, data []byte)) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		var number uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return errWire
		}
		b = b[n:]
		visit(field, kind, number, data)
	}
	return nil
}

// wireEntry reads a raftpb.Entry in place (raft/v3/raftpb/raft.proto).
func wireEntry(b []byte) (*raftpb.Entry, error) {
	var kind raftpb.EntryType
	var term, index uint64
	var data []byte
	err := eachField(b, func(field protowire.Number, wire protowire.Type, number uint64, d []byte) {
		switch {
		case field == 1 && wire == protowire.VarintType:
			kind = raftpb.EntryType(number)
		case field == 2 && wire == protowire.VarintType:
			term = number
		case field == 3 && wire == protowire.VarintType:
			index = number
		case field == 4 && wire == protowire.BytesType:
			data = d
		}
	})
	return &raftpb.Entry{Type: &kind, Term: &term, Index: &index, Data: data}, err
}

// wireRecord reads a walpb.Record in place (server/storage/wal/walpb/
// record.proto); ok is false without a type.
func wireRecord(b []byte) (kind int64, crc uint32, data []byte, ok bool) {
	err := eachField(b, func(field protowire.Number, wire protowire.Type, number uint64, d []byte) {
		switch {
		case field == 1 && wire == protowire.VarintType:
			kind, ok = int64(number), true
		case field == 2 && wire == protowire.VarintType:
			crc = uint32(number)
		case field == 3 && wire == protowire.BytesType:
			data = d
		}
	})
	return kind, crc, data, ok && err == nil
}

// The fields of etcdserverpb.InternalRaftRequest that can make a revision
// (api/etcdserverpb/raft_internal.proto), and those of a transaction.
const (
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

// requestWrites tells whether a request can make a revision; one that cannot
// be decoded cannot.
func requestWrites(b []byte) bool {
	writes := false
	err := eachField(b, func(field protowire.Number, kind protowire.Type, _ uint64, data []byte) {
		switch {
		case kind != protowire.BytesType:
		case field == fieldPut, field == fieldDeleteRange, field == fieldLeaseRevoke:
			writes = true
		case field == fieldTxn:
			writes = writes || txnWrites(data, 0)
		}
	})
	return writes && err == nil
}

func txnWrites(b []byte, depth int) bool {
	if depth > maxNesting {
		return true
	}
	writes := false
	_ = eachField(b, func(field protowire.Number, kind protowire.Type, _ uint64, op []byte) {
		if kind != protowire.BytesType || (field != txnSuccess && field != txnFailure) {
			return
		}
		_ = eachField(op, func(field protowire.Number, kind protowire.Type, _ uint64, data []byte) {
			switch {
			case kind != protowire.BytesType:
			case field == opPut, field == opDeleteRange:
				writes = true
			case field == opTxn:
				writes = writes || txnWrites(data, depth+1)
			}
		})
	})
	return writes
}
