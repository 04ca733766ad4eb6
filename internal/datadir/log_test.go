package datadir_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

func (c crashed) logMissing(t *testing.T) {
	dir := c.copy(t, c.dir)
	all := segments(t, dir)
	for _, s := range all[1:] {
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, dbOf(c.stopped), dbOf(dir))
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	if !slices.Equal(kinds(d.Damage), []cluster.DamageKind{cluster.DamageBehind}) {
		t.Errorf("damage %+v", d.Damage)
	}
	if err := os.RemoveAll(walOf(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dbOf(dir)); err != nil {
		t.Fatal(err)
	}
	d = must(datadir.Inspect(t.Context(), dir, ""))(t)
	if d.State != cluster.DirEmpty && !slices.Equal(kinds(d.Damage), []cluster.DamageKind{cluster.DamageDBMissing, cluster.DamageWALMissing}) {
		t.Errorf("nothing left: %+v", d)
	}
}

// logPurged: etcd deletes old segments; what is left is whole.
func (c crashed) logPurged(t *testing.T) {
	dir := c.copy(t, c.dir)
	if err := os.Remove(segments(t, dir)[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(walOf(dir), "1.tmp"), make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	if l := d.Log.Value; len(d.Damage) > 0 || !l.Whole || l.FirstIndex < 2 || l.LastIndex != c.status.RaftIndex {
		t.Errorf("got %+v, damage %+v", l, d.Damage)
	}
	if r := c.partly(t, dir); r.Content != c.live {
		t.Errorf("content %+v", r.Content)
	}
}

// logFlips flips single bits all over the log: whatever is salvaged is a true
// state of the history, and what is missing is told.
func (c crashed) logFlips(t *testing.T) {
	dir := c.copy(t, c.dir)
	random := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		all := segments(t, dir)
		file := all[random.IntN(len(all))]
		healthy := must(os.ReadFile(file))(t)
		used := frames(healthy)
		b := bytes.Clone(healthy)
		at := random.IntN(used[len(used)-1])
		if random.IntN(2) == 0 {
			at = used[random.IntN(len(used)-1)] + random.IntN(16)
		}
		b[at] ^= byte(1 << random.IntN(8))
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil)
		switch {
		case err != nil && !strings.Contains(err.Error(), "are missing"):
			t.Errorf("%s byte %d: %v", filepath.Base(file), at, err)
		case err == nil && len(r.Damage) == 0 && r.Content != c.live:
			t.Errorf("%s byte %d: no damage told, but %+v", filepath.Base(file), at, r)
		case err == nil:
			if want := must(datadir.ContentOf(t.Context(), dbOf(c.stopped), r.Revision))(t); want != r.Content {
				t.Errorf("%s byte %d: %s", filepath.Base(file), at, cmp.Diff(want, r.Content))
			}
		}
		if err := os.WriteFile(file, healthy, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// appendEntries adds entries to a log without raising its commit index.
func appendEntries(t *testing.T, dir string, data ...[]byte) {
	t.Helper()
	w := must(wal.Open(zap.NewNop(), walOf(dir), &walpb.Snapshot{}))(t)
	_, state, old, err := w.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last := old[len(old)-1]
	var ents []*raftpb.Entry
	for i, d := range data {
		ents = append(ents, &raftpb.Entry{
			Type: raftpb.EntryNormal.Enum(), Term: proto.Uint64(last.GetTerm()),
			Index: proto.Uint64(last.GetIndex() + uint64(i) + 1), Data: d,
		})
	}
	if err := w.Save(state, ents); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// logTail: entries above the persisted commit index may have been acknowledged
// and are applied; requests of the v2 API are passed over, those of a newer
// etcd refused.
func (c crashed) logTail(t *testing.T) {
	put := must(proto.Marshal(&etcdserverpb.InternalRaftRequest{
		Header: &etcdserverpb.RequestHeader{ID: 7},
		Put:    &etcdserverpb.PutRequest{Key: []byte("tail"), Value: []byte("1")},
	}))(t)
	v2 := []byte{0x08, 1, 0x12, 2, 0x08, 5} // ID 1, and field 2: a v2 request
	before34 := []byte{0x08, 1, 0x12, 3, 'P', 'U', 'T'}
	// What an etcd 3.5 with --enable-v2 logs when it is asked for /health: with a
	// Val that passes for a put, and a PrevValue that passes for a transaction.
	health := []byte{
		0x08, 1, 0x12, 4, 'Q', 'G', 'E', 'T', 0x1a, 0, 0x22, 0, 0x28, 0, 0x32, 0, 0x38, 0, 0x48, 0, 0x50, 0, 0x58, 0,
		0x60, 0, 0x68, 0, 0x70, 0, 0x78, 0, 0x80, 1, 0,
	}
	dir := c.copy(t, c.dir)
	before := must(datadir.Inspect(t.Context(), dir, ""))(t)
	appendEntries(t, dir, nil, v2, before34, health, put)
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	if l := d.Log.Value; l.LastIndex != c.status.RaftIndex+5 || l.Commit >= l.LastIndex-4 || len(d.Damage) > 0 {
		t.Fatalf("log %+v, damage %+v", l, d.Damage)
	}
	if was, is := before.Log.Value.RevisionsBeyondDB, d.Log.Value.RevisionsBeyondDB; is != was+1 {
		t.Errorf("%d revisions beyond the db, and %d with one put more", was, is)
	}
	r := must(datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil))(t)
	if r.AboveCommit < 5 || r.V2 != 3 || r.Keys != c.live.Keys+1 || r.Revision != c.live.Revision+1 || r.LastIndex != c.status.RaftIndex+5 {
		t.Errorf("report %+v", r)
	}
	appendEntries(t, dir, []byte{0x08, 1, 0xfa, 0xfa, 0x03, 1, 0})
	if _, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil); err == nil || !strings.Contains(err.Error(), "newer etcd") {
		t.Errorf("an unknown request: %v", err)
	}
	dir = c.copy(t, c.dir)
	appendEntries(t, dir, []byte{0xa2, 0x06, 0x05, 0x08, 7, 0x12, 1, 0xff, 0x22, 5, 0x0a, 1, 'a', 0x12, 0}) // of a user "\xff"
	if r, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil); err != nil || r.V2 != 0 || r.Revision != c.live.Revision+1 {
		t.Errorf("a write of a user whose name is no UTF-8: %+v, %v", r, err)
	}
	appendEntries(t, dir, []byte{0x08, 7, 0x42, 1, 0xff}) // a lease of no sense
	if r, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil); err == nil || !strings.Contains(err.Error(), "cannot be decoded") {
		t.Errorf("a request that cannot be decoded: %+v, %v", r, err)
	}
}

// otherHistory refuses a log whose entries are not those that the db
// applied.
func (c crashed) otherHistory(t *testing.T) {
	dir := t.TempDir()
	w := must(wal.Create(zap.NewNop(), walOf(dir), nil))(t)
	var es []*raftpb.Entry
	for i := range c.status.RaftIndex + 10 {
		es = append(es, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: proto.Uint64(77), Index: proto.Uint64(i + 1)})
	}
	if err := w.Save(&raftpb.HardState{Term: proto.Uint64(77), Vote: proto.Uint64(1), Commit: proto.Uint64(1)}, es); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, err := datadir.Salvage(t.Context(), datadir.Source{DB: dbOf(c.dir), WALDir: walOf(dir)}, filepath.Join(t.TempDir(), "i"), nil)
	if err == nil || !strings.Contains(err.Error(), "another history") {
		t.Errorf("got %v", err)
	}
}

