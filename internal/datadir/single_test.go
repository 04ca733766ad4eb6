package datadir_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	clientv3 "go.etcd.io/etcd/client/v3"
	savesnap "go.etcd.io/etcd/client/v3/snapshot"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

func dbOf(dir string) string  { return filepath.Join(dir, "member", "snap", "db") }
func walOf(dir string) string { return filepath.Join(dir, "member", "wal") }

// crashed is one member that was copied while it ran, with what it knew.
type crashed struct {
	dir     string // the copy: the db lags behind the log
	stopped string // the data dir after an orderly stop
	saved   string // a snapshot that etcd's client saved
	live    cluster.Content
	status  *clientv3.StatusResponse
	lease   clientv3.LeaseID
}

// crash runs one member, writes, copies it under way and stops it.
func crash(t *testing.T) crashed {
	t.Helper()
	root := t.TempDir()
	m := newMembers(t, root, 1)[0]
	start(t, m)
	ctx := t.Context()
	workload(t, m.client, 60)
	rev := must(m.client.Get(ctx, "leased"))(t).Header.Revision
	must(m.client.Compact(ctx, rev-10, clientv3.WithCompactPhysical()))(t)
	c := crashed{dir: filepath.Join(root, "crashed"), stopped: m.dir, saved: filepath.Join(root, "saved.db")}
	c.lease = workload(t, m.client, 150)
	settle(t, m)
	rev = must(m.client.Get(ctx, "leased"))(t).Header.Revision
	must(m.client.Compact(ctx, rev-100, clientv3.WithCompactPhysical()))(t)
	workload(t, m.client, 300)
	c.live = liveContent(t, m.client)
	endpoint := m.cfg.ListenClientUrls[0].String()
	c.status = must(m.client.Status(ctx, endpoint))(t)
	copyTree(t, m.dir, c.dir)

	d := must(datadir.Inspect(ctx, m.dir, ""))(t)
	if !d.DB.OK || !d.Log.OK || len(d.Damage) > 0 || d.DB.Value.InUse != 0 || len(d.DB.Value.Members) != 1 {
		t.Errorf("Inspect beside a running etcd: %+v", d)
	}
	if _, err := datadir.Salvage(ctx, datadir.Source{DB: dbOf(m.dir), WALDir: walOf(m.dir)}, filepath.Join(root, "x"), nil); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("Salvage beside a running etcd: %v", err)
	}
	if _, err := datadir.ContentOf(ctx, dbOf(m.dir), 0); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("ContentOf beside a running etcd: %v", err)
	}
	must(savesnap.SaveWithVersion(ctx, zap.NewNop(), clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()}, c.saved))(t)
	m.stop()
	return c
}

func TestSingleMember(t *testing.T) {
	c := crash(t)
	t.Run("inspect", c.inspect)
	t.Run("salvage", c.salvage)
	t.Run("stopped", c.inspectStopped)
	t.Run("snapshot", c.snapshots)
	t.Run("objects", c.objectsAreThoseThatLive)
	t.Run("in use", c.unlocked)
	t.Run("snapshots in one reading", c.snapshotsInOnePass)
	t.Run("not a snapshot", notSnapshots)
	t.Run("changes", c.changes)
	t.Run("log flipped", c.logFlipped)
	t.Run("log flipped before the db", c.logFlippedEarly)
	t.Run("log length flipped", c.logLengthFlipped)
	t.Run("log torn", c.logTorn)
	t.Run("log hole", c.logHole)
	t.Run("log segment missing", c.logSegmentMissing)
	t.Run("log missing", c.logMissing)
	t.Run("log purged", c.logPurged)
	t.Run("log flips", c.logFlips)
	t.Run("log tail", c.logTail)
	t.Run("snapshot of a leader", c.leaderSent)
	t.Run("log of another history", c.otherHistory)
	t.Run("scavenged", c.scavenged)
	t.Run("db pages", c.dbPages)
	t.Run("db's first element", c.firstElement)
	t.Run("db flips", c.dbFlips)
	t.Run("build alone", c.build)
	t.Run("restore", c.restores)
	t.Run("restore refused", c.refused)
	t.Run("restore from a stream", c.arrives)
	t.Run("restore from a wrong stream", c.arrivesWrong)
	t.Run("snapshot that has landed", c.lands)
	t.Run("ladder", c.ladder)
	t.Run("served", c.served)
	t.Run("restore repeated", c.repeated)
	t.Run("restore leaves the old life", c.oldLifeIsLeft)
	t.Run("good trailer", c.goodTrailer)
	t.Run("torn copy", c.tornCopy)
	t.Run("leftovers", c.leftovers)
	t.Run("grown db", c.grown)
	t.Run("older db", c.olderDB)
	t.Run("stored freelist", c.storedFreelist)
	t.Run("inconsistent", c.inconsistent)
}

