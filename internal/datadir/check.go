package datadir

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// maxDefects bounds the list of one file's damage.
const maxDefects = 32

// checked is what a full walk through a db found.
type checked struct {
	inUse   int64 // bytes of the pages that are reachable
	keys    int64 // live keys at the newest revision
	records int64
	pages   int64 // pages that are not reachable: free ones, in a sound db
	defects []*defect
	// content are the defects of records: what they say, not where they lie.
	content []*defect
	h       *histories
	all     map[string]bucket
}

// everything lists all defects, those of pages first.
func (c checked) everything() []*defect { return append(slices.Clone(c.defects), c.content...) }

// checking says what a check does besides.
type checking struct {
	// extra judges each record too; nil judges nothing.
	extra func(key, value []byte) error
	// also sees every record of the key bucket; nil for none.
	also visitor
	// bound asks for the keys of leases.
	bound bool
	// glance asks for the facts alone.
	glance bool
}

// check walks every page of a stopped db: the structure as bbolt's tx.Check
// does, and every record of the key bucket: its decoding, and what it says
// against its revision and the record of the same key before it. The caller sees to it that the file is
// read in sequence meanwhile, so that the walk does not wait for a cold disk.
// Memory: 66 bytes for each key that ever was.
func check(ctx context.Context, p *pageFile, compacted int64, o checking) (checked, error) {
	c := checked{defects: append([]*defect(nil), p.bad...)}
	p.seen = make([]uint64, p.meta.end/64+1)
	p.report = func(d *defect) {
		if len(c.defects) < maxDefects {
			c.defects = append(c.defects, d)
		}
	}
	defer func() { p.seen, p.report = nil, nil }()
	p.seen[0] |= 3
	free := p.freelist()
	all, err := p.buckets(ctx)
	if err != nil {
		return c, err
	}
	c.all = maps.Clone(all)
	h := &histories{p: p, compacted: compacted, keys: newKeyTable[history](), extra: o.extra}
	if o.bound {
		h.bound = boundKeys{}
	}
	for _, b := range append(schema.AllBuckets, schema.Test) {
		tree, ok := all[string(b.Name())]
		delete(all, string(b.Name()))
		if !ok {
			if b.ID() == schema.Key.ID() {
				p.report(&defect{-1, "the db has no bucket \"key\": no etcd wrote it"})
			}
			continue
		}
		visit := func(place, []byte, []byte) error { return nil }
		if b.ID() == schema.Key.ID() {
			visit = h.with(o.also)
		}
		if err := p.each(ctx, tree, visit); err != nil {
			return c, err
		}
	}
	for name := range all {
		p.report(&defect{-1, fmt.Sprintf("the db has a bucket %q that etcd does not know", name)})
	}
	for _, n := range free {
		if p.seen[n/64]&(1<<(n%64)) != 0 {
			p.report(&defect{int64(n) * int64(p.meta.pageSize), fmt.Sprintf("page %d is in use and in the list of free pages", n)})
		}
	}
	used := int64(0)
	for _, word := range p.seen {
		used += int64(bits.OnesCount64(word))
	}
	c.inUse, c.pages = used*int64(p.meta.pageSize), int64(p.meta.end)-used
	c.keys, c.records, c.content, c.h = h.live, h.records, h.defects, h
	return c, nil
}

// freelist marks the pages of a stored freelist and gives the pages that it
// lists; etcd itself stores none.
func (p *pageFile) freelist() []uint64 {
	n := p.meta.freelist
	if n == noFreelist {
		return nil
	}
	off := int64(n) * int64(p.meta.pageSize)
	if n < 2 || n >= p.meta.end {
		p.report(&defect{off, fmt.Sprintf("the freelist page %d is outside the db", n)})
		return nil
	}
	buf, err := p.read(off, p.meta.pageSize, 0)
	if err != nil {
		p.report(&defect{off, "the freelist cannot be read"})
		return nil
	}
	id, flags, count, overflow := pageHeader(buf)
	if id != n || flags != freelistPage || n+uint64(overflow) >= p.meta.end {
		p.report(&defect{off, fmt.Sprintf("page %d ought to be the freelist and is not", n)})
		return nil
	}
	if err := p.mark(page{number: n, flags: flags, count: count, overflow: overflow}); err != nil {
		p.report(&defect{off, err.Error()})
		return nil
	}
	if buf, err = p.read(off, p.meta.pageSize*(1+int(overflow)), 0); err != nil {
		p.report(&defect{off, "the freelist cannot be read"})
		return nil
	}
	return p.freed(off, buf[pageHeaderSize:], count)
}

