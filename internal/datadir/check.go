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
	// also sees every record of the key bucket; nil for none. objects asks
	// examineFor for what is live.
	also    visitor
	objects bool
	// bound asks for the keys of these leases, index for the histories of all
	// keys; without it they may be forgotten.
	bound map[int64]bool
	index bool
	// dir is where files of keys may go, as for nameless; slots is how much of
	// the table of keys may be in memory, 0 means slotsInMemory.
	dir   string
	slots int
	// glance asks for the facts alone.
	glance bool
	// unlocked verifies a db that a running etcd holds too: what was read counts
	// only if nothing was committed meanwhile.
	unlocked bool
}

// check walks every page of a stopped db: the structure as bbolt's tx.Check
// does, and every record of the key bucket: its decoding, and what it says
// against its revision and the record of the same key before it. The caller sees to it that the file is
// read in sequence meanwhile, so that the walk does not wait for a cold disk.
// Memory: that of a tally, and 40 bytes for each lease.
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
	h := newHistories(p, compacted, o)
	defer h.tally.close()
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
		switch b.ID() {
		case schema.Key.ID():
			visit = p.watching(h.with(o.also))
		case schema.Lease.ID():
			visit = h.lease
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
	p.seen, p.report = nil, nil // pages are read again, where something is wrong with a key
	if err := h.finish(ctx, c.all[string(schema.Key.Name())], o); err != nil {
		return c, err
	}
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