// copy gives a fresh copy of the crashed data dir.
func (c crashed) copy(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etcd")
	copyTree(t, from, dir)
	return dir
}

func source(dir string) datadir.Source {
	return datadir.Source{DB: dbOf(dir), WALDir: walOf(dir)}
}

func (c crashed) inspect(t *testing.T) {
	before := treeState(t, c.dir)
	d := must(datadir.Inspect(t.Context(), c.dir, ""))(t)
	if d.State != cluster.DirData || len(d.Damage) > 0 || !d.DB.OK || !d.Log.OK {
		t.Fatalf("got %+v", d)
	}
	db, log := d.DB.Value, d.Log.Value
	if uint64(d.ClusterID.Value) != c.status.Header.ClusterId || uint64(d.MemberID.Value) != c.status.Header.MemberId {
		t.Errorf("IDs %s %s", d.ClusterID.Value, d.MemberID.Value)
	}
	if log.LastIndex != c.status.RaftIndex || log.ReachIndex != log.LastIndex || log.LastTerm != c.status.RaftTerm || !log.Whole {
		t.Errorf("log %+v, want last index %d", log, c.status.RaftIndex)
	}
	if len(log.Segments) < 2 {
		t.Errorf("only %d segments: the test wants several", len(log.Segments))
	}
	if db.ConsistentIndex >= log.LastIndex || db.Revision >= c.live.Revision {
		t.Errorf("the db (entry %d, revision %d) does not lag behind the log: the test proves nothing", db.ConsistentIndex, db.Revision)
	}
	if beyond := c.live.Revision - db.Revision; log.RevisionsBeyondDB < beyond || log.RevisionsBeyondDB > 2*beyond {
		t.Errorf("RevisionsBeyondDB %d, in truth %d", log.RevisionsBeyondDB, beyond)
	}
	if db.InUse <= 0 || db.InUse > db.Size || db.CompactRevision == 0 || len(db.Members) != 1 || db.Members[0].Name != "m1" {
		t.Errorf("db %+v", db)
	}
	if diff := cmp.Diff(before, treeState(t, c.dir)); diff != "" {
		t.Errorf("Inspect wrote: %s", diff)
	}
}

