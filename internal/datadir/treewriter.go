package datadir

import "encoding/binary"

// maxLeafPages bounds a leaf with its overflow. A leaf of several pages wastes
// less than one for each pair of large records, as bbolt's own are.
const maxLeafPages = 16

// treeWriter writes one bucket's B+tree from records that come in the order of
// their keys: full pages, each level as soon as it is complete. Memory: one
// open page for each level.
type treeWriter struct {
	w    *pageWriter
	leaf openLeaf
	// levels are the branches above the leaves, lowest first.
	levels []*openBranch
}

// openLeaf is the leaf that is being filled.
type openLeaf struct {
	elements []leafElement
	data     []byte
}

type leafElement struct {
	flags     uint32
	key, size int // lengths of key and value
}

// openBranch is a branch page that is being filled.
type openBranch struct {
	keys     []byte
	ends     []int // where each key ends in keys
	children []uint64
	written  bool // a page of this level was written before
}

func newTreeWriter(w *pageWriter) *treeWriter { return &treeWriter{w: w} }

// add appends a record.
func (t *treeWriter) add(flags uint32, key, value []byte) error {
	if err := t.begin(flags, len(key), len(value)); err != nil {
		return err
	}
	t.leaf.data = append(append(t.leaf.data, key...), value...)
	return nil
}

// begin makes place for a record whose key and value, of these lengths, the
// caller appends to leaf.data.
func (t *treeWriter) begin(flags uint32, key, value int) error {
	if t.leaf.full(t.w.pageSize, elementSize+key+value) {
		if err := t.closeLeaf(); err != nil {
			return err
		}
	}
	t.leaf.elements = append(t.leaf.elements, leafElement{flags, key, value})
	return nil
}

func (l *openLeaf) size() int { return pageHeaderSize + len(l.elements)*elementSize + len(l.data) }

// full tells whether a leaf is better closed than given more bytes: when the
// new record needs another page and either little would be wasted without it,
// or the leaf would become too long.
func (l *openLeaf) full(pageSize, more int) bool {
	if len(l.elements) == 0 {
		return false
	}
	size := l.size()
	room := (size + pageSize - 1) / pageSize * pageSize
	if size+more <= room && len(l.elements) < 0xfffe {
		return false
	}
	return room-size <= room/16 || size+more > maxLeafPages*pageSize || len(l.elements) >= 0xfffe
}

// put writes the elements behind a page's header.
func (l *openLeaf) put(b []byte) {
	ne := binary.NativeEndian
	data := pageHeaderSize + len(l.elements)*elementSize
	copy(b[data:], l.data)
	for i, e := range l.elements {
		at := pageHeaderSize + i*elementSize
		ne.PutUint32(b[at:], e.flags)
		ne.PutUint32(b[at+4:], uint32(data-at))
		ne.PutUint32(b[at+8:], uint32(e.key))
		ne.PutUint32(b[at+12:], uint32(e.size))
		data += e.key + e.size
	}
}

func (t *treeWriter) closeLeaf() error {
	number, b, err := t.w.page(leafPage, len(t.leaf.elements), t.leaf.size())
	if err != nil {
		return err
	}
	t.leaf.put(b)
	var first []byte
	if len(t.leaf.elements) > 0 {
		first = t.leaf.data[:t.leaf.elements[0].key]
	}
	err = t.child(0, first, number)
	t.leaf.elements, t.leaf.data = t.leaf.elements[:0], t.leaf.data[:0]
	return err
}

// child adds a page to the branch level above it.
func (t *treeWriter) child(level int, key []byte, number uint64) error {
	if level == len(t.levels) {
		t.levels = append(t.levels, &openBranch{})
	}
	b := t.levels[level]
	if b.size()+elementSize+len(key) > t.w.pageSize && len(b.children) > 1 {
		if err := t.closeBranch(level); err != nil {
			return err
		}
	}
	b.keys = append(b.keys, key...)
	b.ends = append(b.ends, len(b.keys))
	b.children = append(b.children, number)
	return nil
}

func (b *openBranch) size() int {
	return pageHeaderSize + len(b.children)*elementSize + len(b.keys)
}

func (t *treeWriter) closeBranch(level int) error {
	b := t.levels[level]
	number, page, err := t.w.page(branchPage, len(b.children), b.size())
	if err != nil {
		return err
	}
	ne := binary.NativeEndian
	data, from := pageHeaderSize+len(b.children)*elementSize, 0
	copy(page[data:], b.keys)
	for i, end := range b.ends {
		at := pageHeaderSize + i*elementSize
		ne.PutUint32(page[at:], uint32(data+from-at))
		ne.PutUint32(page[at+4:], uint32(end-from))
		ne.PutUint64(page[at+8:], b.children[i])
		from = end
	}
	if err := t.child(level+1, b.keys[:b.ends[0]], number); err != nil {
		return err
	}
	*b = openBranch{keys: b.keys[:0], ends: b.ends[:0], children: b.children[:0], written: true}
	return nil
}

// finish writes what is open and gives the number of the root page.
func (t *treeWriter) finish() (uint64, error) {
	if len(t.leaf.elements) > 0 || len(t.levels) == 0 {
		if err := t.closeLeaf(); err != nil {
			return 0, err
		}
	}
	for level := 0; ; level++ {
		b := t.levels[level]
		if len(b.children) == 1 && !b.written {
			return b.children[0], nil
		}
		if len(b.children) > 0 {
			if err := t.closeBranch(level); err != nil {
				return 0, err
			}
		}
	}
}

// pair is a record of a small bucket.
type pair struct{ key, value []byte }

// bucketValue writes a small bucket and gives the value that names it: with its
// page inside when it is small, as bbolt does (bucket.go, inlineable), else as
// a tree of its own. The pairs come in the order of their keys.
func bucketValue(w *pageWriter, pairs []pair) ([]byte, error) {
	var l openLeaf
	for _, p := range pairs {
		l.elements = append(l.elements, leafElement{0, len(p.key), len(p.value)})
		l.data = append(append(l.data, p.key...), p.value...)
	}
	if l.size() <= w.pageSize/4 {
		b := make([]byte, bucketHeader+l.size())
		putPageHeader(b[bucketHeader:], 0, leafPage, len(pairs), 0)
		l.put(b[bucketHeader:])
		return b, nil
	}
	t := newTreeWriter(w)
	for _, p := range pairs {
		if err := t.add(0, p.key, p.value); err != nil {
			return nil, err
		}
	}
	root, err := t.finish()
	if err != nil {
		return nil, err
	}
	return bucketRef(root, 0), nil
}

// bucketRef is the value that names a bucket with a tree of its own.
func bucketRef(root, sequence uint64) []byte {
	b := make([]byte, bucketHeader)
	binary.NativeEndian.PutUint64(b, root)
	binary.NativeEndian.PutUint64(b[8:], sequence)
	return b
}
