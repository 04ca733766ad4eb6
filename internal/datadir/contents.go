package datadir

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir/content"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// ErrInUse is the error of work that needs a stopped member while its etcd
// runs.
var ErrInUse = errors.New("in use by a running etcd: stop the member first, or ask it over its API")

// ContentOf computes the fingerprint of all live keys at a revision (0: the
// newest) of a stopped member's db or of a snapshot file. A revision that was
// compacted or that the db has not reached is an error, as is any damage that
// stands in the way.
func ContentOf(ctx context.Context, dbPath string, atRevision int64) (cluster.Content, error) {
	p, db, err := openStopped(ctx, dbPath)
	if err != nil {
		return cluster.Content{}, fmt.Errorf("read content of %s: %w", dbPath, err)
	}
	defer p.close()
	if atRevision == 0 {
		atRevision = db.Revision
	}
	if atRevision < db.CompactRevision || atRevision > db.Revision {
		return cluster.Content{}, fmt.Errorf("read content of %s: it holds the revisions %d to %d, not %d",
			dbPath, db.CompactRevision, db.Revision, atRevision)
	}
	c, err := hashContent(ctx, p, atRevision)
	if err != nil {
		return cluster.Content{}, fmt.Errorf("read content of %s: %w", dbPath, err)
	}
	return c, nil
}

// openStopped opens a db that no etcd uses, to read all of it.
func openStopped(ctx context.Context, path string) (*pageFile, cluster.DB, error) {
	p, db, err := openAtRest(ctx, path)
	if err == nil {
		p.warm(ctx)
	}
	return p, db, err
}

// openAtRest opens a db that no etcd uses.
func openAtRest(ctx context.Context, path string) (*pageFile, cluster.DB, error) {
	p, err := openPages(path)
	if err != nil {
		return nil, cluster.DB{}, err
	}
	if p.inUse {
		p.close()
		return nil, cluster.DB{}, ErrInUse
	}
	db, err := dbFacts(ctx, p)
	if err != nil {
		p.close()
		return nil, db, err
	}
	return p, db, nil
}

// hashContent finds the live records and then reads them in the order of the
// keys.
func hashContent(ctx context.Context, p *pageFile, revision int64) (cluster.Content, error) {
	s, err := takeSurvey(ctx, p, revision, false, "")
	if err != nil {
		return cluster.Content{}, err
	}
	return s.content(ctx, revision)
}

// content computes the fingerprint of what is live.
func (s *survey) content(ctx context.Context, revision int64) (cluster.Content, error) {
	return s.contentTo(ctx, revision, func(_, _ []byte) {})
}

// contentTo is content that shows each live key and its value, too.
func (s *survey) contentTo(ctx context.Context, revision int64, each func(key, value []byte)) (cluster.Content, error) {
	h := content.NewHasher()
	var kv mvccpb.KeyValue
	err := s.eachByKey(ctx, 0, func(value []byte) error {
		rec, err := parseRecord(value)
		if err != nil {
			return err
		}
		each(rec.key, rec.value)
		kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version = rec.key, rec.value, rec.create, rec.mod, rec.version
		return h.Add(&kv)
	})
	if err != nil {
		return cluster.Content{}, err
	}
	return h.Sum(revision), nil
}

// revisionOf is one decoded record; kv is valid during the visit only.
type revisionOf struct {
	revision
	kv *mvccpb.KeyValue
}

// recordsAbove visits the records of the key bucket above a revision, in the
// order of revisions, and reads only the pages that lead to them.
func recordsAbove(ctx context.Context, p *pageFile, all map[string]bucket, after int64, visit func(at place, r revisionOf) error) error {
	keys, ok := all[string(schema.Key.Name())]
	if !ok {
		return errors.New("the db has no bucket \"key\"")
	}
	var kv mvccpb.KeyValue
	return p.eachFrom(ctx, keys, revision{main: after + 1}.bytes(), p.watching(func(at place, key, value []byte) error {
		r, err := parseRevision(key)
		if err != nil {
			return &defect{p.offset(at), err.Error()}
		}
		if r.main <= after {
			return nil
		}
		kv.Reset()
		if err := proto.Unmarshal(value, &kv); err != nil {
			return &defect{p.offset(at), fmt.Sprintf("revision %d cannot be decoded: %v", r.main, err)}
		}
		return visit(at, revisionOf{r, &kv})
	}))
}

// ChangesSince counts what a stopped member's db or a snapshot file holds above
// a revision. Revisions is the distance to the db's newest revision. Where the
// db was compacted above the revision, a key that was deleted since can have
// gone without a trace: Deleted is then a lower bound; Changed is exact. A key
// that was created and deleted since counts as neither. What lies in the log
// beyond the db is not counted. Only what leads to the records above the
// revision is read: damage elsewhere does not stand in the way.
func ChangesSince(ctx context.Context, dbPath string, revision int64) (cluster.Changes, error) {
	p, db, err := openAtRest(ctx, dbPath)
	if err != nil {
		return cluster.Changes{}, fmt.Errorf("count changes in %s: %w", dbPath, err)
	}
	defer p.close()
	p.unlock() // an etcd that starts meanwhile does not have to wait
	p.ahead.on = true
	all, err := p.buckets(ctx)
	if err != nil {
		return cluster.Changes{}, fmt.Errorf("count changes in %s: %w", dbPath, err)
	}
	seen := map[string]fate{}
	err = recordsAbove(ctx, p, all, revision, func(_ place, r revisionOf) error {
		if len(r.kv.Key) > 0 {
			f, again := seen[string(r.kv.Key)]
			f.after = !r.tombstone
			if !again {
				f.before = r.tombstone || r.kv.CreateRevision <= revision
			}
			seen[string(r.kv.Key)] = f
		}
		return nil
	})
	if !p.unchanged() && ctx.Err() == nil {
		err = ErrCommits
	}
	if err != nil {
		return cluster.Changes{}, fmt.Errorf("count changes in %s: %w", dbPath, err)
	}
	c := cluster.Changes{Since: revision, Revisions: max(0, db.Revision-revision)}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		f := seen[key]
		switch f.change() {
		case "":
			continue
		case "deleted":
			c.Deleted++
		default:
			c.Changed++
		}
		if len(c.Objects) < cluster.MaxChangedObjects {
			c.Objects = append(c.Objects, cluster.ChangedObject{Key: printable(key), Change: f.change()})
		}
	}
	return c, nil
}

// printable quotes a key that holds anything but printable text.
func printable(key string) string {
	if q := strconv.Quote(key); q[1:len(q)-1] != key {
		return q
	}
	return key
}

// fate tells whether a key existed at a revision and exists now.
type fate struct{ before, after bool }

// change names what happened to a key; a key that came and went is none.
func (f fate) change() string {
	switch {
	case f.before && f.after:
		return "changed"
	case f.after:
		return "created"
	case f.before:
		return "deleted"
	}
	return ""
}
