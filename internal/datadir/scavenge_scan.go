package datadir

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/server/v3/storage/schema"
)

// scavenger collects what can be read of a broken db.
type scavenger struct {
	p *pageFile
	m *meter
	r Scavenged
	// root is the leaf that names the buckets, all what it names; whole are
	// the buckets that could be read to their ends.
	root    uint64
	all     map[string]bucket
	records []found
	// reached marks the pages of the tree, lost are the revisions between which
	// its broken pages lie.
	reached bitmap
	lost    []RevisionRange
	// end is the newest revision in the tree, when its right edge holds.
	end int64
}

// found is where a record lies.
type found struct {
	revision revision
	page     uint32
	index    uint16
	// stray says that it is outside the tree, doubt that copies differ.
	stray, doubt bool
}

// openScavenger opens a db of which nothing has to hold, not even its metas.
func openScavenger(path string) (*scavenger, error) {
	p, err := openPages(path)
	if err != nil {
		if p, err = openBroken(path, err); err != nil {
			return nil, err
		}
	}
	if p.inUse {
		p.close()
		return nil, ErrInUse
	}
	return &scavenger{p: p, root: p.meta.root, r: Scavenged{PageSize: p.meta.pageSize}}, nil
}

// openBroken opens a file whose metas do not hold, or that ends too early.
// why says what openPages missed.
func openBroken(path string, why error) (*pageFile, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, why)
	}
	p := &pageFile{f: f, size: info.Size()}
	p.inUse = errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
	if p.meta, p.bad, err = readMeta(f); err != nil {
		p.meta = boltMeta{}
		if p.meta.pageSize = guessPageSize(f, p.size); p.meta.pageSize == 0 {
			_ = f.Close()
			return nil, why
		}
	}
	p.meta.end = uint64(p.size) / uint64(p.meta.pageSize)
	return p, nil
}

// guessPageSize finds the page size at which most of the file's pages say their
// own number; 0 where none does.
func guessPageSize(f *os.File, size int64) int {
	best, most := 0, 0
	for shift := 12; shift <= 16; shift++ {
		n, b := 0, make([]byte, pageHeaderSize)
		for i := int64(2); i < 4000 && i<<shift+pageHeaderSize <= size; i++ {
			if _, err := f.ReadAt(b, i<<shift); err != nil {
				break
			}
			if id, flags, _, _ := pageHeader(b); id == uint64(i) && (flags == leafPage || flags == branchPage) {
				n++
			}
		}
		if n<<shift > most {
			best, most = 1<<shift, n<<shift
		}
	}
	return best
}

// collect finds the root, what the tree still holds, and the strays.
func (sc *scavenger) collect(ctx context.Context) error {
	sc.r.Tree = "newest"
	if !sc.readRoot(ctx) {
		if err := sc.findRoot(ctx); err != nil {
			return err
		}
	}
	sc.reached = bitmap{}
	sc.walkKeys(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return sc.strays(ctx)
}

// readRoot reads the buckets' names; it is false where they are lost.
func (sc *scavenger) readRoot(ctx context.Context) bool {
	if sc.root < 2 || sc.root >= sc.p.meta.end {
		return false
	}
	all, err := sc.p.buckets(ctx)
	if err != nil {
		return false
	}
	_, keys := all[string(schema.Key.Name())]
	sc.all = all
	return keys
}

// findRoot looks for the root that an older transaction left: a leaf that
// names etcd's buckets, with the greatest consistent index.
func (sc *scavenger) findRoot(ctx context.Context) error {
	sc.r.Tree, sc.all = "none", nil
	var best uint64
	newest := uint64(0)
	err := sc.eachPage(ctx, func(pg page) {
		if !namesBuckets(pg) {
			return
		}
		sc.p.meta.root = pg.number
		all, err := sc.p.buckets(ctx)
		if err != nil {
			return
		}
		meta, err := values(ctx, sc.p, all, schema.Meta.Name())
		index := bigEndian(meta[string(schema.MetaConsistentIndexKeyName)])
		if err == nil && (best == 0 || index > newest) {
			best, newest = pg.number, index
		}
	})
	if err != nil || best == 0 {
		return err
	}
	sc.root, sc.p.meta.root, sc.r.Tree = best, best, "stale"
	sc.all, err = sc.p.buckets(ctx)
	return err
}

// namesBuckets tells whether a leaf is a root of etcd's.
func namesBuckets(pg page) bool {
	if pg.flags != leafPage || pg.count == 0 {
		return false
	}
	keys := false
	for i := range pg.count {
		flags, key, _, ok := pg.leaf(i)
		if !ok || flags&bucketFlag == 0 {
			return false
		}
		keys = keys || bytes.Equal(key, schema.Key.Name())
	}
	return keys
}

// maxStray bounds the length of a page that is believed without a tree that
// leads to it, in bytes: far above any request that etcd takes.
const maxStray = 32 << 20

// eachPage visits every page of the file that has the shape of a leaf or a
// branch, in the order of the file; what overflows is passed over.
func (sc *scavenger) eachPage(ctx context.Context, visit func(pg page)) error {
	p := sc.p
	p.ahead.on = true
	size := int64(p.meta.pageSize)
	head := make([]byte, pageHeaderSize)
	for n := uint64(2); n < p.meta.end; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !p.ahead.take(p.f, head, int64(n)*size) {
			if _, err := p.f.ReadAt(head, int64(n)*size); err != nil && !errors.Is(err, io.EOF) {
				continue // a sector that cannot be read
			}
		}
		id, flags, _, overflow := pageHeader(head)
		if id != n || (flags != leafPage && flags != branchPage) || int64(overflow)*size > maxStray {
			continue
		}
		pg, err := p.page(n, 0)
		if err != nil {
			continue
		}
		visit(pg)
	}
	return nil
}

