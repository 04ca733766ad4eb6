package datadir

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// history is what the last record of a key said; version is 0 when the key does
// not exist.
type history struct {
	create, mod, version, lease int64
}

// historySize is how many bytes a history takes on a shelf.
const historySize = 32

func putHistory(b []byte, h history) {
	for i, n := range [...]int64{h.create, h.mod, h.version, h.lease} {
		binary.NativeEndian.PutUint64(b[8*i:], uint64(n))
	}
}

func getHistory(b []byte) history {
	n := func(i int) int64 { return int64(binary.NativeEndian.Uint64(b[8*i:])) }
	return history{n(0), n(1), n(2), n(3)}
}

// histories decodes every record of the key bucket and holds it against its
// revision and, above the compaction, against the record of the same key
// before it.
type histories struct {
	p             *pageFile
	compacted     int64
	tally         *tally[history, occurrence]
	live, records int64
	extra         func(key, value []byte) error
	defects       []*defect
	// bound collects the live keys of leases that were asked for.
	bound map[int64]map[keyID]place
	// leases are those that exist, orphans counts the live keys of others.
	leases  map[int64]bool
	orphans int
	// keys is the index, where it was asked for.
	keys *keyTable[history]
	// name is the key of the record that is being judged; when it is nil, the
	// record is read again from bucket.
	name   []byte
	bucket bucket
}

// occurrence is a record of a key: the history with it, and where it lies.
type occurrence struct {
	history
	at place
	// gone says that the key was deleted, judged that something is wrong with
	// the record by itself, restored that nothing happened.
	gone, judged, restored bool
}

func newHistories(p *pageFile, compacted int64, o checking) *histories {
	h := &histories{p: p, compacted: compacted, extra: o.extra, leases: map[int64]bool{}}
	h.tally = newTally(h, o.dir)
	if o.slots > 0 {
		h.tally.limit = o.slots
	}
	if o.bound != nil {
		h.bound = map[int64]map[keyID]place{}
		for id := range o.bound {
			h.bound[id] = map[keyID]place{}
		}
	}
	return h
}

// with gives the visitor of the key bucket.
func (h *histories) with(also visitor) visitor {
	if also == nil {
		return h.visit
	}
	return func(at place, key, value []byte) error {
		if err := h.visit(at, key, value); err != nil {
			return err
		}
		return also(at, key, value)
	}
}

// visit judges a record; what is wrong with it is noted, and the walk goes on.
func (h *histories) visit(at place, key, value []byte) error {
	return h.note(h.judge(at, key, value))
}

// note keeps a defect; any other error is given back.
func (h *histories) note(err error) error {
	var d *defect
	if errors.As(err, &d) {
		if len(h.defects) < maxDefects {
			h.defects = append(h.defects, d)
		}
		return nil
	}
	return err
}

// lease notes a lease that exists.
func (h *histories) lease(_ place, key, _ []byte) error {
	if id, ok := leaseID(key); ok {
		h.leases[id] = true
	}
	return nil
}

func (h *histories) judge(at place, key, value []byte) error {
	r, err := parseRevision(key)
	if err != nil {
		return &defect{h.p.offset(at), fmt.Sprintf("page %d: %v", at.page, err)}
	}
	h.records++
	kv, err := parseRecord(value)
	if err != nil {
		return &defect{h.p.offset(at), fmt.Sprintf("page %d: the record of revision %d cannot be decoded: %v", at.page, r.main, err)}
	}
	if len(value) == 0 && !r.tombstone {
		return nil // left by etcdutl's revision bump
	}
	implausible := plausible(kv, r)
	h.name = kv.key
	err = h.tally.add(kv.key, occurrence{history{kv.create, r.main, kv.version, kv.lease}, at, r.tombstone, implausible != nil, false})
	if h.name = nil; err != nil {
		return err
	}
	if implausible == nil && h.extra != nil && !r.tombstone {
		implausible = h.extra(kv.key, kv.value)
	}
	if implausible != nil {
		return &defect{h.p.offset(at), fmt.Sprintf("page %d: revision %d: %v", at.page, r.main, implausible)}
	}
	return nil
}

// histories is also the tallyRules of what each key went through.

