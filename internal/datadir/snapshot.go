package datadir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/salvor-project/salvor/internal/cluster"
)

// InspectSnapshot reads a file that is, or claims to be, an etcd snapshot: a
// db, usually followed by the 32 bytes of its sha256. Every page and record is
// verified. What is no db makes DB unknown with the reason; the error is for
// what cannot be opened or read at all.
func InspectSnapshot(ctx context.Context, path string) (cluster.SnapshotFacts, error) {
	s, _, err := inspectSnapshot(ctx, path, checking{})
	return s, err
}

// InspectSnapshotObjects is InspectSnapshot and gives the objects of the
// snapshot, which have to be closed, from the same reading. They are never nil.
func InspectSnapshotObjects(ctx context.Context, path string) (cluster.SnapshotFacts, *Objects, error) {
	return inspectSnapshot(ctx, path, checking{objects: true})
}

// InspectContent is InspectSnapshot with the fingerprint of what is live at the
// newest revision, from the same reading; it is unknown where there is damage.
func InspectContent(ctx context.Context, path string) (cluster.SnapshotFacts, cluster.Known[cluster.Content], error) {
	found := cluster.Unknown[cluster.Content]("the snapshot is damaged")
	s, o, err := InspectSnapshotObjects(ctx, path)
	defer o.Close()
	switch {
	case err != nil || !s.DB.OK || len(s.Damage) > 0 || o.InUse():
		return s, found, err
	case !o.found:
		return s, cluster.Unknown[cluster.Content]("%v", o.seen), nil
	}
	found = cluster.From(o.live.content(ctx, s.DB.Value.Revision))
	if ctx.Err() != nil {
		return s, found, fmt.Errorf("inspect snapshot: %w", ctx.Err())
	}
	if !o.p.unchanged() {
		found = cluster.Unknown[cluster.Content]("%v", ErrCommits)
	}
	return s, found, nil
}

// inspectSnapshot also gives the snapshot's objects, where how asks for them:
// then they have to be closed.
func inspectSnapshot(ctx context.Context, path string, how checking) (cluster.SnapshotFacts, *Objects, error) {
	info, err := os.Stat(path)
	if err != nil {
		return cluster.SnapshotFacts{}, unread(err), fmt.Errorf("inspect snapshot: %w", err)
	}
	s := cluster.SnapshotFacts{Path: path, Size: info.Size(), Modified: info.ModTime(), Trailer: cluster.TrailerMissing}
	var digests feed
	if info.Mode().IsRegular() {
		digests = feedOf(path, info.Size())
	}
	p, err := openPages(path)
	if err != nil {
		s.DB = cluster.Unknown[cluster.DB]("%s", err)
		if d, ok := asDamage(path, err); ok && !isNotDB(err) {
			s.Damage = append(s.Damage, d)
		}
		objects := unread(err)
		if digests.path != "" {
			err = digests.run(ctx)
			s.SHA256, s.Trailer = digests.sum, digests.trailer
			if err != nil {
				return s, objects, fmt.Errorf("inspect snapshot: %w", err)
			}
		}
		return s, objects, nil
	}
	var db examined
	var damage []cluster.Damage
	var objects *Objects
	feedErr, err := beside(ctx, p, &digests, func(ctx context.Context) (err error) {
		db, damage, objects, err = examineFor(ctx, p, path, how)
		return err
	})
	if feedErr != nil || ctx.Err() != nil {
		return s, objects, fmt.Errorf("inspect snapshot: %w", errors.Join(feedErr, ctx.Err()))
	}
	s.SHA256, s.Trailer = digests.sum, digests.trailer
	s.Damage, s.Keys = damage, db.keys
	db.Size = s.Size
	s.DB = cluster.From(db.DB, err)
	if err != nil {
		s.DB = cluster.Unknown[cluster.DB]("%s", err)
	}
	return s, objects, nil
}

// GlanceSnapshot is InspectSnapshot without reading the whole file: a few dozen
// pages, whatever its size. Keys stays 0, SHA256 empty; Trailer is
// TrailerUnread where one is expected.
func GlanceSnapshot(ctx context.Context, path string) (cluster.SnapshotFacts, error) {
	p, err := openPages(path)
	if err != nil {
		return InspectSnapshot(ctx, path)
	}
	defer p.close()
	info, err := p.f.Stat()
	if err != nil {
		return cluster.SnapshotFacts{}, fmt.Errorf("inspect snapshot: %w", err)
	}
	s := cluster.SnapshotFacts{Path: path, Size: info.Size(), Modified: info.ModTime(), Trailer: cluster.TrailerMissing}
	if _, expected := bodyOf(s.Size); expected {
		s.Trailer = cluster.TrailerUnread
	}
	db, damage, err := examine(ctx, p, path, checking{glance: true})
	if ctx.Err() != nil {
		return s, fmt.Errorf("inspect snapshot: %w", ctx.Err())
	}
	s.Damage, s.DB = damage, cluster.From(db.DB, err)
	return s, nil
}

func isNotDB(err error) bool {
	var e *notDB
	return errors.As(err, &e)
}

// digest computes the sha256 of a whole file and judges its trailer. A trailer
// is expected where etcdutl expects one: at a size that is 32 above a multiple
// of 512 (etcdutl/snapshot/v3_snapshot.go, hasChecksum).
func digest(ctx context.Context, path string) (string, cluster.Trailer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", err
	}
	f := feedOf(path, info.Size())
	err = f.run(ctx)
	return f.sum, f.trailer, err
}

// feedOf is a pass that computes a snapshot's digests.
func feedOf(path string, size int64) feed {
	body, _ := bodyOf(size)
	return feed{path: path, body: body, hash: true}
}

// reader stops with the context's error and counts what passed.
type reader struct {
	ctx  context.Context
	r    io.Reader
	seen func(n int)
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(b)
	if n > 0 && r.seen != nil {
		r.seen(n)
	}
	return n, err
}
