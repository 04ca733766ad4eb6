package datadir

import (
	"cmp"
	"slices"
)

// entryRef is where an entry lies, and what it can do.
type entryRef struct {
	index, term        uint64
	segment, off, size uint32
	// writes is true when applying the entry can make a revision, revokes when
	// it ends a lease.
	writes, revokes bool
}

// run is a row of entries without a gap between two damages. There may be
// millions: memory is 8 bytes for each.
type run struct {
	// base is the index before the first entry, baseTerm its term when the
	// log tells it (a snapshot record), else 0.
	base, baseTerm uint64
	// chunks hold the places of the entries, all full but the last.
	chunks [][]entryPlace
	// marks tell from which entry on a term and a segment hold.
	marks []entryMark
	// commit is the last HardState's before the run's end.
	commit uint64
}

// entryPlace is where an entry's frame begins in its segment, and its size with
// what the entry can do above it.
type entryPlace struct{ off, size uint32 }

const (
	placeWrites  = 1 << 31
	placeRevokes = 1 << 30
	// maxEntrySize is the size above which no frame of etcd's is.
	maxEntrySize = placeRevokes - 1
	chunkEntries = 1 << 13
)

// entryMark is what holds for the entries of a run from an index on.
type entryMark struct {
	from, term uint64
	segment    uint32
}

func (r *run) count() int {
	n := len(r.chunks)
	if n == 0 {
		return 0
	}
	return (n-1)*chunkEntries + len(r.chunks[n-1])
}

// last is the index of the last entry.
func (r *run) last() uint64 { return r.base + uint64(r.count()) }

// add appends an entry, whose index follows the last.
func (r *run) add(e entryRef) {
	if n := len(r.marks); n == 0 || r.marks[n-1].term != e.term || r.marks[n-1].segment != e.segment {
		r.marks = append(r.marks, entryMark{e.index, e.term, e.segment})
	}
	n := len(r.chunks)
	if n == 0 || len(r.chunks[n-1]) == chunkEntries {
		r.chunks = append(r.chunks, nil)
		n++
	}
	p := entryPlace{e.off, e.size}
	if e.writes {
		p.size |= placeWrites
	}
	if e.revokes {
		p.size |= placeRevokes
	}
	r.chunks[n-1] = append(r.chunks[n-1], p)
}

// at gives the entry of an index, which the run has.
func (r *run) at(index uint64) entryRef {
	i := index - r.base - 1
	p := r.chunks[i/chunkEntries][i%chunkEntries]
	m, found := slices.BinarySearchFunc(r.marks, index, func(m entryMark, index uint64) int { return cmp.Compare(m.from, index) })
	if !found {
		m--
	}
	mark := r.marks[m]
	return entryRef{index: index, term: mark.term, segment: mark.segment, off: p.off, size: p.size &^ (placeWrites | placeRevokes),
		writes: p.size&placeWrites != 0, revokes: p.size&placeRevokes != 0}
}

// cutBehind drops the entries behind an index, which is the run's base or one
// of its entries.
func (r *run) cutBehind(index uint64) {
	n := int(index - r.base)
	full, rest := n/chunkEntries, n%chunkEntries
	if rest > 0 {
		r.chunks[full] = r.chunks[full][:rest]
		full++
	}
	if full < len(r.chunks) {
		r.chunks = r.chunks[:full]
	}
	for len(r.marks) > 0 && r.marks[len(r.marks)-1].from > index {
		r.marks = r.marks[:len(r.marks)-1]
	}
}

// term gives the term of an index of the run; ok is false outside.
func (r *run) term(index uint64) (uint64, bool) {
	switch {
	case index == r.base && r.baseTerm > 0:
		return r.baseTerm, true
	case index > r.base && index <= r.last():
		return r.at(index).term, true
	}
	return 0, false
}
