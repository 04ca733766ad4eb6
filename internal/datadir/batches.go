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

// batches reads and decodes the entries of a tail, a little ahead of who
// applies them. It ends with an error, the last entry, or ctx.
func (t tail) batches(ctx context.Context) <-chan batch {
	out := make(chan batch, 2)
	go func() {
		defer close(out)
		r := tailReader{log: t.log, segment: -1}
		defer r.close()
		for rest := t.entries; len(rest) > 0; {
			b := r.read(rest)
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
			rest = rest[len(b.refs):]
		}
	}()
	return out
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

// read reads as many of the next entries as make a batch.
func (r *tailReader) read(rest []entryRef) batch {
	first := rest[0]
	n, end := 1, first.off+first.size
	for n < len(rest) && n < batchEntries && rest[n].segment == first.segment &&
		rest[n].off >= end && rest[n].off+rest[n].size-first.off <= batchBytes {
		end = rest[n].off + rest[n].size
		n++
	}
	b := batch{refs: rest[:n], list: make([]rawEntry, 0, n)}
	if r.segment != first.segment {
		r.close()
		r.segment = first.segment
		if r.f, b.err = os.Open(filepath.Join(r.log.dir, r.log.segments[r.segment].Name)); b.err != nil {
			return b
		}
	}
	buf := make([]byte, end-first.off)
	if _, b.err = r.f.ReadAt(buf, first.off); b.err != nil {
		return b
	}
	for _, ref := range b.refs {
		ref.off -= first.off
		e, err := r.log.entry(buf, ref)
		if err != nil {
			b.err = fmt.Errorf("read entry %d: %w", ref.index, err)
			return b
		}
		b.list = append(b.list, e)
	}
	return b
}

// each visits every entry in its turn. An error of visit ends the reading and
// is returned as it is.
func (t tail) each(ctx context.Context, visit func(ref entryRef, raw rawEntry) error) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	for b := range t.batches(reading) {
		if b.err != nil {
			return b.err
		}
		for i, raw := range b.list {
			if err := visit(b.refs[i], raw); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}
