package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// Source names what is salvaged: the db of one member and the log of the same
// or of another member of the same cluster; the entries are the same on all.
type Source struct {
	// DB is the path of the db file.
	DB string `json:"db"`
	// WALDir is the folder of the log; empty salvages the db alone.
	WALDir string `json:"walDir,omitempty"`
}

// Report tells what a salvage produced.
type Report struct {
	// Image is the path of the snapshot file, SHA256 the digest of the whole
	// file and Bytes its size.
	Image  string `json:"image"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	// Revision is the image's newest revision, Content its fingerprint there.
	Revision int64           `json:"revision"`
	Keys     int64           `json:"keys"`
	Content  cluster.Content `json:"content"`
	// DBIndex is the last entry that the db had applied, LastIndex and LastTerm
	// the last that the image contains.
	DBIndex   uint64 `json:"dbIndex"`
	LastIndex uint64 `json:"lastIndex"`
	LastTerm  uint64 `json:"lastTerm"`
	// Commit is the log's HardState. It is written lazily: the entries above
	// it may have been acknowledged, and are therefore applied.
	Commit uint64 `json:"commit"`
	// Applied counts the entries taken from the log, AboveCommit those of them
	// above Commit, Membership those about members or versions (recorded, not
	// applied: a restore replaces the members), V2 those of etcd's old API.
	Applied     int `json:"applied"`
	AboveCommit int `json:"aboveCommit"`
	Membership  int `json:"membership"`
	V2          int `json:"v2"`
	// Damage is what was wrong with the log. Entries behind damage are in the
	// image only when the db had applied everything up to them.
	Damage []cluster.Damage `json:"damage,omitempty"`
	// Source identifies the files that were read, by size and time.
	Source string `json:"source"`
}

// Salvage makes a clean snapshot file at out from a stopped member's files:
// everything in the db, then every readable entry of the log behind it,
// including the tail above HardState.Commit, whose writes may have been
// acknowledged. The source is only read. The file has exactly the form of
// etcd's Maintenance.Snapshot. Repeating a finished salvage returns its Report,
// which lies beside as out.json; work in progress lies at out.work and out.part
// and may be overwritten at any time.
//
// It is an error when an etcd uses the db, when the db is damaged, when entries
// are missing between the db and the log, when the log belongs to another
// history, when the disk of out has no room, and when out holds anything else.
func Salvage(ctx context.Context, s Source, out string, progress func(done, total int64)) (Report, error) {
	return told("salvage "+s.DB, progress, func(progress func(done, total int64)) (Report, error) {
		return salvage(ctx, s, out, progress)
	})
}

// told does work that may be watched, and names it in its error.
func told[R any](what string, progress func(done, total int64), do func(func(done, total int64)) (R, error)) (R, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	r, err := do(progress)
	if err != nil {
		var none R
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return r, nil
}

func salvage(ctx context.Context, s Source, out string, progress func(done, total int64)) (Report, error) {
	s.DB = effectiveDB(ctx, s.DB, s.WALDir)
	source, err := identify(s)
	if err != nil {
		return Report{}, err
	}
	if r, ok, err := finished(ctx, out, source); ok || err != nil {
		return r, err
	}
	p, err := openPages(s.DB)
	if err != nil {
		return Report{}, err
	}
	defer p.close()
	if p.inUse {
		return Report{}, ErrInUse
	}
	t, err := tailOf(ctx, s, p)
	if err != nil {
		return Report{}, err
	}
	debug.FreeOSMemory() // a whole segment of the log is done with
	body := int64(p.meta.end) * int64(p.meta.pageSize)
	if err := durable.Room(filepath.Dir(out), 2*body+3*t.bytes+64<<20); err != nil {
		return Report{}, err
	}
	m := &meter{total: p.size + body + 2*t.bytes, report: progress}
	r := Report{Image: out, Source: source}
	work := out + ".work"
	defer os.Remove(work)
	if err := recreate(ctx, s.DB, p, work, t, &r, m); err != nil {
		return Report{}, err
	}
	p.close()
	if err := os.Rename(work, out+".part"); err != nil {
		return Report{}, err
	}
	if err := seal(ctx, out+".part", &r, m); err != nil {
		return Report{}, errors.Join(err, os.Remove(out+".part"))
	}
	if again, err := identify(s); err != nil || again != source {
		return Report{}, errors.Join(errors.New("the source changed while it was read"), err)
	}
	return r, publish(out, r)
}

// recreate makes at work what the db and its log say together.
func recreate(ctx context.Context, path string, p *pageFile, work string, t tail, r *Report, m *meter) error {
	f, err := os.OpenFile(work, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := copySound(ctx, path, p, f, t, m)
	if err != nil {
		return err
	}
	defer db.walked.h.close()
	if t.log != nil {
		r.Damage, r.Commit = t.log.damage, t.log.hard.GetCommit()
	}
	r.DBIndex, r.LastIndex, r.LastTerm = db.ConsistentIndex, db.ConsistentIndex, db.Term
	rest := 0
	if t.left() > 0 {
		if rest, err = appendTail(ctx, f, p, db, t, r, m); err != nil {
			return err
		}
	} else if err := newPageWriter(ctx, f, p.meta.pageSize, p.meta.end, nil).metas(p.meta.root, p.meta.txid); err != nil {
		return err
	}
	if rest == t.left() {
		return nil
	}
	db.walked = checked{}
	t.next += uint64(rest)
	debug.FreeOSMemory() // the index goes, etcd's own comes
	return replay(ctx, work, t, r, m)
}

// copySound copies the pages of a db to f while it makes sure that no etcd uses
// it and that every page and record holds.
func copySound(ctx context.Context, path string, p *pageFile, f *os.File, t tail, m *meter) (examined, error) {
	c := &feed{path: path, copyTo: &durable.Early{File: f}, copyBytes: int64(p.meta.end) * int64(p.meta.pageSize), seen: m.addInt}
	var db examined
	feedErr, err := beside(ctx, p, c, func(ctx context.Context) (err error) {
		db, err = sound(ctx, p, path, checking{index: t.left() > 0, bound: t.revoked, dir: filepath.Dir(f.Name())})
		return err
	})
	if ctx.Err() != nil {
		return db, ctx.Err()
	}
	return db, errors.Join(feedErr, err)
}

// appendTail applies the entries of a log as far as an appender can, and gives
// their number. The db at f is then whole.
func appendTail(ctx context.Context, f *os.File, p *pageFile, db examined, t tail, r *Report, m *meter) (int, error) {
	a, err := newAppender(ctx, f, p, db)
	if err != nil {
		return 0, err
	}
	if a == nil {
		return 0, newPageWriter(ctx, f, p.meta.pageSize, p.meta.end, nil).metas(p.meta.root, p.meta.txid)
	}
	if err := a.all(ctx, t, r, m); err != nil {
		return 0, err
	}
	if err := a.finish(ctx); err != nil {
		return 0, err
	}
	if a.pending && a.applied == t.left() {
		a.keys = nil
		db.walked.h.close()
		return a.applied, compactFile(ctx, f.Name(), a.compacted)
	}
	return a.applied, nil
}

// sound gives the facts of a db whose every page holds.
func sound(ctx context.Context, p *pageFile, path string, o checking) (examined, error) {
	bad := len(p.bad) // an invalid meta page is survived: the other one is used
	db, damage, err := examine(ctx, p, path, o)
	if err != nil {
		return db, err
	}
	if len(damage) > bad {
		db.walked.h.close()
		d := damage[bad]
		return db, fmt.Errorf("the db is damaged at %d places, first at byte %d (%s): use the db of another member with this log",
			len(damage)-bad, d.Offset, d.What)
	}
	return db, nil
}

// tail is what a log adds to a db: the entries of a run from next on.
type tail struct {
	log   *walLog
	run   run
	next  uint64
	bytes int64
	// revoked are the leases that it ends.
	revoked map[int64]bool
}

// left counts the entries.
func (t tail) left() int {
	if t.log == nil || t.next == 0 || t.next > t.run.last() {
		return 0
	}
	return int(t.run.last() - t.next + 1)
}

// tailOf finds the entries behind what the db has applied.
func tailOf(ctx context.Context, s Source, p *pageFile) (tail, error) {
	if s.WALDir == "" {
		return tail{}, nil
	}
	db, err := dbFacts(ctx, p)
	if err != nil {
		return tail{}, fmt.Errorf("the db is damaged: %w: use the db of another member with this log", err)
	}
	l, err := readWAL(ctx, s.WALDir, false)
	if err != nil {
		return tail{}, fmt.Errorf("read the log: %w", err)
	}
	t := tail{log: l}
	applied := db.ConsistentIndex
	r, ok := l.from(applied)
	if !ok {
		return t, gap(l, applied)
	}
	if term, ok := r.term(applied); ok && applied > 0 && db.Term > 0 && term != db.Term {
		return t, fmt.Errorf("the log is of another history: its entry %d has term %d, the db applied it with term %d",
			applied, term, db.Term)
	}
	t.run, t.next, t.revoked = r, applied+1, map[int64]bool{}
	reader := tailReader{log: l, segment: -1}
	defer reader.close()
	var buf []byte
	for i := t.next; i <= r.last(); i++ {
		e := r.at(i)
		t.bytes += int64(e.size)
		if !e.revokes {
			continue
		}
		b := reader.read(&run{base: i - 1, chunks: [][]entryPlace{{{e.off, e.size}}}, marks: []entryMark{{i, e.term, e.segment}}}, i, buf)
		if b.err != nil {
			return t, b.err
		}
		buf = b.buf
		if id := revokedLease(b.list[0].data); id != 0 {
			t.revoked[id] = true
		}
	}
	return t, nil
}

// revokedLease gives the lease that a request ends; 0 for none.
func revokedLease(data []byte) int64 {
	req := &etcdserverpb.InternalRaftRequest{}
	if proto.Unmarshal(data, req) != nil || req.LeaseRevoke == nil {
		return 0
	}
	return req.LeaseRevoke.ID
}

// gap explains why no run of the log goes on from the db. A log that ends
// before the db adds nothing, which is no error.
func gap(l *walLog, applied uint64) error {
	for _, r := range l.runs {
		if r.base > applied {
			return fmt.Errorf("the db has applied entry %d, but the log goes on only behind entry %d: entries %d to %d are missing; use the db of a member that is further, or a longer log",
				applied, r.base, applied+1, r.base)
		}
	}
	return nil
}

// replay applies the tail to a work file with etcd's own applier.
func replay(ctx context.Context, work string, t tail, r *Report, m *meter) (err error) {
	info, err := os.Stat(work)
	if err != nil {
		return err
	}
	e, err := openReplayer(ctx, work, info.Size())
	if err != nil {
		return fmt.Errorf("open the copy of the db: %w", err)
	}
	err = t.each(ctx, func(ref entryRef, raw rawEntry) error {
		k, err := e.apply(ctx, raw.entry(ref))
		if err != nil {
			// Not closed: a panic inside etcd's packages leaves their locks held.
			return &lost{fmt.Errorf("apply entry %d: %w", ref.index, err)}
		}
		r.count(k, ref)
		m.add(int64(ref.size))
		return nil
	})
	var l *lost
	if errors.As(err, &l) {
		return l.error
	}
	if err = errors.Join(err, e.close()); err != nil {
		return err
	}
	return rewriteMetas(ctx, work)
}

// lost is an error after which a replayer cannot even be closed.
type lost struct{ error }

// rewriteMetas makes both meta pages of a db say the same, as those of a
// snapshot do, and cuts off what bbolt holds ready behind the last page.
func rewriteMetas(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	meta, _, err := readMeta(f)
	if err != nil {
		return err
	}
	return newPageWriter(ctx, f, meta.pageSize, meta.end, nil).metas(meta.root, meta.txid)
}

// count notes an applied entry.
func (r *Report) count(k kind, ref entryRef) {
	r.Applied++
	r.LastIndex, r.LastTerm = ref.index, ref.term
	if ref.index > r.Commit {
		r.AboveCommit++
	}
	switch k {
	case kindMembership:
		r.Membership++
	case kindV2:
		r.V2++
	}
}

// deviceOf tells file systems apart: the number of the one that holds a path,
// or the nearest folder above it that exists; 0 when that is unknown.
func deviceOf(path string) uint64 {
	var s syscall.Stat_t
	err := syscall.Stat(path, &s)
	for errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		err = syscall.Stat(path, &s)
	}
	return uint64(s.Dev)
}

// meter adds up progress in bytes.
type meter struct {
	mu          sync.Mutex
	done, total int64
	report      func(done, total int64)
}

func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = min(m.done+n, m.total)
	m.report(m.done, m.total)
}

func (m *meter) addInt(n int) { m.add(int64(n)) }
