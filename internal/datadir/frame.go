package datadir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
)

// castagnoli is the table of the log's checksums (server/storage/wal/wal.go).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one record of a WAL file: 8 bytes of length and padding, the record
// and its padding (server/storage/wal/encoder.go, encodeFrameSize).
type frame struct {
	off, end int64
	kind     int64
	crc      uint32 // as stored: the checksum of all data up to here
	data     []byte
}

// Errors of parseFrame. errEnd is the ordinary end: nothing, or the zeros of
// preallocated space.
var (
	errEnd     = errors.New("end of the segment")
	errOverrun = errors.New("the record is longer than the rest of the file")
	errRecord  = errors.New("the record cannot be decoded")
)

// parseFrame reads the frame at off. With errRecord, off and end are set.
func parseFrame(buf []byte, off int64) (frame, error) {
	f := frame{off: off}
	rest := int64(len(buf)) - off
	if rest <= 0 {
		return f, errEnd
	}
	if rest < 8 {
		return f, errOverrun
	}
	head := binary.LittleEndian.Uint64(buf[off:])
	if head == 0 {
		return f, errEnd
	}
	size := int64(head &^ (0xff << 56))
	var pad int64
	if int64(head) < 0 {
		pad = int64(head>>56) & 7
	}
	if size > rest-8-pad {
		return f, errOverrun
	}
	f.end = off + 8 + size + pad
	kind, crc, data, ok := wireRecord(buf[off+8 : off+8+size])
	if !ok {
		return f, errRecord
	}
	f.kind, f.crc, f.data = kind, crc, data
	if f.kind < wal.MetadataType || f.kind > wal.SnapshotType {
		return f, errRecord
	}
	return f, nil
}

// errTooLong says that a file goes on where no etcd writes.
var errTooLong = errors.New("the file is longer than any that etcd writes")

// typed tells whether a record can be of the type that it says. The checksum
// does not cover the type, and the messages resemble each other: an entry that
// claims to be a state would vanish in silence, and a state that claims to be
// an entry would overwrite one. In every file a checksum comes first and the
// metadata second (server/storage/wal/wal.go, Create and cut), and neither
// anywhere else; an entry without data is no change of members; a state has a
// term and nothing but its three numbers.
func typed(f frame, second bool) bool {
	switch f.kind {
	case wal.CrcType:
		return f.off == 0 && len(f.data) == 0
	case wal.MetadataType:
		return second
	case wal.EntryType:
		e, _, _, err := wireEntry(f.data)
		return f.off > 0 && !second && err == nil && (e.kind == raftpb.EntryNormal ||
			len(e.data) > 0 && (e.kind == raftpb.EntryConfChange || e.kind == raftpb.EntryConfChangeV2))
	case wal.StateType:
		return f.off > 0 && !second && isState(f.data)
	}
	return f.off > 0 && !second
}

// isState tells whether a message is a raftpb.HardState with a term.
func isState(b []byte) bool {
	term := uint64(0)
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok || !f.varint || f.id > 3 {
			return false
		}
		if f.id == 1 {
			term = f.number
		}
		b = rest
	}
	return term > 0
}

// chain is the running checksum of a log. Unknown means that the next record
// is believed, which is so at the first file that still exists.
type chain struct {
	sum   uint32
	known bool
}

// accepts checks f against the chain and moves it on.
func (c *chain) accepts(f frame) bool {
	if f.kind == wal.CrcType {
		if c.known && c.sum != f.crc {
			return false
		}
		c.sum, c.known = f.crc, true
		return true
	}
	if c.known && crc32.Update(c.sum, castagnoli, f.data) != f.crc {
		return false
	}
	c.sum, c.known = f.crc, true
	return true
}

// torn tells whether a frame was written only in part, by etcd's own rule: a
// sector of it is all zeros (server/storage/wal/decoder.go, isTornEntry).
func torn(buf []byte, f frame) bool {
	const sector = 512
	for at := f.off + 8; at < f.end; {
		to := min(at-at%sector+sector, f.end)
		if zero(buf[at:to]) {
			return true
		}
		at = to
	}
	return false
}

// zero tells whether b is nothing but zeros.
func zero(b []byte) bool {
	return len(b) == 0 || (b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]))
}

// resync looks behind damage for the next place from which records hold
// together, and gives the chain there. bad is the damaged frame; its end is 0
// when even its length cannot be believed. A place is believed when the record
// there fits the checksum that the damaged record stores, or when two records
// in a row fit each other; of the two, the first only lends its checksum.
func resync(buf []byte, bad frame) (int64, chain, bool) {
	if bad.end > bad.off && bad.crc != 0 {
		c := chain{bad.crc, true}
		if f, err := parseFrame(buf, bad.end); err == nil && f.kind != wal.CrcType && c.accepts(f) {
			return f.off, chain{bad.crc, true}, true
		}
	}
	for off := bad.off + 8; off+16 <= int64(len(buf)); off += 8 {
		if !likely(buf[off:]) {
			continue
		}
		f, err := parseFrame(buf, off)
		if err != nil || f.kind == wal.CrcType {
			continue
		}
		next, err := parseFrame(buf, f.end)
		c := chain{f.crc, true}
		if err == nil && len(next.data) > 0 && c.accepts(next) {
			return next.off, chain{f.crc, true}, true
		}
	}
	return 0, chain{}, false
}

// likely tells cheaply whether b can begin a frame: a length that is neither
// zero nor above a gigabyte, then the protobuf tag of the record's type with
// one of its five values.
func likely(b []byte) bool {
	return b[3] < 0x40 && b[4]|b[5]|b[6] == 0 && (b[7] == 0 || (b[7] >= 0x81 && b[7] <= 0x87)) &&
		b[8] == 0x08 && b[9] >= byte(wal.MetadataType) && b[9] <= byte(wal.SnapshotType) && b[0]|b[1]|b[2] != 0
}