func (c crashed) salvage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "image.db")
	before := treeState(t, c.dir)
	var done, total int64
	r := must(datadir.Salvage(t.Context(), source(c.dir), out, func(d, n int64) { done, total = d, n }))(t)
	if diff := cmp.Diff(c.live, r.Content); diff != "" {
		t.Errorf("content: %s", diff)
	}
	if r.LastIndex != c.status.RaftIndex || r.Applied == 0 || r.Revision != c.live.Revision || r.Keys != c.live.Keys {
		t.Errorf("report %+v", r)
	}
	if done != total || total == 0 {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	if diff := cmp.Diff(before, treeState(t, c.dir)); diff != "" {
		t.Errorf("Salvage changed its source: %s", diff)
	}
	again := must(datadir.Salvage(t.Context(), source(c.dir), out, nil))(t)
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("repeated: %s", diff)
	}
	if _, err := datadir.Salvage(t.Context(), source(c.stopped), out, nil); err == nil || !strings.Contains(err.Error(), "not made from this source") {
		t.Errorf("another source over the same image: %v", err)
	}
	s := must(snapshot.NewV3(zap.NewNop()).Status(out))(t)
	if s.Revision != c.live.Revision || int64(s.TotalKey) != c.live.Keys {
		t.Errorf("etcdutl reads %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := filepath.Join(t.TempDir(), "cancelled.db")
	if _, err := datadir.Salvage(ctx, source(c.dir), other, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := filepath.Glob(other + "*"); len(left) > 0 {
		t.Errorf("a cancelled salvage left %v", left)
	}
}

func (c crashed) inspectStopped(t *testing.T) {
	d := must(datadir.Inspect(t.Context(), c.stopped, ""))(t)
	if len(d.Damage) > 0 || d.DB.Value.Revision != c.live.Revision || d.Log.Value.RevisionsBeyondDB != 0 {
		t.Errorf("got %+v", d)
	}
	r := must(datadir.Salvage(t.Context(), source(c.stopped), filepath.Join(t.TempDir(), "i"), nil))(t)
	if r.Applied != 0 || r.Content != c.live {
		t.Errorf("nothing was to apply, yet %+v", r)
	}
}

func (c crashed) changes(t *testing.T) {
	d := must(datadir.Inspect(t.Context(), c.stopped, ""))(t)
	since := d.DB.Value.CompactRevision
	ch := must(datadir.ChangesSince(t.Context(), dbOf(c.stopped), since))(t)
	if ch.Since != since || ch.Revisions != c.live.Revision-since || ch.Changed == 0 || ch.Deleted == 0 {
		t.Errorf("got %+v", ch)
	}
	none := must(datadir.ChangesSince(t.Context(), dbOf(c.stopped), c.live.Revision))(t)
	if diff := cmp.Diff(cluster.Changes{Since: c.live.Revision}, none); diff != "" {
		t.Error(diff)
	}
	old := must(datadir.ContentOf(t.Context(), dbOf(c.stopped), since))(t)
	lagging := must(datadir.ContentOf(t.Context(), dbOf(c.dir), since))(t)
	if old != lagging || old.SHA256 == c.live.SHA256 {
		t.Errorf("content at %d: %+v and %+v", since, old, lagging)
	}
	for _, r := range []int64{since - 1, c.live.Revision + 1} {
		if _, err := datadir.ContentOf(t.Context(), dbOf(c.stopped), r); err == nil {
			t.Errorf("content at revision %d: no error", r)
		}
	}
}

// frames lists where the records of a segment begin, by etcd's framing.
func frames(b []byte) []int {
	var at []int
	for off := 0; off+8 <= len(b); {
		head := binary.LittleEndian.Uint64(b[off:])
		if head == 0 {
			break
		}
		size := int(head &^ (0xff << 56))
		if int64(head) < 0 {
			size += int(head>>56) & 7
		}
		at = append(at, off)
		off += 8 + size
	}
	return at
}

// segments gives the WAL files of a data dir in order.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	names := must(filepath.Glob(filepath.Join(walOf(dir), "*.wal")))(t)
	slices.Sort(names)
	return names
}

func kinds(ds []cluster.Damage) []cluster.DamageKind {
	var ks []cluster.DamageKind
	for _, d := range ds {
		ks = append(ks, d.Kind)
	}
	return ks
}

// oneDamage inspects and wants exactly one damage of a kind at a place.
func oneDamage(t *testing.T, dir string, kind cluster.DamageKind, file string, off int64) cluster.DataDir {
	t.Helper()
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	if len(d.Damage) != 1 || d.Damage[0].Kind != kind || d.Damage[0].File != file || d.Damage[0].Offset != off {
		t.Fatalf("damage %+v, want %s in %s at %d", d.Damage, kind, file, off)
	}
	return d
}

// partly salvages a dir whose log is cut, and holds the result against the
// whole history at the same revision.
func (c crashed) partly(t *testing.T, dir string) datadir.Report {
	t.Helper()
	r := must(datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil))(t)
	want := must(datadir.ContentOf(t.Context(), dbOf(c.stopped), r.Revision))(t)
	if diff := cmp.Diff(want, r.Content); diff != "" {
		t.Errorf("content at revision %d: %s", r.Revision, diff)
	}
	return r
}

