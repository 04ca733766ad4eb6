package datadir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// leaderSent: a follower that had fallen behind was sent a snapshot, and died at
// each step of taking it: with the record written, with the record committed, with
// the db not yet in its place.
func (c crashed) leaderSent(t *testing.T) {
	dir := c.copy(t, c.dir)
	old := must(datadir.Head(t.Context(), dbOf(dir)))(t)
	sent := must(datadir.Head(t.Context(), dbOf(c.stopped)))(t)
	applied, index := old.ConsistentIndex, sent.ConsistentIndex
	if index <= applied+3 {
		t.Fatalf("entries %d and %d: the test proves nothing", applied, index)
	}
	log := newLog(t, walOf(dir), old.Term)
	log.save(t, applied, 1, applied+2)
	if err := log.w.SaveSnapshot(&walpb.Snapshot{Index: &index, Term: &old.Term, ConfState: &raftpb.ConfState{}}); err != nil {
		t.Fatal(err)
	}
	reaches := func(when string, snapshot, last uint64) {
		t.Helper()
		valid := must(wal.ValidSnapshotEntries(zap.NewNop(), walOf(dir)))(t)
		if got := valid[len(valid)-1].GetIndex(); got != snapshot {
			t.Errorf("%s: etcd starts from %d", when, got)
		}
		d := must(datadir.Inspect(t.Context(), dir, ""))(t)
		if l := d.Log.Value; l.SnapshotIndex != snapshot || l.LastIndex != last || !l.Whole || len(d.Damage) > 0 {
			t.Errorf("%s: %+v, damage %+v", when, l, d.Damage)
		}
	}
	salvage := func() (datadir.Report, error) {
		return datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil)
	}
	reaches("the record alone", 0, applied+2)
	if r, err := salvage(); err != nil || r.LastIndex != applied+2 || r.Applied != 2 {
		t.Errorf("the record alone: %+v, %v", r, err)
	}
	log.save(t, applied, applied+1, applied+3)
	reaches("etcd went on without it", 0, applied+3)
	if r, err := salvage(); err != nil || r.LastIndex != applied+3 || r.Applied != 3 {
		t.Errorf("etcd went on without it: %+v, %v", r, err)
	}
	if err := log.w.SaveSnapshot(&walpb.Snapshot{Index: &index, Term: &old.Term, ConfState: &raftpb.ConfState{}}); err != nil {
		t.Fatal(err)
	}
	log.save(t, index, 0, 0)
	reaches("committed", index, index)
	if r, err := salvage(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("entries %d to %d are missing", applied+1, index)) {
		t.Errorf("committed, without the db that was sent: %+v, %v", r, err)
	}
	copyFile(t, dbOf(c.stopped), filepath.Join(filepath.Dir(dbOf(dir)), fmt.Sprintf("%016x.snap.db", index)))
	for _, when := range []string{"beside the old db", "without a db"} {
		reaches(when, index, index)
		if d := must(datadir.Inspect(t.Context(), dir, ""))(t); d.DB.Value.ConsistentIndex != index || !strings.HasSuffix(d.Received, ".snap.db") {
			t.Errorf("%s: the db has applied entry %d", when, d.DB.Value.ConsistentIndex)
		}
		if r, err := salvage(); err != nil || r.Content != c.live {
			t.Errorf("%s: %+v, %v", when, r, err)
		}
		if err := os.RemoveAll(dbOf(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// log is a log that is written record by record.
type log struct {
	w    *wal.WAL
	term uint64
}

// newLog begins a log in the place of the one at dir.
func newLog(t *testing.T, dir string, term uint64) log {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w := must(wal.Create(zap.NewNop(), dir, nil))(t)
	t.Cleanup(func() { w.Close() })
	return log{w, term}
}

// save writes empty entries, from 0 none, and what is committed.
func (l log) save(t *testing.T, commit, from, to uint64) {
	t.Helper()
	var list []*raftpb.Entry
	for i := from; from > 0 && i <= to; i++ {
		list = append(list, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: &l.term, Index: proto.Uint64(i)})
	}
	if err := errors.Join(l.w.Save(&raftpb.HardState{Term: &l.term, Vote: proto.Uint64(1), Commit: &commit}, list), l.w.Sync()); err != nil {
		t.Fatal(err)
	}
}