// freed reads the numbers in a freelist; where there are many, the first is
// their count (bbolt internal/common/page.go, FreelistPageIds).
func (p *pageFile) freed(off int64, list []byte, count int) []uint64 {
	ne := binary.NativeEndian
	n := uint64(count)
	if count == 0xffff && len(list) >= 8 {
		n, list = ne.Uint64(list), list[8:]
	}
	if n > uint64(len(list)/8) {
		p.report(&defect{off, fmt.Sprintf("the freelist claims %d pages, more than it has room for", n)})
		return nil
	}
	ids := make([]uint64, 0, n)
	for i := range n {
		id := ne.Uint64(list[8*i:])
		if id < 2 || id >= p.meta.end {
			p.report(&defect{off, fmt.Sprintf("the freelist names page %d, which is outside the db", id)})
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// history is what the last record of a key said; version is 0 when the key does
// not exist.
type history struct {
	create, mod, version, lease int64
}

// histories decodes every record of the key bucket and holds it against its
// revision and, above the compaction, against the record of the same key
// before it.
type histories struct {
	p             *pageFile
	compacted     int64
	keys          *keyTable[history]
	live, records int64
	extra         func(key, value []byte) error
	defects       []*defect
	// bound collects the live keys of each lease, where it is not nil.
	bound boundKeys
}

// boundKeys are the keys that are bound to leases, by the lease's ID.
type boundKeys map[int64]map[string]struct{}

// move notes that a key went from one lease to another; 0 is none.
func (b boundKeys) move(key []byte, from, to int64) {
	if from == to || b == nil {
		return
	}
	if keys := b[from]; from != 0 && keys != nil {
		delete(keys, string(key))
		if len(keys) == 0 {
			delete(b, from)
		}
	}
	if to == 0 {
		return
	}
	if b[to] == nil {
		b[to] = map[string]struct{}{}
	}
	b[to][string(key)] = struct{}{}
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
	err := h.judge(at, key, value)
	var d *defect
	if errors.As(err, &d) {
		if len(h.defects) < maxDefects {
			h.defects = append(h.defects, d)
		}
		return nil
	}
	return err
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
	before := h.note(kv, r)
	err = plausible(kv, r)
	if err == nil && r.main > h.compacted {
		err = continues(kv, r, before)
	}
	if err == nil && h.extra != nil && !r.tombstone {
		err = h.extra(kv.key, kv.value)
	}
	if err != nil {
		return &defect{h.p.offset(at), fmt.Sprintf("page %d: revision %d: %v", at.page, r.main, err)}
	}
	return nil
}

// note makes a record the last of its key and gives what was known before.
func (h *histories) note(kv record, r revision) (before history) {
	now, _ := h.keys.at(kv.key)
	before = *now
	if before.version != 0 {
		h.live--
	}
	*now = history{}
	if !r.tombstone {
		// A record that claims version 0 exists all the same.
		*now = history{kv.create, r.main, kv.version, kv.lease}
		if kv.version == 0 {
			now.version = -1
		}
		h.live++
	}
	if before.lease != 0 || now.lease != 0 {
		h.bound.move(kv.key, before.lease, now.lease)
	}
	return before
}

// continues holds a record above the compaction against the one before it of
// the same key, which a compaction keeps: a version is one more than the last,
// and only what exists can be deleted.
func continues(kv record, r revision, before history) error {
	name := bytes.ToValidUTF8(kv.key, nil)
	exists := before.version != 0
	switch {
	case r.tombstone && !exists:
		return fmt.Errorf("%q is deleted but did not exist", name)
	case r.tombstone:
		return nil
	case exists && (kv.version != before.version+1 || kv.create != before.create):
		return fmt.Errorf("%q has version %d of create revision %d after version %d of %d",
			name, kv.version, kv.create, before.version, before.create)
	case !exists && (kv.version != 1 || kv.create != r.main):
		return fmt.Errorf("%q has version %d without the ones before", name, kv.version)
	}
	return nil
}

// plausible holds a record against what etcd writes
// (server/storage/mvcc/kvstore_txn.go, put and delete).
func plausible(kv record, r revision) error {
	switch {
	case len(kv.key) == 0:
		return errors.New("the record has no key")
	case kv.unknown:
		return errors.New("the record has fields that etcd does not know")
	case r.tombstone && (kv.mod != 0 || kv.create != 0 || kv.version != 0):
		return fmt.Errorf("the deletion of %q carries revisions", bytes.ToValidUTF8(kv.key, nil))
	case r.tombstone:
		return nil
	case kv.mod != r.main || kv.create < 1 || kv.create > kv.mod || kv.version < 1:
		return fmt.Errorf("the record of %q contradicts its place (create %d, mod %d, version %d)",
			bytes.ToValidUTF8(kv.key, nil), kv.create, kv.mod, kv.version)
	}
	return nil
}
