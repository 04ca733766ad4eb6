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

// kvRecord is a record to be written.
type kvRecord struct {
	key, value           []byte
	create, mod, version int64
	lease                int64
}

// The tags of mvccpb.KeyValue's fields, each of one byte.
const (
	tagKey, tagCreate, tagMod, tagVersion, tagValue, tagLease = 0x0a, 0x10, 0x18, 0x20, 0x2a, 0x30
)

// size is how many bytes appendTo writes.
func (r kvRecord) size() int {
	n := 0
	for _, b := range [][]byte{r.key, r.value} {
		if len(b) > 0 {
			n += 1 + protowire.SizeBytes(len(b))
		}
	}
	for _, v := range []int64{r.create, r.mod, r.version, r.lease} {
		if v != 0 {
			n += 1 + protowire.SizeVarint(uint64(v))
		}
	}
	return n
}

// appendTo writes the record as etcd stores it: proto.Marshal's order of
// fields, what is empty left out.
func (r kvRecord) appendTo(b []byte) []byte {
	bytes := func(tag byte, v []byte) {
		if len(v) > 0 {
			b = protowire.AppendBytes(append(b, tag), v)
		}
	}
	number := func(tag byte, v int64) {
		if v != 0 {
			b = protowire.AppendVarint(append(b, tag), uint64(v))
		}
	}
	bytes(tagKey, r.key)
	number(tagCreate, r.create)
	number(tagMod, r.mod)
	number(tagVersion, r.version)
	bytes(tagValue, r.value)
	number(tagLease, r.lease)
	return b
}

// bytes writes a revision as etcd stores it (server/storage/mvcc/revision.go,
// RevToBytes).
func (r revision) bytes() []byte { return r.appendTo(make([]byte, 0, 18)) }

func (r revision) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.main))
	b = binary.BigEndian.AppendUint64(append(b, '_'), uint64(r.sub))
	if r.tombstone {
		b = append(b, 't')
	}
	return b
}