// step makes a record the last of its key and holds it against the one before.
func (h *histories) step(id keyID, now *history, e occurrence) error {
	if e.restored {
		*now = e.history
		return nil
	}
	before := *now
	if before.version != 0 {
		h.live--
	}
	*now = history{}
	if !e.gone {
		*now = e.history
		if now.version == 0 {
			now.version = -1 // a record that claims version 0 exists all the same
		}
		h.live++
	}
	if h.bound != nil {
		h.bind(id, before.lease, now.lease, e.at)
	}
	if e.judged || e.mod <= h.compacted {
		return nil
	}
	if wrong := continues(e, before); wrong != "" {
		return &defect{h.p.offset(e.at), fmt.Sprintf("page %d: revision %d: %s %s", e.at.page, e.mod, h.nameOf(e.at), wrong)}
	}
	return nil
}

// bind notes that a key went from one lease to another; 0 is none.
func (h *histories) bind(id keyID, from, to int64, at place) {
	if keys := h.bound[from]; from != to && keys != nil {
		delete(keys, id)
	}
	if keys := h.bound[to]; keys != nil {
		keys[id] = at
	}
}

// continues holds a record above the compaction against the one before it of
// the same key, which a compaction keeps: a version is one more than the last,
// and only what exists can be deleted. It gives what is wrong.
func continues(e occurrence, before history) string {
	exists := before.version != 0
	switch {
	case e.gone && !exists:
		return "is deleted but did not exist"
	case e.gone:
		return ""
	case exists && (e.version != before.version+1 || e.create != before.create):
		return fmt.Sprintf("has version %d of create revision %d after version %d of %d",
			e.version, e.create, before.version, before.create)
	case !exists && (e.version != 1 || e.create != e.mod):
		return fmt.Sprintf("has version %d without the ones before", e.version)
	}
	return ""
}

// nameOf quotes the key of a record.
func (h *histories) nameOf(at place) string {
	name := h.name
	if name == nil {
		_, value, err := h.p.at(h.bucket, at)
		rec, wrong := parseRecord(value)
		if err != nil || wrong != nil {
			return "a key"
		}
		name = rec.key
	}
	return strconv.Quote(string(bytes.ToValidUTF8(name, nil)))
}

func (h *histories) restored(v history) occurrence { return occurrence{history: v, restored: true} }

func (h *histories) pack(b []byte, e occurrence) []byte {
	b = append(b, flags(e.gone, e.judged, e.restored))
	for _, n := range [...]uint64{uint64(e.create), uint64(e.mod), uint64(e.version), uint64(e.lease), e.at.page, uint64(e.at.index)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (h *histories) unpack(b []byte) (occurrence, bool) {
	u := unpacker{b: b}
	var e occurrence
	u.flags(&e.gone, &e.judged, &e.restored)
	for _, n := range [...]*int64{&e.create, &e.mod, &e.version, &e.lease} {
		*n = int64(u.number())
	}
	e.at = place{u.number(), int(u.number())}
	return e, u.done()
}

// finish judges what was written down, counts the keys of leases that do not
// exist and, where it is asked for, makes the index. Pages are read again only
// to tell the name of a key.
func (h *histories) finish(ctx context.Context, keys bucket, o checking) (err error) {
	h.bucket = keys
	t := h.tally
	var below *shelf[history]
	if t.file != nil && o.index {
		if below, err = newShelf(o.dir, historySize, putHistory, getHistory); err != nil {
			return err
		}
	}
	err = t.finish(ctx, h.note, func(shard int, s *tableShard[history]) error {
		s.each(func(_ keyID, v history) {
			if v.version != 0 && v.lease != 0 && !h.leases[v.lease] {
				h.orphans++
			}
		})
		if below == nil {
			return nil
		}
		return below.take(shard, s)
	})
	h.tally = nil
	if o.index && err == nil {
		h.keys, t.table.below, t.table.limit = t.table, below, t.limit
		return nil
	}
	if below != nil {
		below.close()
	}
	return err
}

// close gives the index back.
func (h *histories) close() {
	if h == nil || h.keys == nil {
		return
	}
	if h.keys.below != nil {
		h.keys.below.close()
	}
	h.keys = nil
}
