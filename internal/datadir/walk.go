package datadir

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// bucket is where a bucket's tree begins: a root page, or, for a small one, a
// page inside the value that names it.
type bucket struct {
	root   uint64
	inline []byte
	around uint64
}

// place is where an element lies: element index of page number.
type place struct {
	page  uint64
	index int
}

// visitor is called for each element of a bucket in key order; key and value
// are valid during the call only. A *defect counts as damage of the element.
type visitor func(at place, key, value []byte) error

// root is the bucket that holds the buckets.
func (p *pageFile) root() bucket { return bucket{root: p.meta.root} }

// asBucket reads the value of an element that has the bucket flag.
func asBucket(value []byte, around uint64) (bucket, bool) {
	if len(value) < bucketHeader {
		return bucket{}, false
	}
	b := bucket{root: binary.NativeEndian.Uint64(value), around: around}
	if b.root == 0 {
		b.inline = bytes.Clone(value[bucketHeader:])
	}
	return b, true
}

// buckets lists the buckets of the db.
func (p *pageFile) buckets(ctx context.Context) (map[string]bucket, error) {
	all := map[string]bucket{}
	w := walk{p: p, ctx: ctx, element: func(at place, flags uint32, key, value []byte) error {
		b, ok := asBucket(value, at.page)
		if flags&bucketFlag == 0 || !ok {
			return &defect{p.offset(at), fmt.Sprintf("the root holds %q, which is no bucket", key)}
		}
		all[string(key)] = b
		return nil
	}}
	return all, w.bucket(p.root())
}

// each visits every element of b.
func (p *pageFile) each(ctx context.Context, b bucket, visit visitor) error {
	return p.eachFrom(ctx, b, nil, visit)
}

// eachFrom visits the elements of b from a key on, and of those before it what
// lies on the way.
func (p *pageFile) eachFrom(ctx context.Context, b bucket, from []byte, visit visitor) error {
	w := walk{p: p, ctx: ctx, from: from, element: func(at place, flags uint32, key, value []byte) error {
		if flags&bucketFlag != 0 {
			return &defect{p.offset(at), fmt.Sprintf("a bucket %q lies inside a bucket", key)}
		}
		return visit(at, key, value)
	}}
	return w.bucket(b)
}

func (p *pageFile) offset(at place) int64 { return int64(at.page) * int64(p.meta.pageSize) }

// at reads one element again.
func (p *pageFile) at(b bucket, at place) (key, value []byte, err error) {
	pg, err := p.inlineOr(b, at.page, 0)
	if err != nil {
		return nil, nil, err
	}
	_, key, value, ok := pg.leaf(at.index)
	if !ok || pg.flags != leafPage {
		return nil, nil, &defect{p.offset(at), fmt.Sprintf("element %d has gone", at.index)}
	}
	return key, value, nil
}

func (p *pageFile) inlineOr(b bucket, number uint64, depth int) (page, error) {
	if b.root == 0 {
		return p.inline(b)
	}
	return p.page(number, depth)
}

// lastKey gives the greatest key of b, or nil when it is empty; it reads one
// page per level.
func (p *pageFile) lastKey(b bucket) ([]byte, error) {
	number := b.root
	for depth := 0; ; depth++ {
		pg, err := p.inlineOr(b, number, depth)
		if err != nil {
			return nil, err
		}
		if pg.count == 0 {
			return nil, nil
		}
		if pg.flags == leafPage {
			_, key, _, ok := pg.leaf(pg.count - 1)
			if !ok {
				return nil, &defect{p.offset(place{page: pg.number}), "the last element reaches outside its page"}
			}
			return bytes.Clone(key), nil
		}
		_, child, ok := pg.branch(pg.count - 1)
		if !ok {
			return nil, &defect{p.offset(place{page: pg.number}), "the last element reaches outside its page"}
		}
		number = child
	}
}

// walk goes through one tree in key order and checks what bbolt's tx.Check
// does: page numbers, types, single use, and the order of keys in a page and
// between a page and its parent.
type walk struct {
	p       *pageFile
	ctx     context.Context
	element func(at place, flags uint32, key, value []byte) error
	// from lets what ends before it unread; nil lets nothing.
	from []byte
}

func (w *walk) bucket(b bucket) error {
	if b.root == 0 {
		pg, err := w.p.inline(b)
		if err != nil {
			return w.fail(err)
		}
		return w.leaf(pg, nil, nil)
	}
	return w.page(b.root, 0, nil, nil)
}

// fail reports a defect and goes on, or stops with it.
func (w *walk) fail(err error) error {
	var d *defect
	if errors.As(err, &d) && w.p.report != nil {
		w.p.report(d)
		return nil
	}
	return err
}

// page visits the subtree of page number, whose keys lie in [low, high).
func (w *walk) page(number uint64, depth int, low, high []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	pg, err := w.p.page(number, depth)
	if err != nil {
		return w.fail(err)
	}
	if pg.flags == leafPage {
		return w.leaf(pg, low, high)
	}
	for i := range pg.count {
		key, child, ok := pg.branch(i)
		next := high
		if ok && i+1 < pg.count {
			next, _, ok = pg.branch(i + 1)
		}
		if !ok || !between(key, low, next) {
			err := &defect{w.p.offset(place{page: number}), fmt.Sprintf("page %d: branch key %d is out of order or outside", number, i)}
			if err := w.fail(err); err != nil {
				return err
			}
			continue
		}
		if w.from != nil && next != nil && bytes.Compare(next, w.from) <= 0 {
			continue
		}
		if err := w.page(child, depth+1, key, next); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(pg page, low, high []byte) error {
	var before []byte
	for i := range pg.count {
		flags, key, value, ok := pg.leaf(i)
		var err error
		if !ok || !between(key, low, high) || (i > 0 && bytes.Compare(before, key) >= 0) {
			err = &defect{w.p.offset(place{page: pg.number}), fmt.Sprintf("page %d: key %d is out of order or outside", pg.number, i)}
		} else {
			before = key
			err = w.element(place{pg.number, i}, flags, key, value)
		}
		if err != nil {
			if err := w.fail(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// between tells whether key lies in [low, high); a nil bound is open.
func between(key, low, high []byte) bool {
	return (low == nil || bytes.Compare(key, low) >= 0) && (high == nil || bytes.Compare(key, high) < 0)
}
