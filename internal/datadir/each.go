package datadir

import (
	"context"
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/api/v3/mvccpb"
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
// revision bump leaves is passed over. Memory is bounded; where there are many
// keys, files of them go to the system's temporary folder meanwhile.
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
	live, err := takeSurvey(ctx, p, atRevision, false, "")
	if err != nil {
		return fmt.Errorf("read %s: %w", dbPath, err)
	}
	var kv mvccpb.KeyValue
	var stopped error
	err = live.eachByKey(ctx, 0, func(value []byte) error {
		kv.Reset()
		if err := proto.Unmarshal(value, &kv); err != nil {
			return err
		}
		stopped = fn(&kv)
		return stopped
	})
	if err != nil && stopped == nil && ctx.Err() == nil {
		return fmt.Errorf("read %s: %w", dbPath, err)
	}
	return err
}

// EachLive calls fn for the key and the value of everything that is live at the
// newest revision of a stopped member's db or of a snapshot file, in the order
// of revisions: it reads the file twice from its beginning to its end, and is
// for who does not need the order of the keys. Both are valid during the call
// only. Errors and memory are as of Each.
func EachLive(ctx context.Context, dbPath string, fn func(key, value []byte) error) error {
	o := ObjectsOf(dbPath)
	defer o.Close()
	return o.Each(ctx, fn)
}
