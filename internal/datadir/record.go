package datadir

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// record is a stored mvccpb.KeyValue (api/mvccpb/kv.proto) read in place: key
// and value are parts of the bytes it was read from.
type record struct {
	key, value           []byte
	create, mod, version int64
	lease                int64
	unknown              bool // it has fields that etcd does not know
}

var errRecordShape = errors.New("the record is no KeyValue")

// parseRecord reads a record without copying it. Like proto.Unmarshal it takes
// the last of a field that stands there twice, and passes over unknown fields.
func parseRecord(b []byte) (r record, err error) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return r, errRecordShape
		}
		b = b[n:]
		switch {
		case (number == 1 || number == 5) && kind == protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return r, errRecordShape
			}
			if number == 1 {
				r.key = v
			} else {
				r.value = v
			}
			b = b[n:]
		case number >= 2 && number <= 6 && number != 5 && kind == protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return r, errRecordShape
			}
			r.number(number, int64(v))
			b = b[n:]
		default:
			n := protowire.ConsumeFieldValue(number, kind, b)
			if n < 0 {
				return r, errRecordShape
			}
			r.unknown = true
			b = b[n:]
		}
	}
	return r, nil
}

func (r *record) number(field protowire.Number, v int64) {
	switch field {
	case 2:
		r.create = v
	case 3:
		r.mod = v
	case 4:
		r.version = v
	case 6:
		r.lease = v
	}
}

// bytes writes a revision as etcd stores it (server/storage/mvcc/revision.go,
// RevToBytes).
func (r revision) bytes() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 18), uint64(r.main))
	b = binary.BigEndian.AppendUint64(append(b, '_'), uint64(r.sub))
	if r.tombstone {
		b = append(b, 't')
	}
	return b
}
