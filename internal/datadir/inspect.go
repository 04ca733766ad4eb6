package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Inspect reads a member's files and writes nothing. An empty walDir means
// dataDir/member/wal. It never waits for a lock and works beside a running
// etcd: then the facts come from one consistent commit of the db, but the db's
// pages are not verified (InUse is 0) and an unfinished last record of the log
// is no damage. Whatever is wrong with the files is told as Damage; the error
// is for what could not be looked at, such as a folder without permission.
func Inspect(ctx context.Context, dataDir, walDir string) (cluster.DataDir, error) {
	d, _, err := inspectDir(ctx, dataDir, walDir, checking{})
	return d, err
}

// Glance is Inspect without reading every page of the db: a few dozen pages and
// the log, whatever the size of the db. InUse stays 0, and damage is found only
// where the glance falls.
func Glance(ctx context.Context, dataDir, walDir string) (cluster.DataDir, error) {
	d, _, err := inspectDir(ctx, dataDir, walDir, checking{glance: true})
	return d, err
}

// inspectDir also gives the objects of the db, where how asks for them: then
// they have to be closed.
func inspectDir(ctx context.Context, dataDir, walDir string, how checking) (cluster.DataDir, *Objects, error) {
	if walDir == "" {
		walDir = filepath.Join(dataDir, "member", "wal")
	}
	d := cluster.DataDir{Path: dataDir, WALDir: walDir}
	state, err := dirState(ctx, dataDir, walDir)
	if err != nil {
		return d, unread(err), fmt.Errorf("inspect %s: %w", dataDir, err)
	}
	d.State = state
	d.MountPoint = mountPoint(dataDir)
	if d.Bytes, err = bytesBelow(ctx, dataDir, walDir); err != nil {
		return d, unread(err), fmt.Errorf("inspect %s: %w", dataDir, err)
	}
	if d.State != cluster.DirData {
		why := "the data dir is " + string(d.State)
		d.ClusterID, d.MemberID = cluster.Unknown[cluster.ID]("%s", why), cluster.Unknown[cluster.ID]("%s", why)
		d.Log, d.DB = cluster.Unknown[cluster.Log]("%s", why), cluster.Unknown[cluster.DB]("%s", why)
		return d, unread(errors.New(why)), nil
	}
	own := filepath.Join(dataDir, "member", "snap", "db")
	db := effectiveDB(ctx, own, walDir)
	if db != own {
		d.Received = db
	}
	objects := inspectDB(ctx, &d, db, how)
	inspectWAL(ctx, &d, objects.inUse)
	return d, objects, ctx.Err()
}

// inspectDB fills the facts of the db and gives its objects.
func inspectDB(ctx context.Context, d *cluster.DataDir, path string, how checking) *Objects {
	p, err := openPages(path)
	if err != nil {
		d.DB = cluster.Unknown[cluster.DB]("%s", err)
		if damage, ok := asDamage(path, err); ok {
			d.Damage = append(d.Damage, damage)
		}
		return unread(err)
	}
	if info, err := p.f.Stat(); err == nil {
		d.Modified = info.ModTime()
	}
	db, damage, objects, err := examineFor(ctx, p, path, how)
	if err != nil {
		d.DB = cluster.Unknown[cluster.DB]("%s", err)
	} else {
		d.DB = cluster.Is(db.DB)
	}
	d.Damage = append(d.Damage, damage...)
	return objects
}

// examined are the facts of a db with the count of its live keys.
type examined struct {
	cluster.DB
	keys   int64
	walked checked
}

// examine reads the facts and, when no etcd uses the db or how says so, verifies
// every page. The error says why the facts are unknown; the damage is told
// beside it.
func examine(ctx context.Context, p *pageFile, path string, o checking) (db examined, damage []cluster.Damage, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the reader gave up: %v", r)
			damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: path, Offset: -1, What: err.Error()})
		}
	}()
	db.DB, err = factsOf(ctx, p)
	if p.inUse && err != nil {
		return db, nil, fmt.Errorf("in use by a running etcd: %w", err)
	}
	if p.inUse && !o.unlocked {
		return db, nil, nil
	}
	if o.glance {
		return db, glanced(p, path, err), err
	}
	switch {
	case p.inUse: // its pages are in memory, and its etcd has the first claim on the disk
		p.ahead.on = true
	case !p.ahead.on:
		p.warm(ctx)
	}
	c, checkErr := check(ctx, p, db.CompactRevision, o)
	if p.inUse && !p.unchanged() {
		checkErr = ErrCommits
	}
	if checkErr != nil {
		return db, nil, checkErr
	}
	db.InUse, db.keys, db.walked = c.inUse, c.keys, c
	known := map[defect]bool{}
	var d *defect
	if errors.As(err, &d) {
		c.defects = append(c.defects, d)
	}
	for _, d := range c.everything() {
		if !known[*d] {
			known[*d] = true
			damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: path, Offset: d.offset, What: d.what})
		}
	}
	return db, damage, err
}

// glanced lists the damage that reading the facts of a db met.
func glanced(p *pageFile, path string, err error) []cluster.Damage {
	list := p.bad
	var d *defect
	if errors.As(err, &d) {
		list = append(slices.Clone(list), d)
	}
	var damage []cluster.Damage
	for _, d := range list {
		damage = append(damage, cluster.Damage{Kind: cluster.DamageDB, File: path, Offset: d.offset, What: d.what})
	}
	return damage
}

