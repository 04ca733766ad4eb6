package observe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
)

// running is what tells whether a member is at rest: its parts are there once
// known is closed.
type running struct {
	known   chan struct{}
	process cluster.Known[cluster.ProcessFacts]
	live    cluster.Known[cluster.LiveMember]
}

func (r *running) isKnown() bool {
	select {
	case <-r.known:
		return true
	default:
		return false
	}
}

// runs waits for what is known, and tells whether the member's etcd runs.
func (r *running) runs() bool {
	<-r.known
	return r.live.OK || r.process.OK && r.process.Value.Running
}

// serves waits for what is known, and tells whether the member reaches a quorum.
func (r *running) serves() bool {
	<-r.known
	return r.live.OK && r.live.Value.Linearizable.OK && r.live.Value.Linearizable.Value
}

// lockedPatience is how long a member with a db in use may take to show that it
// serves, before the db is read all the same. One that serves shows it in
// milliseconds; what has no quorum needs seconds to say so, or says nothing.
const lockedPatience = time.Second

// look is what one reading of a data dir gave; its objects have to be closed.
type look struct {
	disk    cluster.Known[cluster.DataDir]
	objects *datadir.Objects
	err     error
}

func (l look) close() {
	if l.objects != nil {
		l.objects.Close()
	}
}

// data reads the files of a member once: for what they are, and for what in
// their objects would hurt after a rebuild from them. Of a member that serves
// only the head is read; of one that runs without a quorum everything, without
// its lock.
func (m machine) data(ctx context.Context, c cluster.Member, state *running) (cluster.Known[cluster.DataDir], cluster.Known[cluster.Hazards]) {
	l := lookAt(ctx, c, datadir.InspectObjects)
	switch {
	case !l.disk.OK || !l.disk.Value.DB.OK: // that is what is wrong with it
		l.close()
		return l.disk, cluster.Known[cluster.Hazards]{}
	case l.objects.InUse():
		l.close()
		return m.dataInUse(ctx, c, state, l.disk)
	case state.serves():
		l.close()
		return l.disk, cluster.Known[cluster.Hazards]{}
	case state.runs():
		l.close()
		return l.disk, cluster.Unknown[cluster.Hazards]("its etcd runs and holds the db: stop it, or save a snapshot of it and look at that")
	}
	return l.disk, m.readHazards(ctx, l.objects).hazards
}

// dataInUse reads the files of a member whose etcd holds the db, if it does not
// serve. head is what is known of them without reading everything.
func (m machine) dataInUse(ctx context.Context, c cluster.Member, state *running, head cluster.Known[cluster.DataDir]) (cluster.Known[cluster.DataDir], cluster.Known[cluster.Hazards]) {
	select {
	case <-state.known:
	case <-time.After(lockedPatience):
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		if state.serves() {
			stop()
		}
	}()
	disk, hazards := head, cluster.Known[cluster.Hazards]{}
	for range 2 { // what was committed meanwhile was perhaps the last
		if state.isKnown() && state.serves() {
			break
		}
		l := lookAt(reading, c, datadir.InspectUnlocked)
		var s scanned
		switch {
		case l.disk.OK && l.disk.Value.DB.OK:
			disk = l.disk
			s = m.readHazards(reading, l.objects)
		case reading.Err() != nil:
			l.close()
			s.hazards = cluster.Unknown[cluster.Hazards](late)
		case l.disk.OK:
			l.close()
			s.hazards = cluster.Unknown[cluster.Hazards]("%s", l.disk.Value.DB.Why)
		default:
			l.close()
			s = scanned{cluster.Unknown[cluster.Hazards]("%s", l.disk.Why), l.err}
		}
		if hazards = s.hazards; !errors.Is(s.err, datadir.ErrCommits) {
			break
		}
	}
	if state.serves() {
		return head, cluster.Known[cluster.Hazards]{}
	}
	return disk, hazards
}

