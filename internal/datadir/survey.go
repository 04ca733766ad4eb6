package datadir

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// survey is what one walk through a sound db finds out: where its buckets and
// the leaves of the key bucket are, and which records are live at a revision.
type survey struct {
	p   *pageFile
	all map[string]bucket
	// at is the revision that live is about.
	at      int64
	leaves  []leafSpan
	live    bitmap
	records int
	// latest is the greatest revision of all records.
	latest revision
	// keys counts the live ones, bytes their records.
	keys, bytes int64
	// found goes through the records of each key.
	found *lane[newest, sighted]
	dir   string // where files of keys go, as for nameless
	// phantom is the place of the last record with an empty key, plus one.
	phantom int
}

// leafSpan is a leaf of the key bucket.
type leafSpan struct {
	page  uint32
	count uint16
}

// newest is what is known of a key so far: its newest record, by its place in
// the row of all, plus one; 0 when the key is deleted.
type newest struct {
	record uint32
	size   uint32
}

type bitmap []uint64

func (b bitmap) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *bitmap) set(i int) {
	for i/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}

func (b bitmap) clear(i int) { b[i/64] &^= 1 << (i % 64) }

// take walks the whole db in the order of its keys; the first damage is the
// error. at is the revision at which records are live; 0 means the newest. The
// empty key that etcdutl's revision bump leaves is live for etcd, and here only
// when phantom is true. dir is where a file of keys may go, as for nameless.
// Memory: that of a tally, a bit for each record and 8 bytes for each leaf.
func takeSurvey(ctx context.Context, p *pageFile, at int64, phantom bool, dir string) (*survey, error) {
	s := newSurvey(p, at, dir)
	defer s.close()
	p.seen = make([]uint64, p.meta.end/64+1)
	p.seen[0] |= 3
	defer func() { p.seen = nil }()
	var err error
	if s.all, err = p.buckets(ctx); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(s.all)) {
		visit := func(place, []byte, []byte) error { return nil }
		if name == string(schema.Key.Name()) {
			visit = s.visitor(phantom)
		}
		if err := p.each(ctx, s.all[name], visit); err != nil {
			return nil, fmt.Errorf("bucket %q: %w", name, err)
		}
	}
	if err := s.finish(ctx); err != nil {
		return nil, err
	}
	if _, ok := s.all[string(schema.Key.Name())]; !ok {
		return nil, &defect{-1, "the db has no bucket \"key\": no etcd wrote it"}
	}
	return s, nil
}

// visitor looks at every record of the key bucket; finish has to follow.
func (s *survey) visitor(phantom bool) visitor {
	return func(at place, key, value []byte) error {
		r, err := parseRevision(key)
		if err != nil {
			return &defect{s.p.offset(at), err.Error()}
		}
		rec, err := parseRecord(value)
		if err != nil {
			return &defect{s.p.offset(at), fmt.Sprintf("revision %d cannot be decoded: %v", r.main, err)}
		}
		if at.page > math.MaxUint32 || s.records == math.MaxUint32-1 {
			return fmt.Errorf("the db is too large: page %d, %d records", at.page, s.records)
		}
		if n := len(s.leaves); n == 0 || s.leaves[n-1].page != uint32(at.page) { // the first element may be damaged
			s.leaves = append(s.leaves, leafSpan{page: uint32(at.page)})
		}
		s.leaves[len(s.leaves)-1].count++
		s.records++
		s.latest = r
		if len(rec.key) == 0 && r.main <= s.at {
			s.phantom = s.records
		}
		if r.main > s.at || (len(rec.key) == 0 && !phantom) {
			return nil
		}
		return s.found.add(rec.key, sighted{newest{uint32(s.records), uint32(len(key) + len(value))}, r.tombstone, false})
	}
}

// finish makes the survey complete.
func (s *survey) finish(ctx context.Context) error {
	err := s.found.finish(ctx)
	if err == nil {
		s.found = nil
	}
	return err
}

// close gives back what an unfinished survey holds.
func (s *survey) close() {
	if s.found != nil {
		s.found.close()
	}
}

// sighted is a record of a key.
type sighted struct {
	newest
	gone, restored bool
}

// survey is also the tallyRules of what is newest of each key.

// step makes a record the newest of its key.
func (s *survey) step(_ keyID, n *newest, e sighted) error {
	if e.restored {
		*n = e.newest
		return nil
	}
	if n.record > 0 {
		s.live.clear(int(n.record - 1))
		s.keys--
		s.bytes -= int64(n.size)
	}
	*n = newest{}
	if !e.gone {
		s.live.set(int(e.record - 1))
		s.keys++
		s.bytes += int64(e.size)
		*n = e.newest
	}
	return nil
}

func (s *survey) restored(n newest) sighted { return sighted{n, false, true} }

func (s *survey) pack(b []byte, e sighted) []byte {
	b = append(b, flags(e.gone, e.restored))
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.record)), uint64(e.size))
}

func (s *survey) unpack(b []byte) (sighted, bool) {
	u := unpacker{b: b}
	var e sighted
	u.flags(&e.gone, &e.restored)
	e.record, e.size = uint32(u.number()), uint32(u.number())
	return e, u.done()
}

func newSurvey(p *pageFile, at int64, dir string) *survey {
	s := &survey{p: p, at: at, dir: dir}
	s.found = newLane(newTally(s, dir))
	if at == 0 {
		s.at = math.MaxInt64
	}
	return s
}

// isLive tells whether a record is live, by its place in the row of all.
func (s *survey) isLive(ordinal int) bool { return ordinal/64 < len(s.live) && s.live.has(ordinal) }

func (s *survey) anyLive(from, to int) bool {
	for i := from; i < to; i++ {
		if s.isLive(i) {
			return true
		}
	}
	return false
}
