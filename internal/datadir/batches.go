package datadir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/raft/v3/raftpb"
)

// A batch is read at once: so many bytes of a segment, and entries.
const (
	batchBytes   = 1 << 20
	batchEntries = 1000
)

// batch is a row of entries that were read and decoded.
type batch struct {
	refs []entryRef
	list []rawEntry
	buf  []byte
	err  error
}

// rawEntry is an entry as it lies in the log.
type rawEntry struct {
	kind raftpb.EntryType
	data []byte
}

// entry gives the entry that a reference is about.
func (e rawEntry) entry(ref entryRef) *raftpb.Entry {
	return &raftpb.Entry{Type: &e.kind, Term: &ref.term, Index: &ref.index, Data: e.data}
}

// batchBuffers is how many batches are on their way at once.
const batchBuffers = 3

// batches reads the entries of a tail, a little ahead of who applies them. It
// ends with an error, the last entry, or ctx. A batch is given back when it was
// applied.
func (t tail) batches(ctx context.Context, free chan []byte) <-chan batch {
	out := make(chan batch, batchBuffers)
	go func() {
		defer close(out)
		r := tailReader{log: t.log, segment: -1}
		defer r.close()
		for at, last := t.next, t.run.last(); t.left() > 0 && at <= last; {
			var b batch
			select {
			case buf := <-free:
				b = r.read(&t.run, at, buf)
			case <-ctx.Done():
				return
			}
			out <- b
			if b.err != nil {
				return
			}
			at += uint64(len(b.refs))
		}
	}()
	return out
}

// each visits every entry in its turn; its data is valid during the visit only.
// An error of visit ends the reading and is returned as it is.
func (t tail) each(ctx context.Context, visit func(ref entryRef, raw rawEntry) error) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan []byte, batchBuffers)
	for range batchBuffers {
		free <- nil
	}
	for b := range t.batches(reading, free) {
		if b.err != nil {
			return b.err
		}
		for i, raw := range b.list {
			if err := visit(b.refs[i], raw); err != nil {
				return err
			}
		}
		free <- b.buf
	}
	return ctx.Err()
}

// tailReader keeps the segment open that it reads.
type tailReader struct {
	log     *walLog
	segment int
	f       *os.File
}

func (r *tailReader) close() {
	if r.f != nil {
		_ = r.f.Close()
	}
}

// read reads as many entries, from an index on, as make a batch.
func (r *tailReader) read(from *run, index uint64, buf []byte) batch {
	first := from.at(index)
	refs, end := []entryRef{first}, first.off+first.size
	for index < from.last() && len(refs) < batchEntries {
		index++
		e := from.at(index)
		if e.segment != first.segment || e.off < end || e.off+e.size-first.off > batchBytes {
			break
		}
		refs, end = append(refs, e), e.off+e.size
	}
	size := int(end - first.off)
	if cap(buf) < size {
		buf = make([]byte, max(size, batchBytes))
	}
	b := batch{refs: refs, list: make([]rawEntry, 0, len(refs)), buf: buf[:size]}
	if r.segment != int(first.segment) {
		r.close()
		r.segment = int(first.segment)
		if r.f, b.err = os.Open(filepath.Join(r.log.dir, r.log.segments[r.segment].Name)); b.err != nil {
			return b
		}
	}
	if _, b.err = r.f.ReadAt(b.buf, int64(first.off)); b.err != nil {
		return b
	}
	for _, ref := range b.refs {
		ref.off -= first.off
		e, err := r.log.entry(b.buf, ref)
		if err != nil {
			b.err = fmt.Errorf("read entry %d: %w", ref.index, err)
			return b
		}
		b.list = append(b.list, e)
	}
	return b
}
