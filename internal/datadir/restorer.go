package datadir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// restorer does one restore.
type restorer struct {
	o      RestoreOptions
	group  *membership.RaftCluster
	stages []staging
	done   Restored
	// trailer is what the source's pass found.
	trailer cluster.Trailer
	// arrival is the source where it is no file.
	arrival *Arrival
}

func newRestorer(o RestoreOptions) (*restorer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	urls, err := types.NewURLsMap(o.InitialCluster)
	if err != nil {
		return nil, fmt.Errorf("read initial cluster %q: %w", o.InitialCluster, err)
	}
	if config.CheckDuplicateURL(urls) {
		return nil, fmt.Errorf("the initial cluster %q names a URL twice", o.InitialCluster)
	}
	w := &restorer{o: o}
	if w.group, err = membership.NewClusterFromURLsMap(quiet(), o.Token, urls); err != nil {
		return nil, fmt.Errorf("compute cluster ID: %w", err)
	}
	w.done.ClusterID = cluster.ID(w.group.ID())
	note := filepath.Clean(o.Members[0].Dir) + ".salvor.restore.json"
	for _, m := range o.Members {
		id := w.group.MemberByName(m.Name)
		if id == nil {
			return nil, fmt.Errorf("the member %q is not in the initial cluster %q", m.Name, o.InitialCluster)
		}
		if err := advertised(m, urls); err != nil {
			return nil, err
		}
		s := stagingOf(m.Dir, m.WALDir)
		s.note = note
		w.stages = append(w.stages, s)
		w.done.Members = append(w.done.Members, RestoredMember{m.Name, m.Dir, cluster.ID(id.ID)})
	}
	return w, nil
}

// advertised holds a member's peer URLs against those of the initial cluster.
// Only where they differ in writing are names looked up, as etcdutl does always
// (server/config/config.go, VerifyBootstrap).
func advertised(m RestoreMember, all types.URLsMap) error {
	if len(m.PeerURLs) == 0 {
		return nil
	}
	urls, err := types.NewURLs(m.PeerURLs)
	if err != nil {
		return fmt.Errorf("read peer URLs %q: %w", m.PeerURLs, err)
	}
	a, b := urls.StringSlice(), all[m.Name].StringSlice()
	slices.Sort(a)
	slices.Sort(b)
	if slices.Equal(a, b) {
		return nil
	}
	c := config.ServerConfig{Logger: quiet(), Name: m.Name, PeerURLs: urls, InitialPeerURLsMap: all}
	return c.VerifyBootstrap()
}

// restore does the whole of Restore.
func (w *restorer) restore(ctx context.Context, progress func(done, total int64)) (Restored, error) {
	source, err := w.source()
	if err != nil {
		return Restored{}, err
	}
	if done, ok, err := w.resumed(source); ok || err != nil {
		return done, err
	}
	for i, m := range w.o.Members {
		if err := vacant(ctx, m.Dir, m.WALDir); err != nil {
			return Restored{}, fmt.Errorf("%s: %w", m.Dir, err)
		}
		if err := w.stages[i].clear(); err != nil {
			return Restored{}, err
		}
	}
	if err := w.write(ctx, progress); err != nil {
		return Restored{}, errors.Join(err, w.discard())
	}
	if again, err := w.source(); err != nil || again != source {
		return Restored{}, errors.Join(errors.New("the source changed while it was read"), err, w.discard())
	}
	raw, err := json.MarshalIndent(restoreNote{source, w.o, w.done}, "", "  ")
	if err != nil {
		return Restored{}, err
	}
	note := w.stages[0].note
	if err := writeFile(note, append(raw, '\n')); err != nil {
		return Restored{}, err
	}
	for _, s := range w.stages {
		if err := s.rename(false); err != nil {
			return Restored{}, err
		}
	}
	return w.done, errors.Join(os.Remove(note), syncPath(filepath.Dir(note)))
}

// source names the state of the source.
func (w *restorer) source() (string, error) {
	if w.arrival != nil {
		return "sha256:" + w.arrival.SHA256, nil
	}
	return identify(Source{DB: w.o.Source})
}

// restoreNote lies beside the first member while whole data dirs are given
// their names.
type restoreNote struct {
	Source   string         `json:"source"`
	Options  RestoreOptions `json:"options"`
	Restored Restored       `json:"restored"`
}