// asDamage classifies why a member's db could not be opened.
func asDamage(path string, err error) (cluster.Damage, bool) {
	d := cluster.Damage{Kind: cluster.DamageDB, File: path, Offset: -1, What: err.Error()}
	var short *cutShort
	var bad *defect
	var no *notDB
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Kind, d.What = cluster.DamageDBMissing, "the data dir has no db"
	case errors.As(err, &short):
		d.Kind, d.Offset = cluster.DamageDBTruncated, short.size
	case errors.As(err, &bad):
		d.Offset, d.What = bad.offset, bad.what
	case errors.As(err, &no):
		d.Offset = 0
	default:
		return d, false // not readable for us: unknown, not damaged
	}
	return d, true
}

// inspectWAL fills the facts of the log.
func inspectWAL(ctx context.Context, d *cluster.DataDir, live bool) {
	l, err := readWAL(ctx, d.WALDir, live)
	if err == nil && live && !l.whole {
		l, err = readWAL(ctx, d.WALDir, live) // etcd may have cut or purged a file meanwhile
	}
	if err != nil {
		why := err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			why = "the folder of the log does not exist"
			d.Damage = append(d.Damage, cluster.Damage{Kind: cluster.DamageWALMissing, File: d.WALDir, Offset: -1, What: why})
		}
		d.ClusterID, d.MemberID = cluster.Unknown[cluster.ID]("%s", why), cluster.Unknown[cluster.ID]("%s", why)
		d.Log = cluster.Unknown[cluster.Log]("%s", why)
		return
	}
	d.Damage = append(d.Damage, l.damage...)
	if l.modified.After(d.Modified) {
		d.Modified = l.modified
	}
	c, m, err := l.ids()
	d.ClusterID, d.MemberID = cluster.From(c, err), cluster.From(m, err)
	if len(l.segments) == 0 {
		d.Log = cluster.Unknown[cluster.Log]("the log has no file that can be read")
		return
	}
	log := logFacts(l, d.DB)
	d.Log = cluster.Is(log)
	if db := d.DB; db.OK && !live && log.Whole && log.LastIndex < db.Value.ConsistentIndex {
		d.Damage = append(d.Damage, cluster.Damage{
			Kind: cluster.DamageBehind, File: d.WALDir, Offset: -1,
			What: fmt.Sprintf("the log ends at entry %d but the db has applied entry %d", log.LastIndex, db.Value.ConsistentIndex),
		})
	}
}

func logFacts(l *walLog, db cluster.Known[cluster.DB]) cluster.Log {
	first := l.runs[0]
	log := cluster.Log{
		Segments: l.segments, Whole: l.whole,
		Term: l.hard.GetTerm(), Vote: cluster.ID(l.hard.GetVote()), Commit: l.hard.GetCommit(),
		SnapshotIndex: l.snapshot(), LastIndex: first.last(), LastTerm: first.baseTerm,
	}
	if first.count() > 0 {
		log.FirstIndex, log.LastTerm = first.base+1, first.at(first.last()).term
	}
	log.ReachIndex, log.ReachTerm = log.LastIndex, log.LastTerm
	var applied uint64
	if db.OK {
		applied = db.Value.ConsistentIndex
		log.ReachIndex, log.ReachTerm = applied, db.Value.Term
		if r, ok := l.from(applied); ok && r.last() > applied {
			log.ReachIndex, log.ReachTerm = r.last(), r.at(r.last()).term
		}
	}
	for _, r := range l.runs {
		for i := max(applied, r.base) + 1; i <= r.last(); i++ {
			if r.at(i).writes {
				log.RevisionsBeyondDB++
			}
		}
	}
	return log
}

// dirState tells what lies at a data dir's path. A folder below which there is
// no file is empty, whatever folders it holds.
func dirState(ctx context.Context, dataDir, walDir string) (cluster.DirState, error) {
	info, err := os.Stat(dataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cluster.DirAbsent, nil
	case err != nil:
		return "", err
	case !info.IsDir():
		return cluster.DirForeign, nil
	}
	if names, err := segmentNames(walDir); err == nil && len(names) > 0 {
		return cluster.DirData, nil
	}
	files := 0
	err = filepath.WalkDir(dataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if e != nil && e.Name() == "lost+found" {
				return fs.SkipDir
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !e.IsDir() {
			files++
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if files == 0 {
		return cluster.DirEmpty, nil
	}
	if info, err := os.Stat(filepath.Join(dataDir, "member")); err == nil && info.IsDir() {
		return cluster.DirData, nil
	}
	return cluster.DirForeign, nil
}

// bytesBelow sums the sizes of the files below the folders; a file that goes
// away meanwhile does not count.
func bytesBelow(ctx context.Context, dirs ...string) (int64, error) {
	var sum int64
	for i, dir := range dirs {
		if i > 0 && strings.HasPrefix(filepath.Clean(dir), filepath.Clean(dirs[0])+string(filepath.Separator)) {
			continue
		}
		err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil || e.IsDir() {
				return nil
			}
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
			return nil
		})
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// mountPoint tells whether dir is the root of a file system, or bound there.
func mountPoint(dir string) bool {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	var self, parent syscall.Stat_t
	if syscall.Stat(abs, &self) != nil || syscall.Stat(filepath.Dir(abs), &parent) != nil {
		return false
	}
	if self.Dev != parent.Dev {
		return true
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mounts)) {
		// The fifth field is the mount point; spaces in it are written \040.
		if f := strings.Fields(line); len(f) > 4 && strings.ReplaceAll(f[4], `\040`, " ") == abs {
			return true
		}
	}
	return false
}
