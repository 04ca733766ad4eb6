package datadir

import "slices"

// resumeTree opens the right edge of a bucket's tree, so that records can be
// appended: the pages of the edge are written again, all others stay where
// they are.
func resumeTree(w *pageWriter, p *pageFile, b bucket) (*treeWriter, error) {
	t := newTreeWriter(w)
	number := b.root
	for depth := 0; ; depth++ {
		pg, err := p.inlineOr(b, number, depth)
		if err != nil {
			return nil, err
		}
		if pg.flags == leafPage {
			slices.Reverse(t.levels)
			return t, t.leaf.load(p, pg)
		}
		level := &openBranch{written: depth > 0}
		if number, err = level.load(p, pg); err != nil {
			return nil, err
		}
		t.levels = append(t.levels, level)
	}
}

// load takes the elements of a page.
func (l *openLeaf) load(p *pageFile, pg page) error {
	for i := range pg.count {
		flags, k, v, ok := pg.leaf(i)
		if !ok {
			return &defect{p.offset(place{page: pg.number}), "an element reaches outside its page"}
		}
		l.elements = append(l.elements, leafElement{flags, len(k), len(v)})
		l.data = append(append(l.data, k...), v...)
	}
	return nil
}

// load takes all children of a page but the last, whose number it gives.
func (b *openBranch) load(p *pageFile, pg page) (last uint64, err error) {
	for i := range pg.count {
		key, child, ok := pg.branch(i)
		if !ok {
			return 0, &defect{p.offset(place{page: pg.number}), "an element reaches outside its page"}
		}
		if i == pg.count-1 {
			return child, nil
		}
		b.keys = append(b.keys, key...)
		b.ends = append(b.ends, len(b.keys))
		b.children = append(b.children, child)
	}
	return 0, &defect{p.offset(place{page: pg.number}), "a branch page is empty"}
}