func (c crashed) logFlipped(t *testing.T) {
	dir := c.copy(t, c.dir)
	last := segments(t, dir)[len(segments(t, dir))-1]
	var at int
	edit(t, last, func(b []byte) []byte {
		all := frames(b)
		at = all[len(all)-5]
		b[at+60] ^= 0x40
		return b
	})
	d := oneDamage(t, dir, cluster.DamageWAL, last, int64(at))
	if l := d.Log.Value; l.Whole || l.LastIndex >= c.status.RaftIndex || l.LastIndex < d.DB.Value.ConsistentIndex {
		t.Errorf("log %+v", l)
	}
	r := c.partly(t, dir)
	if r.LastIndex != d.Log.Value.LastIndex || len(r.Damage) != 1 || r.Revision >= c.live.Revision {
		t.Errorf("report %+v", r)
	}
}

// logFlippedEarly: what the db has applied need not be readable in the log.
func (c crashed) logFlippedEarly(t *testing.T) {
	dir := c.copy(t, c.dir)
	first := segments(t, dir)[0]
	var at int
	edit(t, first, func(b []byte) []byte {
		all := frames(b)
		i := 12
		for all[i+1]-all[i] <= 40 { // a small one ends with bytes that no checksum covers
			i++
		}
		at = all[i]
		b[at+30] ^= 1
		return b
	})
	d := oneDamage(t, dir, cluster.DamageWAL, first, int64(at))
	if l := d.Log.Value; l.LastIndex >= d.DB.Value.ConsistentIndex || l.ReachIndex != c.status.RaftIndex {
		t.Errorf("log %+v", l)
	}
	if r := c.partly(t, dir); r.Content != c.live {
		t.Errorf("content %+v, want everything", r.Content)
	}
}

// logLengthFlipped: etcd would take this for a torn tail and cut the log here.
func (c crashed) logLengthFlipped(t *testing.T) {
	dir := c.copy(t, c.dir)
	last := segments(t, dir)[len(segments(t, dir))-1]
	var at int
	edit(t, last, func(b []byte) []byte {
		all := frames(b)
		at = all[len(all)-8]
		b[at+3] ^= 0x20
		return b
	})
	oneDamage(t, dir, cluster.DamageWAL, last, int64(at))
	c.partly(t, dir)
}

func (c crashed) logTorn(t *testing.T) {
	dir := c.copy(t, c.dir)
	last := segments(t, dir)[len(segments(t, dir))-1]
	var at int
	edit(t, last, func(b []byte) []byte {
		all := frames(b)
		for i := len(all) - 1; ; i-- { // the last record that is longer than a sector
			end := len(b)
			if i+1 < len(all) {
				end = all[i+1]
			}
			if end-all[i] > 600 && end != len(b) {
				at = all[i]
				return append(b[:at+200], make([]byte, len(b)-at-200)...)
			}
		}
	})
	d := oneDamage(t, dir, cluster.DamageTornTail, last, int64(at))
	if !d.Log.Value.Whole {
		t.Error("a torn tail cuts nothing that was whole")
	}
	c.partly(t, dir)
	edit(t, last, func(b []byte) []byte { return b[:at+200] })
	oneDamage(t, dir, cluster.DamageTornTail, last, int64(at))
}

func (c crashed) logHole(t *testing.T) {
	dir := c.copy(t, c.dir)
	last := segments(t, dir)[len(segments(t, dir))-1]
	var at int
	edit(t, last, func(b []byte) []byte {
		all := frames(b)
		at = all[len(all)-9]
		clear(b[at:all[len(all)-7]])
		return b
	})
	oneDamage(t, dir, cluster.DamageWAL, last, int64(at))
	c.partly(t, dir)
}

func (c crashed) logSegmentMissing(t *testing.T) {
	dir := c.copy(t, c.dir)
	all := segments(t, dir)
	if len(all) < 3 {
		t.Fatalf("only %d segments", len(all))
	}
	gone := all[len(all)-2]
	if err := os.Rename(gone, gone+".away"); err != nil {
		t.Fatal(err)
	}
	d := oneDamage(t, dir, cluster.DamageWALMissing, all[len(all)-1], -1)
	if d.Log.Value.Whole {
		t.Error("the log is not whole")
	}
	if d.Log.Value.LastIndex >= d.DB.Value.ConsistentIndex {
		c.partly(t, dir)
	}
	for _, s := range all[:len(all)-2] {
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
	}
	_, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil)
	if err == nil || !strings.Contains(err.Error(), "are missing") {
		t.Errorf("a gap between db and log: %v", err)
	}
}
