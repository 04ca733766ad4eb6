package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// compactTo writes a db to f without what a compaction at a revision removes
// (server/storage/mvcc/key_index.go, compact): of each key, everything up to
// the revision but its last record there, and that too when it is a deletion,
// unless it is the very revision of the compaction.
func compactTo(ctx context.Context, f *os.File, p *pageFile, at int64) error {
	s, err := takeSurvey(ctx, p, at, true, filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	w := newPageWriter(ctx, f, p.meta.pageSize, 2, nil)
	t := newTreeWriter(w)
	ordinal := -1
	err = p.each(ctx, s.all[string(schema.Key.Name())], func(_ place, key, value []byte) error {
		ordinal++
		r, err := parseRevision(key)
		if err != nil {
			return err
		}
		if r.main > at || s.isLive(ordinal) || r.tombstone && r.main == at {
			return t.add(0, key, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	root, err := t.finish()
	if err != nil {
		return err
	}
	names := map[string][]byte{string(schema.Key.Name()): bucketRef(root, 0)}
	meta, err := values(ctx, p, s.all, schema.Meta.Name())
	if err != nil {
		return err
	}
	meta[string(schema.FinishedCompactKeyName)] = revision{main: at}.bytes()
	own := map[string]smallBucket{string(schema.Meta.Name()): meta}
	for name, b := range s.all {
		if names[name] != nil || own[name] != nil {
			continue
		}
		if names[name], err = copyBucket(ctx, w, p, b); err != nil {
			return fmt.Errorf("bucket %q: %w", name, err)
		}
	}
	return finishDB(w, names, own, p.meta.txid)
}

// compactFile puts a compacted db in the place of a work file.
func compactFile(ctx context.Context, work string, at int64) (err error) {
	p, err := openPages(work)
	if err != nil {
		return err
	}
	defer p.close()
	next := work + ".compact"
	f, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(compactTo(ctx, f, p, at), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, work)
}
