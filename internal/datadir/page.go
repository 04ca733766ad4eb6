package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// page is one page of a bbolt file with its overflow, or the inline page of a
// small bucket (then number is that of the page around it).
type page struct {
	number   uint64
	flags    uint16
	count    int
	overflow uint32
	data     []byte
}

// pageHeader is what stands at a page's beginning: its own number, its type,
// the count of its elements and the number of pages that follow it.
func pageHeader(b []byte) (id uint64, flags uint16, count int, overflow uint32) {
	ne := binary.NativeEndian
	return ne.Uint64(b), ne.Uint16(b[8:]), int(ne.Uint16(b[10:])), ne.Uint32(b[12:])
}

// page reads page number n into the buffer of a depth and checks its header.
func (p *pageFile) page(n uint64, depth int) (page, error) {
	size := p.meta.pageSize
	off := int64(n) * int64(size)
	if n < 2 || n >= p.meta.end {
		return page{}, &defect{off, fmt.Sprintf("page %d is outside the db (pages 2 to %d)", n, p.meta.end-1)}
	}
	if depth > maxDepth {
		return page{}, &defect{off, fmt.Sprintf("page %d lies deeper than a tree can be", n)}
	}
	buf, err := p.read(off, size, depth)
	if err != nil {
		return page{}, err
	}
	id, flags, count, overflow := pageHeader(buf)
	if id != n {
		return page{}, &defect{off, fmt.Sprintf("page %d says that it is page %d", n, id)}
	}
	if n+uint64(overflow) >= p.meta.end {
		return page{}, &defect{off, fmt.Sprintf("page %d claims %d more pages than the db has", n, overflow)}
	}
	if overflow > 0 {
		if buf, err = p.read(off, size*(1+int(overflow)), depth); err != nil {
			return page{}, err
		}
	}
	pg := page{n, flags, count, overflow, buf}
	if (flags != branchPage && flags != leafPage) || pageHeaderSize+count*elementSize > len(buf) {
		return page{}, &defect{off, fmt.Sprintf("page %d is neither branch nor leaf (flags %#x, count %d)", n, flags, count)}
	}
	return pg, p.mark(pg)
}

func (p *pageFile) read(off int64, size, depth int) ([]byte, error) {
	if cap(p.bufs[depth]) < size {
		p.bufs[depth] = make([]byte, size)
	}
	buf := p.bufs[depth][:size]
	if p.ahead.take(p.f, buf, off) {
		return buf, nil
	}
	if _, err := p.f.ReadAt(buf, off); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &defect{off, "the file ends inside this page"}
		}
		return nil, &defect{off, "cannot read: " + err.Error()}
	}
	return buf, nil
}

// mark notes the pages of pg as used, in a full walk.
func (p *pageFile) mark(pg page) error {
	if p.seen == nil {
		return nil
	}
	for n := pg.number; n <= pg.number+uint64(pg.overflow); n++ {
		if p.seen[n/64]&(1<<(n%64)) != 0 {
			return &defect{int64(n) * int64(p.meta.pageSize), fmt.Sprintf("page %d is used twice", n)}
		}
		p.seen[n/64] |= 1 << (n % 64)
	}
	return nil
}

// inline reads the page inside a bucket's value.
func (p *pageFile) inline(b bucket) (page, error) {
	off := int64(b.around) * int64(p.meta.pageSize)
	if len(b.inline) < pageHeaderSize {
		return page{}, &defect{off, "a small bucket is shorter than a page header"}
	}
	_, flags, count, _ := pageHeader(b.inline)
	if flags != leafPage || pageHeaderSize+count*elementSize > len(b.inline) {
		return page{}, &defect{off, fmt.Sprintf("a small bucket is no leaf (flags %#x, count %d)", flags, count)}
	}
	return page{number: b.around, flags: flags, count: count, data: b.inline}, nil
}

// leaf gives element i of a leaf page; ok is false when it reaches outside.
func (pg page) leaf(i int) (flags uint32, key, value []byte, ok bool) {
	ne := binary.NativeEndian
	at := pageHeaderSize + i*elementSize
	if i < 0 || at+elementSize > len(pg.data) {
		return 0, nil, nil, false
	}
	e := pg.data[at:]
	from := uint64(at) + uint64(ne.Uint32(e[4:]))
	mid := from + uint64(ne.Uint32(e[8:]))
	to := mid + uint64(ne.Uint32(e[12:]))
	if to > uint64(len(pg.data)) {
		return 0, nil, nil, false
	}
	return ne.Uint32(e), pg.data[from:mid:mid], pg.data[mid:to:to], true
}

// branch gives element i of a branch page; ok is false when it reaches outside.
func (pg page) branch(i int) (key []byte, child uint64, ok bool) {
	ne := binary.NativeEndian
	at := pageHeaderSize + i*elementSize
	e := pg.data[at:]
	from := uint64(at) + uint64(ne.Uint32(e))
	to := from + uint64(ne.Uint32(e[4:]))
	if to > uint64(len(pg.data)) {
		return nil, 0, false
	}
	return pg.data[from:to:to], ne.Uint64(e[8:]), true
}