// resumed finishes the renames of the same restore that was interrupted there.
func (w *restorer) resumed(source string) (Restored, bool, error) {
	note := w.stages[0].note
	raw, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return Restored{}, false, nil
	}
	if err != nil {
		return Restored{}, false, err
	}
	var n restoreNote
	if json.Unmarshal(raw, &n) != nil || n.Source != source || !reflect.DeepEqual(n.Options, w.o) {
		return Restored{}, false, nil
	}
	for _, s := range w.stages {
		if err := s.rename(true); err != nil {
			return Restored{}, false, err
		}
	}
	for _, m := range w.o.Members {
		if _, err := os.Stat(filepath.Join(m.Dir, "member")); err != nil {
			return Restored{}, false, nil // it was taken away since: all is done again
		}
	}
	return n.Restored, true, errors.Join(os.Remove(note), syncPath(filepath.Dir(note)))
}

// vacant makes sure that nothing lies where a data dir is to be written.
func vacant(ctx context.Context, dir, walDir string) error {
	wal := walDir
	if wal == "" {
		wal = filepath.Join(dir, "member", "wal")
	} else if entries, err := os.ReadDir(wal); (err != nil && !errors.Is(err, fs.ErrNotExist)) || len(entries) > 0 {
		return fmt.Errorf("the folder %s of the log is not empty: set it aside first", wal)
	}
	state, err := dirState(ctx, dir, wal)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(dir, "member"))
	switch {
	case state == cluster.DirAbsent, state == cluster.DirEmpty && err != nil, state == cluster.DirForeign && onlyLeftover(dir):
		return nil
	}
	return fmt.Errorf("something is there already (%s): set it aside first", state)
}

// discard removes the staging folders, which are Salvor's own.
func (w *restorer) discard() error {
	var errs []error
	for _, s := range w.stages {
		errs = append(errs, s.clear())
	}
	return errors.Join(errs...)
}

// write fills and syncs the staging folders.
func (w *restorer) write(ctx context.Context, progress func(done, total int64)) error {
	m := &meter{report: progress}
	take := w.takeFile
	if w.arrival != nil {
		take = w.takeArrival
	}
	s, db, err := take(ctx, m)
	if err != nil {
		return err
	}
	defer s.p.close()
	defer db.Close()
	if err := w.writeDB(ctx, db, s, m); err != nil {
		return err
	}
	if err := w.spread(ctx, db, m); err != nil {
		return err
	}
	return w.confirm(ctx, m)
}

