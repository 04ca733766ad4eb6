package datadir

import (
	"context"
	"errors"
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Objects is what is live at the newest revision of a db that was inspected:
// the walk that looked for damage has found which records are, so that only
// those are read again. It keeps the file open, but not locked, and some bytes
// for each record: it has to be closed.
type Objects struct {
	path  string
	p     *pageFile
	live  *survey
	inUse bool
	// found tells that live is complete; seen is what the walk has met that
	// stood in the way of that.
	found bool
	seen  error
	// why says why there is nothing to be read.
	why error
}

// ObjectsOf are the objects of a stopped member's db or of a snapshot file that
// was not inspected: Each opens it, and reads it twice.
func ObjectsOf(dbPath string) *Objects { return &Objects{path: dbPath} }

// unread are objects that cannot be read.
func unread(why error) *Objects { return &Objects{why: why} }

// InspectObjects is Inspect and gives the objects of the db, which have to be
// closed, from the same reading. They are never nil. Those of a db in use cannot
// be read: see InspectUnlocked.
//
// The lock of a db at rest is given back with the inspection: where an etcd was
// started since and has committed, Objects.Each gives ErrCommits.
func InspectObjects(ctx context.Context, dataDir, walDir string) (cluster.DataDir, *Objects, error) {
	return inspectDir(ctx, dataDir, walDir, checking{objects: true})
}

// InspectUnlocked is InspectObjects that also reads, whole and without any lock,
// the db of an etcd that runs: for one that has lost its quorum, and so commits
// nothing. That is proven: what was read counts only if the db's newest meta page
// is the same before and after it, and holds. Else the error is ErrCommits, which
// comes soon after the first commit; Objects.Each may give it too.
func InspectUnlocked(ctx context.Context, dataDir, walDir string) (cluster.DataDir, *Objects, error) {
	d, o, err := inspectDir(ctx, dataDir, walDir, checking{objects: true, unlocked: true})
	if err == nil && errors.Is(o.why, ErrCommits) {
		err = fmt.Errorf("inspect %s: %w", dataDir, o.why)
	}
	return d, o, err
}

// examineFor is examine with the objects, which own the file: where they are
// not asked for, it is closed.
func examineFor(ctx context.Context, p *pageFile, path string, how checking) (examined, []cluster.Damage, *Objects, error) {
	o := &Objects{path: path, p: p, inUse: p.inUse}
	if how.objects {
		o.live = newSurvey(p, 0, "")
		how.also = o.see(o.live.visitor(false))
	}
	db, damage, err := examine(ctx, p, path, how)
	switch {
	case !how.objects:
		o.Close()
	case err != nil:
		o.fail(err)
	case p.inUse && !how.unlocked:
		o.fail(ErrInUse)
	case len(db.walked.defects) == 0 && o.seen == nil:
		o.live.all = db.walked.all
		o.seen = o.live.finish(ctx)
		o.found = o.seen == nil
	}
	if o.p != nil {
		o.p.unlock()
	}
	return db, damage, o, err
}

// see keeps what the survey cannot take to itself: it is no damage of its own
// beside what the check says of the same record.
func (o *Objects) see(visit visitor) visitor {
	return func(at place, key, value []byte) error {
		if o.seen == nil {
			o.seen = visit(at, key, value)
		}
		return nil
	}
}

func (o *Objects) fail(why error) {
	o.Close()
	o.why = why
}

// InUse tells whether a running etcd held the db when it was opened.
func (o *Objects) InUse() bool { return o.inUse }

// Close gives the file back. It may be called again.
func (o *Objects) Close() {
	if o.live != nil {
		o.live.close()
		o.live = nil
	}
	if o.p != nil {
		o.p.close()
		o.p = nil
	}
	if o.why == nil {
		o.why = errors.New("its objects were not kept")
	}
}

// Each calls fn for the key and the value of everything that is live, in the
// order of revisions. Both are valid during the call only. An error of fn ends
// the reading and is returned as it is; any damage that stands in the way is an
// error. Where the error is ErrCommits, what fn was given may be torn.
func (o *Objects) Each(ctx context.Context, fn func(key, value []byte) error) error {
	if o.why != nil {
		return fmt.Errorf("read %s: %w", o.path, o.why)
	}
	if o.p == nil {
		p, _, err := openStopped(ctx, o.path)
		if err != nil {
			return fmt.Errorf("read %s: %w", o.path, err)
		}
		o.p, o.live = p, newSurvey(p, 0, "")
	}
	var stopped error
	err := o.each(ctx, func(_ place, _, value []byte) error {
		r, err := parseRecord(value)
		if err != nil {
			return err
		}
		stopped = fn(r.key, r.value)
		return stopped
	})
	if ctx.Err() == nil && !o.p.unchanged() {
		return fmt.Errorf("read %s: %w", o.path, ErrCommits)
	}
	if err != nil && stopped == nil && ctx.Err() == nil {
		return fmt.Errorf("read %s: %w", o.path, err)
	}
	return err
}

// each visits the live records, after a walk of its own where something stood in
// the way of finding them beside the check: its first damage is the error.
func (o *Objects) each(ctx context.Context, visit visitor) error {
	if !o.found {
		o.live.close()
		live, err := takeSurvey(ctx, o.p, 0, false, "")
		if err != nil {
			return err
		}
		o.live, o.found = live, true
	}
	return o.live.eachLive(ctx, o.p.watching(visit))
}