// TestOverwrittenInsideDamage: what a later term overwrote inside damage is
// not taken for the truth.
func TestOverwrittenInsideDamage(t *testing.T) {
	dir := t.TempDir()
	w := must(wal.Create(zap.NewNop(), walOf(dir), nil))(t)
	for _, batch := range []struct{ term, commit, from, to uint64 }{{1, 2, 1, 5}, {2, 2, 3, 3}, {2, 2, 4, 6}} {
		var es []*raftpb.Entry
		for i := batch.from; i <= batch.to; i++ {
			es = append(es, &raftpb.Entry{
				Type: raftpb.EntryNormal.Enum(), Term: proto.Uint64(batch.term), Index: proto.Uint64(i),
				Data: bytes.Repeat([]byte{byte('0' + batch.term)}, 40),
			})
		}
		if err := w.Save(&raftpb.HardState{Term: proto.Uint64(batch.term), Vote: proto.Uint64(1), Commit: proto.Uint64(batch.commit)}, es); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	edit(t, segments(t, dir)[0], func(b []byte) []byte {
		b[bytes.Index(b, bytes.Repeat([]byte("2"), 40))] ^= 1
		return b
	})
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	if l := d.Log.Value; l.Whole || l.LastIndex != 2 || l.LastTerm != 1 {
		t.Errorf("log %+v, damage %+v", l, d.Damage)
	}
}

// TestOverwrittenEntries holds the reading of a log that a new leader
// overwrote, and of one that a leader's snapshot interrupted, against etcd's.
func TestOverwrittenEntries(t *testing.T) {
	entries := func(term uint64, indexes ...uint64) []*raftpb.Entry {
		var es []*raftpb.Entry
		for _, i := range indexes {
			es = append(es, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: proto.Uint64(term), Index: proto.Uint64(i), Data: []byte("x")})
		}
		return es
	}
	dir := t.TempDir()
	id := must(proto.Marshal(&etcdserverpb.Metadata{NodeID: proto.Uint64(7), ClusterID: proto.Uint64(9)}))(t)
	w := must(wal.Create(zap.NewNop(), walOf(dir), id))(t)
	save := func(term, commit uint64, es []*raftpb.Entry) {
		t.Helper()
		if err := w.Save(&raftpb.HardState{Term: proto.Uint64(term), Vote: proto.Uint64(7), Commit: proto.Uint64(commit)}, es); err != nil {
			t.Fatal(err)
		}
	}
	save(1, 2, entries(1, 1, 2, 3, 4, 5))
	save(2, 3, entries(2, 3, 4))
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	l := d.Log.Value
	if d.ClusterID != cluster.Is(cluster.ID(9)) || d.MemberID != cluster.Is(cluster.ID(7)) {
		t.Errorf("IDs %+v %+v", d.ClusterID, d.MemberID)
	}
	if l.FirstIndex != 1 || l.LastIndex != 4 || l.LastTerm != 2 || l.Term != 2 || l.Commit != 3 || !l.Whole {
		t.Errorf("overwritten: %+v", l)
	}
	own := must(wal.OpenForRead(zap.NewNop(), walOf(dir), &walpb.Snapshot{}))(t)
	if _, _, es, err := own.ReadAll(); err != nil || uint64(len(es)) != l.LastIndex || es[2].GetTerm() != 2 {
		t.Errorf("etcd reads %v, %v", es, err)
	}
	if err := w.SaveSnapshot(&walpb.Snapshot{Index: proto.Uint64(100), Term: proto.Uint64(3), ConfState: &raftpb.ConfState{}}); err != nil {
		t.Fatal(err)
	}
	l = must(datadir.Inspect(t.Context(), dir, ""))(t).Log.Value
	if l.FirstIndex != 1 || l.LastIndex != 4 || l.LastTerm != 2 || l.SnapshotIndex != 0 || !l.Whole {
		t.Errorf("behind a leader's snapshot that was not committed: %+v", l)
	}
	save(3, 100, nil)
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	l = must(datadir.Inspect(t.Context(), dir, ""))(t).Log.Value
	if l.FirstIndex != 0 || l.LastIndex != 100 || l.LastTerm != 3 || l.SnapshotIndex != 100 || !l.Whole {
		t.Errorf("behind a leader's snapshot: %+v", l)
	}
	save(3, 101, entries(3, 101, 102))
	l = must(datadir.Inspect(t.Context(), dir, ""))(t).Log.Value
	if l.FirstIndex != 101 || l.LastIndex != 102 || !l.Whole {
		t.Errorf("after a leader's snapshot: %+v", l)
	}
	save(3, 101, entries(3, 110))
	d = must(datadir.Inspect(t.Context(), dir, ""))(t)
	if d.Log.Value.Whole || d.Log.Value.LastIndex != 102 {
		t.Errorf("with a gap: %+v", d.Log.Value)
	}
	w.Close()
}
