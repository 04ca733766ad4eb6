package datadir

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// Head reads what a stopped member's db or a snapshot file says of itself: the
// revisions, the members and the other small buckets, from a few dozen pages.
// InUse stays 0: nothing is verified. The error is ErrInUse while an etcd uses
// the db.
func Head(ctx context.Context, dbPath string) (cluster.DB, error) {
	p, err := openPages(dbPath)
	if err != nil {
		return cluster.DB{}, fmt.Errorf("read %s: %w", dbPath, err)
	}
	defer p.close()
	if p.inUse {
		return cluster.DB{}, fmt.Errorf("read %s: %w", dbPath, ErrInUse)
	}
	db, err := dbFacts(ctx, p)
	if err != nil {
		return db, fmt.Errorf("read %s: %w", dbPath, err)
	}
	return db, nil
}

// Each calls fn for every key that is live at a revision (0: the newest) of a
// stopped member's db or of a snapshot file, in ascending byte order. kv is
// valid during the call only. An error of fn ends the reading and is returned
// as it is. A revision that was compacted or that the db has not reached is an
// error, as is any damage that stands in the way. The empty key that etcdutl's
// revision bump leaves is passed over. Memory: the keys, not the values.
func Each(ctx context.Context, dbPath string, atRevision int64, fn func(kv *mvccpb.KeyValue) error) error {
	p, db, err := openStopped(ctx, dbPath)
	if err != nil {
		return fmt.Errorf("read %s: %w", dbPath, err)
	}
	defer p.close()
	if atRevision == 0 {
		atRevision = db.Revision
	}
	if atRevision < db.CompactRevision || atRevision > db.Revision {
		return fmt.Errorf("read %s: it holds the revisions %d to %d, not %d", dbPath, db.CompactRevision, db.Revision, atRevision)
	}
	all, err := p.buckets(ctx)
	if err != nil {
		return fmt.Errorf("read %s: %w", dbPath, err)
	}
	live, err := liveAt(ctx, p, all, atRevision)
	if err != nil {
		return fmt.Errorf("read %s: %w", dbPath, err)
	}
	keys, b := slices.Sorted(maps.Keys(live)), all[string(schema.Key.Name())]
	var kv mvccpb.KeyValue
	for i, key := range keys {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, value, err := p.at(b, live[key])
		if err == nil {
			kv.Reset()
			err = proto.Unmarshal(value, &kv)
		}
		if err != nil {
			return fmt.Errorf("read %s: key %q: %w", dbPath, key, err)
		}
		if err := fn(&kv); err != nil {
			return err
		}
	}
	return nil
}

// errReached ends a walk that has seen enough.
var errReached = errors.New("the revision is reached")

// liveAt finds the last record of every key that is live at a revision.
func liveAt(ctx context.Context, p *pageFile, all map[string]bucket, revision int64) (map[string]place, error) {
	live := map[string]place{}
	err := records(ctx, p, all, func(at place, r revisionOf) error {
		switch {
		case r.main > revision:
			return errReached
		case len(r.kv.Key) == 0:
		case r.tombstone:
			delete(live, string(r.kv.Key))
		default:
			live[string(r.kv.Key)] = at
		}
		return nil
	})
	if errors.Is(err, errReached) {
		err = nil
	}
	return live, err
}
