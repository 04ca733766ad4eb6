package datadir

import (
	"context"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// liveBatch and liveBytes bound what is read beside who goes through what was
// read before: so many leaves, or the first bytes beyond so many, so that the two
// seldom wait for each other. A leaf with a large value is a batch by itself.
const (
	liveBatch = 512
	liveBytes = 2 << 20
)

// keptBuffer is the largest buffer, in bytes, that is kept for another leaf.
const keptBuffer = 16 << 10

// liveLeaves reads the leaves of a survey that hold a live record, a batch ahead
// of who goes through them, with buffers of its own.
type liveLeaves struct {
	s    *survey
	p    pageFile
	keys bucket
	// leaf is the one to look at next, ordinal the place of its first record in
	// the row of all.
	leaf, ordinal int
	spare         *leafBatch
	reads         bool // a batch is being read; ready gives it
	ready         chan *leafBatch
}

// leafBatch is some leaves.
type leafBatch struct {
	leaves []liveLeaf
	bufs   [liveBatch][]byte
	// last tells that no leaf follows; err is why not.
	last bool
	err  error
}

// liveLeaf is a leaf that was met before with so many records, and the place of
// the first.
type liveLeaf struct {
	page
	first, records int
}

// eachLive visits the live records again in the order of revisions, and reads
// only the leaves that hold one.
func (s *survey) eachLive(ctx context.Context, visit visitor) error {
	r := &liveLeaves{s: s, keys: s.all[string(schema.Key.Name())], spare: &leafBatch{}, ready: make(chan *leafBatch, 1)}
	r.p = pageFile{f: s.p.f, size: s.p.size, meta: s.p.meta, ahead: window{on: s.p.ahead.on}}
	defer r.close()
	r.begin(&leafBatch{})
	for {
		b := r.take()
		if err := r.visit(ctx, b, visit); err != nil {
			return err
		}
		if b.last {
			return b.err
		}
		r.spare = b
	}
}

// begin lets a batch be read.
func (r *liveLeaves) begin(b *leafBatch) {
	r.reads = true
	go func() {
		b.last, b.err = r.fill(b)
		r.ready <- b
	}()
}

// take gives the batch that was read and lets the next be.
func (r *liveLeaves) take() *leafBatch {
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
func (r *liveLeaves) fill(b *leafBatch) (last bool, err error) {
	b.leaves = b.leaves[:0]
	for i := range b.bufs {
		if cap(b.bufs[i]) > keptBuffer {
			b.bufs[i] = nil
		}
	}
	for bytes := 0; r.leaf < len(r.s.leaves) && len(b.leaves) < liveBatch && bytes < liveBytes; {
		leaf, first := r.s.leaves[r.leaf], r.ordinal
		r.leaf++
		r.ordinal += int(leaf.count)
		if !r.s.anyLive(first, r.ordinal) {
			continue
		}
		buf := &b.bufs[len(b.leaves)]
		r.p.bufs[0] = *buf
		pg, err := r.p.inlineOr(r.keys, uint64(leaf.page), 0)
		if err != nil {
			return true, err
		}
		*buf, r.p.bufs[0] = r.p.bufs[0], nil // it may have grown
		bytes += len(pg.data)
		b.leaves = append(b.leaves, liveLeaf{pg, first, int(leaf.count)})
	}
	return r.leaf == len(r.s.leaves), nil
}

// visit visits the live records of a batch.
func (r *liveLeaves) visit(ctx context.Context, b *leafBatch, visit visitor) error {
	for _, l := range b.leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range l.records {
			if !r.s.isLive(l.first + i) {
				continue
			}
			_, key, value, ok := l.leaf(i)
			if !ok {
				return &defect{r.p.offset(place{page: l.number}), "the page has changed"}
			}
			if err := visit(place{l.number, i}, key, value); err != nil {
				return err
			}
		}
	}
	return nil
}