// walkKeys collects the records of the tree, and notes its broken pages.
func (sc *scavenger) walkKeys(ctx context.Context) {
	b, ok := sc.all[string(schema.Key.Name())]
	if !ok {
		return
	}
	if b.root == 0 {
		if pg, err := sc.p.inline(b); err == nil {
			sc.take(pg, false)
		}
		sc.end = sc.last()
		return
	}
	if sc.subtree(ctx, b.root, 0, nil, nil) {
		sc.end = max(sc.last(), 1)
	}
}

// last is the newest revision of what was collected.
func (sc *scavenger) last() int64 {
	newest := int64(0)
	for _, f := range sc.records {
		newest = max(newest, f.revision.main)
	}
	return newest
}

// subtree collects the records below a page whose keys lie in [low, high); it
// tells whether the right edge could be read to its end.
func (sc *scavenger) subtree(ctx context.Context, number uint64, depth int, low, high []byte) (edge bool) {
	if ctx.Err() != nil {
		return false
	}
	if number < sc.p.meta.end && sc.reached.at(number) {
		sc.broken(number, low, high, fmt.Sprintf("page %d is used twice", number))
		return false
	}
	pg, err := sc.p.page(number, depth+1)
	if err != nil {
		what := err.Error()
		var d *defect
		if errors.As(err, &d) {
			what = d.what // the place is told beside it
		}
		sc.broken(number, low, high, what)
		return false
	}
	if pg.flags == leafPage {
		if !sc.take(pg, false) {
			sc.broken(number, low, high, fmt.Sprintf("page %d holds no records of keys", number))
			return false
		}
		sc.r.Leaves++
		sc.reach(pg)
		return true
	}
	sc.reach(pg)
	for i := range pg.count {
		key, child, ok := pg.branch(i)
		next := high
		if ok && i+1 < pg.count {
			next, _, ok = pg.branch(i + 1)
		}
		if !ok || !between(key, low, next) {
			sc.broken(number, low, high, fmt.Sprintf("page %d: branch key %d is out of order or outside", number, i))
			edge = false
			continue
		}
		edge = sc.subtree(ctx, child, depth+1, bytes.Clone(key), bytes.Clone(next))
	}
	return edge
}

// at is has, for places beyond the end too.
func (b bitmap) at(n uint64) bool { return int(n/64) < len(b) && b.has(int(n)) }

func (sc *scavenger) reach(pg page) {
	for n := pg.number; n <= pg.number+uint64(pg.overflow); n++ {
		sc.reached.set(int(n))
	}
}

// broken notes a page of the tree that cannot be read, and between which
// revisions its records lay.
func (sc *scavenger) broken(number uint64, low, high []byte, what string) {
	sc.r.Broken++
	if len(sc.r.Damage) < MaxScavengeList {
		sc.r.Damage = append(sc.r.Damage, cluster.Damage{
			Kind: cluster.DamageDB, File: sc.p.f.Name(), Offset: int64(number) * int64(sc.p.meta.pageSize), What: what})
	}
	var lost RevisionRange
	if r, err := parseRevision(low); err == nil {
		lost.First = r.main
	}
	if r, err := parseRevision(high); err == nil {
		lost.Last = r.main
	}
	sc.lost = append(sc.lost, lost)
}

// take collects the records of a leaf of the key bucket; it is false, and
// nothing was taken, where any element is none.
func (sc *scavenger) take(pg page, stray bool) bool {
	if pg.number > 1<<32-1 {
		return false
	}
	before := len(sc.records)
	var last []byte
	for i := range pg.count {
		flags, key, value, ok := pg.leaf(i)
		if !ok || flags != 0 || (i > 0 && bytes.Compare(last, key) >= 0) || !isRecord(key, value) {
			sc.records = sc.records[:before]
			return false
		}
		last = key
		r, _ := parseRevision(key)
		sc.records = append(sc.records, found{revision: r, page: uint32(pg.number), index: uint16(i), stray: stray})
	}
	return true
}

// isRecord tells whether an element is what mvcc writes.
func isRecord(key, value []byte) bool {
	r, err := parseRevision(key)
	if err != nil {
		return false
	}
	if len(value) == 0 && !r.tombstone {
		return true // etcdutl's revision bump
	}
	rec, err := parseRecord(value)
	return err == nil && plausible(rec, r) == nil
}

// strays collects the leaves of keys that are not in the tree.
func (sc *scavenger) strays(ctx context.Context) error {
	skip := uint64(0)
	err := sc.eachPage(ctx, func(pg page) {
		sc.m.add(int64(sc.p.meta.pageSize) * (1 + int64(pg.overflow)))
		if pg.number < skip || pg.flags != leafPage || pg.count == 0 || sc.reached.at(pg.number) {
			return
		}
		if sc.take(pg, true) {
			sc.r.Strays++
			skip = pg.number + uint64(pg.overflow) + 1
		}
	})
	sc.p.ahead.on = false
	slices.SortFunc(sc.records, func(a, b found) int {
		if c := a.revision.compare(b.revision); c != 0 {
			return c
		}
		switch { // the tree's copy before any other
		case a.stray == b.stray:
			return int(a.page) - int(b.page)
		case a.stray:
			return 1
		}
		return -1
	})
	return err
}

// compare orders revisions as the key bucket does; a deletion follows a put.
func (r revision) compare(o revision) int {
	switch {
	case r.main != o.main:
		return cmp.Compare(r.main, o.main)
	case r.sub != o.sub:
		return cmp.Compare(r.sub, o.sub)
	case r.tombstone == o.tombstone:
		return 0
	case r.tombstone:
		return 1
	}
	return -1
}
