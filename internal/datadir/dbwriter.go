package datadir

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// ownOf reads the buckets that a restore writes anew; one that does not exist
// is empty.
func ownOf(ctx context.Context, p *pageFile, all map[string]bucket) (map[string]smallBucket, error) {
	own := map[string]smallBucket{}
	for _, name := range ownBuckets() {
		m, err := values(ctx, p, all, name)
		if err != nil {
			return nil, fmt.Errorf("bucket %q: %w", name, err)
		}
		own[string(name)] = m
	}
	return own, nil
}

// writeCompact writes a whole new db to f that holds the live records only, in
// one row: what mvcc's compaction would leave, with full pages. All buckets of
// the source but own are copied.
func writeCompact(ctx context.Context, f *os.File, s *survey, own map[string]smallBucket, seen func(int)) error {
	w := newPageWriter(ctx, f, s.p.meta.pageSize, 2, seen)
	names := map[string][]byte{}
	t := newTreeWriter(w)
	if err := s.eachLive(ctx, func(_ place, key, value []byte) error { return t.add(0, key, value) }); err != nil {
		return err
	}
	root, err := t.finish()
	if err != nil {
		return err
	}
	names[string(schema.Key.Name())] = bucketRef(root, 0)
	for name := range s.all {
		if _, known := names[name]; known || own[name] != nil {
			continue
		}
		if names[name], err = copyBucket(ctx, w, s.p, s.all[name]); err != nil {
			return fmt.Errorf("bucket %q: %w", name, err)
		}
	}
	return finishDB(w, names, own, 1)
}

// copyBucket writes a bucket's records to a tree of its own.
func copyBucket(ctx context.Context, w *pageWriter, p *pageFile, b bucket) ([]byte, error) {
	if b.root == 0 {
		var pairs []pair
		err := p.each(ctx, b, func(_ place, key, value []byte) error {
			pairs = append(pairs, pair{key, value})
			return nil
		})
		if err != nil {
			return nil, err
		}
		return bucketValue(w, pairs)
	}
	t := newTreeWriter(w)
	if err := p.each(ctx, b, func(_ place, key, value []byte) error { return t.add(0, key, value) }); err != nil {
		return nil, err
	}
	root, err := t.finish()
	return bucketRef(root, 0), err
}

// finishDB writes the own buckets, the root that names all and the meta pages.
// Buckets that etcd would create when it starts are there already.
func finishDB(w *pageWriter, names map[string][]byte, own map[string]smallBucket, txid uint64) error {
	var err error
	for name, b := range own {
		if names[name], err = bucketValue(w, b.pairs()); err != nil {
			return err
		}
	}
	for _, b := range schema.AllBuckets {
		if names[string(b.Name())] == nil {
			if names[string(b.Name())], err = bucketValue(w, nil); err != nil {
				return err
			}
		}
	}
	t := newTreeWriter(w)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := t.add(bucketFlag, []byte(name), names[name]); err != nil {
			return err
		}
	}
	root, err := t.finish()
	if err != nil {
		return err
	}
	return w.metas(root, txid)
}

// writeOverlay turns f, which is a copy of p's pages, into a db with other own
// buckets and, where bump is not nil, one more record at the end of the key
// bucket. The pages of the source stay where they are; what is new follows
// them, as in any transaction of bbolt.
func writeOverlay(ctx context.Context, f *os.File, p *pageFile, own map[string]smallBucket, bump *revision) error {
	w := newPageWriter(ctx, f, p.meta.pageSize, p.meta.end, nil)
	names, err := bucketValues(ctx, p)
	if err != nil {
		return err
	}
	if key := string(schema.Key.Name()); bump != nil {
		if names[key], err = appendRecord(ctx, w, p, names[key], bump.bytes()); err != nil {
			return err
		}
	}
	return finishDB(w, names, own, p.meta.txid+1)
}

// bucketValues gives the values that name the buckets, as they are stored.
func bucketValues(ctx context.Context, p *pageFile) (map[string][]byte, error) {
	names := map[string][]byte{}
	w := walk{p: p, ctx: ctx, element: func(_ place, _ uint32, key, value []byte) error {
		names[string(key)] = slices.Clone(value)
		return nil
	}}
	return names, w.bucket(p.root())
}

// appendRecord adds a record with an empty value behind a bucket's last, by
// writing the pages on the way to it again, and gives the bucket's new value.
func appendRecord(ctx context.Context, w *pageWriter, p *pageFile, old, key []byte) ([]byte, error) {
	b, ok := asBucket(old, 0)
	if !ok {
		return nil, &defect{-1, "the bucket of the keys cannot be read"}
	}
	if b.root == 0 {
		var pairs []pair
		err := p.each(ctx, b, func(_ place, key, value []byte) error {
			pairs = append(pairs, pair{key, value})
			return nil
		})
		if err != nil {
			return nil, err
		}
		return bucketValue(w, append(pairs, pair{key: key}))
	}
	root, err := appendBelow(w, p, b.root, 0, key)
	return bucketRef(root, binary.NativeEndian.Uint64(old[8:])), err
}

// appendBelow writes the rightmost pages below number again, with the record
// at their end, and gives the number of the new copy.
func appendBelow(w *pageWriter, p *pageFile, number uint64, depth int, key []byte) (uint64, error) {
	pg, err := p.page(number, depth)
	if err != nil {
		return 0, err
	}
	if pg.flags == branchPage {
		last := pg.count - 1
		_, child, ok := pg.branch(last)
		if !ok {
			return 0, &defect{p.offset(place{page: number}), "the last element reaches outside its page"}
		}
		child, err := appendBelow(w, p, child, depth+1, key)
		if err != nil {
			return 0, err
		}
		next, b, err := w.page(branchPage, pg.count, len(pg.data))
		if err != nil {
			return 0, err
		}
		copy(b[pageHeaderSize:], pg.data[pageHeaderSize:])
		binary.NativeEndian.PutUint64(b[pageHeaderSize+last*elementSize+8:], child)
		return next, nil
	}
	var l openLeaf
	for i := range pg.count {
		flags, k, v, ok := pg.leaf(i)
		if !ok {
			return 0, &defect{p.offset(place{page: number}), "an element reaches outside its page"}
		}
		l.elements = append(l.elements, leafElement{flags, len(k), len(v)})
		l.data = append(append(l.data, k...), v...)
	}
	l.elements = append(l.elements, leafElement{0, len(key), 0})
	l.data = append(l.data, key...)
	next, b, err := w.page(leafPage, len(l.elements), l.size())
	if err != nil {
		return 0, err
	}
	l.put(b)
	return next, nil
}