// lookAt inspects the data dir, and says where it really is.
func lookAt(ctx context.Context, m cluster.Member, inspect func(ctx context.Context, dataDir, walDir string) (cluster.DataDir, *datadir.Objects, error)) look {
	return inTime(ctx, look{disk: cluster.Unknown[cluster.DataDir](late)}, func() look {
		d, objects, err := inspect(ctx, m.DataDir, m.WALDir)
		if err == nil {
			place(&d, m)
			d.Barred = barred(ctx, m)
		}
		if ctx.Err() != nil {
			objects.Close() // nobody may be there any more to do it
		}
		return look{disk: plainly(ctx, cluster.From(d, err)), objects: objects, err: err}
	})
}

// place says where a data dir really is.
func place(d *cluster.DataDir, m cluster.Member) {
	d.WALFixed = m.WALDir != "" && fixed(m.WALDir)
	if _, err := os.Readlink(m.DataDir); err != nil {
		return
	}
	if to, err := filepath.EvalSymlinks(m.DataDir); err == nil {
		if info, err := os.Stat(to); err == nil && info.IsDir() {
			d.Link = to
		}
	}
}

// fixed tells whether a folder is a symbolic link or lies on another device
// than the folder that it is in.
func fixed(dir string) bool {
	own, err := os.Lstat(dir)
	if err != nil {
		return false
	}
	if own.Mode()&os.ModeSymlink != 0 {
		return true
	}
	parent, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return false
	}
	a, aok := own.Sys().(*syscall.Stat_t)
	b, bok := parent.Sys().(*syscall.Stat_t)
	return aok && bok && a.Dev != b.Dev
}

// snapshots looks into every place of this host, one level deep. The objects of
// some of them come with it, in the same order, and have to be closed.
func snapshots(ctx context.Context, cfg cluster.Config, host string) ([]cluster.SnapshotFacts, []*datadir.Objects) {
	var out []cluster.SnapshotFacts
	var objects []*datadir.Objects
	here, _ := machineOf(cfg, host)
	for _, p := range cfg.Snapshots {
		if p.Host != host {
			continue
		}
		listed := got(ctx, func() ([]string, error) { return files(p.Path), nil })
		if !listed.OK {
			out, objects = append(out, notRead(p.Path).facts), append(objects, nil)
		}
		for _, path := range listed.Value {
			s := inTime(ctx, notRead(path), func() snapshotLook { return here.snapshot(ctx, path) })
			out, objects = append(out, s.facts), append(objects, s.objects)
			keepNewest(out, objects)
		}
	}
	return out, objects
}

// snapshotLook is what one reading of a snapshot gave.
type snapshotLook struct {
	facts   cluster.SnapshotFacts
	objects *datadir.Objects
}

func notRead(path string) snapshotLook {
	return snapshotLook{facts: cluster.SnapshotFacts{Path: path, DB: cluster.Unknown[cluster.DB](late)}}
}

func (m machine) snapshot(ctx context.Context, path string) snapshotLook {
	if f, ok := m.landed(path); ok {
		return snapshotLook{facts: f}
	}
	f, objects, err := datadir.InspectSnapshotObjects(ctx, path)
	if err != nil {
		f = cluster.SnapshotFacts{Path: path, DB: cluster.Unknown[cluster.DB]("%v", err)}
	}
	f.Device = deviceOf(path)
	if ctx.Err() != nil {
		objects.Close() // nobody may be there any more to do it
	}
	return snapshotLook{f, objects}
}

// keptSnapshots is how many snapshots' objects are kept open: 10 MB each where
// a file has gigabytes.
const keptSnapshots = 4

// keepNewest closes the objects of all but the newest snapshots that could be
// restored: if there is time for others, they are read again.
func keepNewest(all []cluster.SnapshotFacts, objects []*datadir.Objects) {
	sound := soundOnes(all)
	sound = sound[:min(len(sound), keptSnapshots)]
	for i, o := range objects {
		if o != nil && !slices.Contains(sound, i) {
			o.Close()
			objects[i] = nil
		}
	}
}
