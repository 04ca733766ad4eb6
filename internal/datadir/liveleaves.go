package datadir

import (
	"context"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// liveBytes bounds what is read beside who goes through what was read before: the
// records of so many leaves as have these bytes, or the first beyond, so that the
// two seldom wait for each other.
const liveBytes = 2 << 20

// sparseBelow is the part of a db, one in so many bytes, below which live records
// are read one by one and not with the leaf around them.
const sparseBelow = 3

// liveLeaves reads the live records of a survey, a batch ahead of who goes through
// them.
type liveLeaves struct {
	s    *survey
	p    pageFile
	keys bucket
	// leaf is the one to look at next, ordinal the place of its first record in
	// the row of all.
	leaf, ordinal int
	sparse        bool
	hint          int64 // up to where the kernel was told to read ahead
	spare         *liveRecords
	reads         bool // a batch is being read; ready gives it
	ready         chan *liveRecords
}

// liveRecords are some live records: their keys and values lie behind each other
// in bytes.
type liveRecords struct {
	list  []liveRecord
	bytes []byte
	// last tells that no record follows; err is why not.
	last bool
	err  error
}

// liveRecord is where a record lies in its file, and where its key begins and its
// value begins and ends.
type liveRecord struct {
	place
	extent
}

// eachLive visits the live records again in the order of revisions, and reads
// only the leaves that hold one.
func (s *survey) eachLive(ctx context.Context, visit visitor) error {
	r := newLiveLeaves(s)
	defer r.close()
	r.begin(&liveRecords{})
	for {
		b := r.take()
		if err := b.visit(ctx, visit); err != nil {
			return err
		}
		if b.last {
			return b.err
		}
		r.spare = b
	}
}

func newLiveLeaves(s *survey) *liveLeaves {
	r := &liveLeaves{s: s, keys: s.all[string(schema.Key.Name())], spare: &liveRecords{}, ready: make(chan *liveRecords, 1)}
	r.sparse = r.keys.root != 0 && s.bytes < s.p.size/sparseBelow
	r.p = pageFile{f: s.p.f, size: s.p.size, meta: s.p.meta, ahead: window{on: s.p.ahead.on && !r.sparse}}
	return r
}

// begin lets a batch be read.
func (r *liveLeaves) begin(b *liveRecords) {
	r.reads = true
	go func() {
		b.last, b.err = r.fill(b)
		r.ready <- b
	}()
}

// take gives the batch that was read and lets the next be.
func (r *liveLeaves) take() *liveRecords {
	b := <-r.ready
	if r.reads = false; !b.last {
		r.begin(r.spare)
	}
	return b
}

func (r *liveLeaves) close() {
	if r.reads {
		<-r.ready
	}
	r.p.ahead.close()
}

// fill reads leaves until the batch is full; last tells that there are no more.
func (r *liveLeaves) fill(b *liveRecords) (last bool, err error) {
	b.list, b.bytes = b.list[:0], b.bytes[:0]
	if cap(b.bytes) > 2*liveBytes {
		b.bytes = nil // a large value is seldom followed by another
	}
	for r.leaf < len(r.s.leaves) && len(b.bytes) < liveBytes {
		leaf, first := r.s.leaves[r.leaf], r.ordinal
		r.leaf++
		r.ordinal += int(leaf.count)
		if !r.s.anyLive(first, r.ordinal) {
			continue
		}
		if err := r.read(b, uint64(leaf.page), first, int(leaf.count)); err != nil {
			return true, err
		}
	}
	return r.leaf == len(r.s.leaves), nil
}

// read takes the live records of a leaf that was met before with so many records;
// first is the place of its first.
func (r *liveLeaves) read(b *liveRecords, number uint64, first, count int) (err error) {
	var pg page
	switch {
	case r.keys.root == 0:
		pg, err = r.p.inline(r.keys)
	case r.sparse:
		pg, err = r.head(number)
	default:
		pg, err = r.p.peek(number, 0)
	}
	if err != nil {
		return err
	}
	end := uint64(len(pg.data))
	if r.sparse {
		end = uint64(r.p.meta.pageSize) * (1 + uint64(pg.overflow))
	}
	for i := range count {
		if !r.s.isLive(first + i) {
			continue
		}
		at := place{number, i}
		_, e, ok := pg.extent(i)
		if !ok || i >= pg.count || e.to > end {
			return &defect{r.p.offset(at), "the page has changed"}
		}
		if err := r.keep(b, pg, at, e); err != nil {
			return err
		}
	}
	return nil
}

// head reads the beginning of a leaf with the places of all its elements.
func (r *liveLeaves) head(number uint64) (page, error) {
	size, off := r.p.meta.pageSize, int64(number)*int64(r.p.meta.pageSize)
	r.hint = readAhead(r.p.f, off, r.hint)
	buf, err := r.p.read(off, size, 0)
	if err != nil {
		return page{}, err
	}
	id, flags, count, overflow := pageHeader(buf)
	if id != number || flags != leafPage || number+uint64(overflow) >= r.p.meta.end {
		return page{}, &defect{off, "the page has changed"}
	}
	if pageHeaderSize+count*elementSize > size {
		return r.p.page(number, 0)
	}
	return page{number, flags, count, overflow, buf}, nil
}

// keep takes a record, from the file where the page does not reach so far.
func (r *liveLeaves) keep(b *liveRecords, pg page, at place, e extent) error {
	from, size := len(b.bytes), int(e.to-e.from)
	if e.to <= uint64(len(pg.data)) {
		b.bytes = append(b.bytes, pg.data[e.from:e.to]...)
	} else {
		b.bytes = slices.Grow(b.bytes, size)[:from+size]
		off := r.p.offset(at) + int64(e.from)
		if _, err := r.p.f.ReadAt(b.bytes[from:], off); err != nil {
			return unreadable(off, err)
		}
	}
	moved := uint64(from) - e.from
	b.list = append(b.list, liveRecord{at, extent{e.from + moved, e.mid + moved, e.to + moved}})
	return nil
}

// visit visits the records of a batch.
func (b *liveRecords) visit(ctx context.Context, visit visitor) error {
	for i, l := range b.list {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := visit(l.place, b.bytes[l.from:l.mid:l.mid], b.bytes[l.mid:l.to:l.to]); err != nil {
			return err
		}
	}
	return nil
}