// stage makes the staging folders and the first member's db.
func (w *restorer) stage() (*os.File, error) {
	for _, s := range w.stages {
		if err := os.MkdirAll(filepath.Join(s.dir, "member", "snap"), 0o700); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(w.stages[0].db(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// takeFile reads a source that is a file, and begins the db. The caller closes
// both.
func (w *restorer) takeFile(ctx context.Context, m *meter) (_ *survey, db *os.File, err error) {
	p, err := openPages(w.o.Source)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.inUse {
		return nil, nil, ErrInUse
	}
	body, trailer := bodyOf(p.size)
	if !trailer && !w.o.SkipHashCheck {
		return nil, nil, errTrailer(w.o.Source, cluster.TrailerMissing)
	}
	m.total = p.size + int64(len(w.stages))*p.size
	f := &feed{path: w.o.Source, body: body, hash: !w.o.SkipHashCheck, seen: m.addInt}
	if db, err = w.stage(); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	if !w.o.Compact {
		f.copyBytes = int64(p.meta.end) * int64(p.meta.pageSize)
		f.copyTo = &durable.Early{File: db}
		if err := w.room(f.copyBytes); err != nil {
			return nil, nil, err
		}
	}
	s, err := w.read(ctx, p, f)
	return s, db, err
}

// read makes the one pass over the source: digest, structure, and what is live.
func (w *restorer) read(ctx context.Context, p *pageFile, f *feed) (*survey, error) {
	var s *survey
	feedErr, err := beside(ctx, p, f, func(ctx context.Context) (err error) {
		s, err = takeSurvey(ctx, p, 0, false, filepath.Dir(w.stages[0].db()))
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if feedErr != nil {
		return nil, feedErr
	}
	if f.hash && f.trailer != cluster.TrailerGood {
		return nil, errTrailer(w.o.Source, f.trailer)
	}
	if err != nil {
		return nil, w.damaged(ctx, err)
	}
	w.done.SourceSHA256, w.trailer = f.sum, f.trailer
	return s, nil
}

// damaged says what a source's structure lacks.
func (w *restorer) damaged(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the db is damaged: %w; salvage it first", err)
}

// raftBytes is the room that a log takes: two segments, of which the second is
// prepared.
const raftBytes = 130 << 20

// room checks that the disks of all members have room for a db of size bytes.
func (w *restorer) room(size int64) error {
	need := map[uint64]int64{}
	for _, s := range w.stages {
		parent := filepath.Dir(s.dir)
		need[deviceOf(parent)] += size + size/50 + raftBytes
		if err := durable.Room(parent, need[deviceOf(parent)]); err != nil {
			return err
		}
	}
	return nil
}

// writeDB makes the db of the first member.
func (w *restorer) writeDB(ctx context.Context, db *os.File, s *survey, m *meter) error {
	facts, err := dbFacts(ctx, s.p)
	if err != nil {
		return err
	}
	if facts.Revision > math.MaxInt64/2-w.o.BumpRevision {
		return fmt.Errorf("the revision %d cannot be bumped by %d", facts.Revision, w.o.BumpRevision)
	}
	latest := facts.Revision + w.o.BumpRevision
	for _, m := range facts.Members {
		if w.group.Member(types.ID(m.ID)) != nil {
			w.done.SameIDs = append(w.done.SameIDs, m.ID)
		}
	}
	own, err := ownOf(ctx, s.p, s.all)
	if err != nil {
		return err
	}
	r := rebirth{group: w.group, target: w.o.Target}
	w.done.Revision, w.done.CompactRevision = latest, facts.CompactRevision
	w.done.Keys, w.done.Records = s.keys, int64(s.records)
	if w.o.Compact || w.o.MarkCompacted {
		r.scheduled, w.done.CompactRevision = latest, latest
	}
	if !w.o.Compact {
		if err := r.apply(own); err != nil {
			return err
		}
		var bump *revision
		if w.o.MarkCompacted {
			bump = &revision{main: latest}
			w.done.Records++
		}
		return writeOverlay(ctx, db, s.p, own, bump)
	}
	r.finished, w.done.Records = latest, s.keys
	if err := r.apply(own); err != nil {
		return err
	}
	out := s.bytes + s.bytes/4 + 1<<20
	if err := w.room(out); err != nil {
		return err
	}
	m.total = s.p.size + int64(len(w.stages))*out
	return writeCompact(ctx, db, s, own, m.addInt)
}

// spread gives the db to the other members, and to each its log, all at once.
func (w *restorer) spread(ctx context.Context, db *os.File, m *meter) error {
	errs := make([]error, len(w.stages))
	var group sync.WaitGroup
	for i, s := range w.stages {
		group.Go(func() {
			if i == 0 {
				errs[i] = db.Sync()
			} else {
				errs[i] = duplicate(ctx, db.Name(), s.db(), m.addInt)
			}
			if errs[i] == nil {
				errs[i] = writeRaftFiles(w.group, w.o.Members[i].Name, filepath.Dir(s.db()), s.log())
			}
			for _, tree := range []string{s.dir, s.wal} {
				if tree != "" && errs[i] == nil {
					errs[i] = syncTree(ctx, tree)
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// confirm reads again what the new db says of itself.
func (w *restorer) confirm(ctx context.Context, m *meter) error {
	db, err := Head(ctx, w.stages[0].db())
	if err != nil {
		return err
	}
	w.done.Bytes = db.Size
	if db.Revision != w.done.Revision || db.CompactRevision != w.done.CompactRevision ||
		db.ConsistentIndex != uint64(len(db.Members)) || len(db.Members) != len(w.group.MemberIDs()) {
		return fmt.Errorf("the db that was written does not hold: revision %d, compacted %d, %d members, entry %d",
			db.Revision, db.CompactRevision, len(db.Members), db.ConsistentIndex)
	}
	m.add(m.total)
	return nil
}
