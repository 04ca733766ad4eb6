package datadir_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// altered is the source with other records in its small buckets, by bbolt, with
// a trailer that fits; a nil value deletes.
func (c crashed) altered(t *testing.T, change map[string]map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "altered.db")
	copyFile(t, c.saved, path)
	edit(t, path, func(b []byte) []byte { return b[:len(b)-32] })
	db := must(bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true}))(t)
	err := db.Update(func(tx *bolt.Tx) error {
		for name, pairs := range change {
			b, err := tx.CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			for k, v := range pairs {
				if v == nil {
					err = b.Delete([]byte(k))
				} else {
					err = b.Put([]byte(k), v)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	reseal(t, path)
	return path
}

// reseal gives a db that has no trailer the one that fits.
func reseal(t *testing.T, path string) {
	t.Helper()
	edit(t, path, func(b []byte) []byte {
		sum := sha256.Sum256(b)
		return append(b, sum[:]...)
	})
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	return must(json.Marshal(v))(t)
}

// oldLife is what a snapshot can carry of the cluster that it was taken from:
// a learner, a removed member, an alarm, a pending downgrade, an old ConfState,
// versions.
func oldLife(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	alarm := must(proto.Marshal(&etcdserverpb.AlarmMember{MemberID: 7, Alarm: etcdserverpb.AlarmType_CORRUPT}))(t)
	return map[string]map[string][]byte{
		"members": {"0000000000000007": asJSON(t, map[string]any{
			"id": 7, "peerURLs": []string{"http://old:1"}, "isLearner": true, "name": "old"})},
		"members_removed": {"0000000000000009": []byte("removed")},
		"alarm":           {string(alarm): {}},
		"cluster":         {"downgrade": asJSON(t, map[string]any{"target-version": "3.5.0", "enabled": true}), "clusterVersion": []byte("3.6.0")},
		"meta": {"confState": asJSON(t, map[string]any{"voters": []uint64{7, 9}, "learners": []uint64{8}, "auto_leave": false}),
			"storageVersion": []byte("3.6.0")},
	}
}

// oldLifeIsLeft: nothing of the old cluster comes back, whatever it is written
// for and whoever wrote it; what belongs to the data does.
func (c crashed) oldLifeIsLeft(t *testing.T) {
	source := c.altered(t, oldLife(t))
	was := buckets(t, source)
	if s := must(datadir.InspectSnapshot(t.Context(), source))(t); len(s.DB.Value.Alarms) != 1 || len(s.DB.Value.RemovedMembers) != 1 || s.Trailer != cluster.TrailerGood {
		t.Fatalf("%+v: the test proves nothing", s)
	}
	versions := map[datadir.Target][2]string{
		datadir.TargetAsIs: {"3.6.0", "3.6.0"}, datadir.Target34: {"3.4.0", ""}, datadir.Target35: {"3.5.0", ""},
		datadir.Target36: {"3.6.0", "3.6.0"}, datadir.Target37: {"3.7.0", "3.7.0"},
	}
	for target, version := range versions {
		for _, compact := range []bool{false, true} {
			name := fmt.Sprintf("for %q, compact %v", target, compact)
			o := options(source, filepath.Join(t.TempDir(), "n"))
			o.Target, o.Compact = target, compact
			r := must(datadir.Restore(t.Context(), o, nil))(t)
			now := buckets(t, dbOf(o.Members[0].Dir))
			id := uint64(r.Members[0].MemberID)
			if len(now["members"]) != 1 || now["members"][fmt.Sprintf("%016x", id)] == "" || len(now["members_removed"]) != 0 || len(now["alarm"]) != 0 {
				t.Errorf("%s: members %v, removed %v, alarms %v", name, now["members"], now["members_removed"], now["alarm"])
			}
			if _, pending := now["cluster"]["downgrade"]; pending || now["cluster"]["clusterVersion"] != version[0] || now["meta"]["storageVersion"] != version[1] {
				t.Errorf("%s: versions %v %q", name, now["cluster"], now["meta"]["storageVersion"])
			}
			conf := now["meta"]["confState"]
			if target == datadir.Target34 && conf != "" || target != datadir.Target34 && !strings.Contains(conf, fmt.Sprintf(`"voters":[%d]`, id)) {
				t.Errorf("%s: ConfState %s", name, conf)
			}
			if index := binary.BigEndian.Uint64([]byte(now["meta"]["consistent_index"])); index != 1 {
				t.Errorf("%s: consistent index %d: etcd would pass over the entries up to there", name, index)
			}
			for _, b := range []string{"lease", "auth", "authUsers", "authRoles"} {
				if diff := cmp.Diff(was[b], now[b]); diff != "" || b == "authUsers" && len(was[b]) == 0 {
					t.Errorf("%s: bucket %s: %s", name, b, diff)
				}
			}
		}
	}
}

// goodTrailer: a digest proves that a file is what was streamed, not that what
// was streamed is sound.
func (c crashed) goodTrailer(t *testing.T) {
	whole := must(os.ReadFile(c.saved))(t)
	at := c.used(t, whole, " xxxxxxxx")
	size := int(binary.NativeEndian.Uint32(whole[24:]))
	leaf := keyLeaf(t, whole[:len(whole)-32], size)
	for name, x := range map[string]struct {
		fails  string
		change func(b []byte)
	}{
		"a record's key": {"L3", func(b []byte) {
			for at--; b[at] >= '0' && b[at] <= '9'; at-- {
				b[at] = 'Z'
			}
		}},
		"an element's place": {"L2", func(b []byte) { b[leaf+16+7] = 0x7f }},
		"a page's number":    {"L2", func(b []byte) { b[leaf] ^= 1 }},
	} {
		path := filepath.Join(t.TempDir(), "x")
		b := slices.Clone(whole[:len(whole)-32])
		x.change(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		reseal(t, path)
		r := check(t, path, datadir.L3)
		if r.Passed || r.Trailer != cluster.TrailerGood || !strings.Contains(failed(r), x.fails) || strings.Contains(failed(r), "L1") {
			t.Errorf("%s: failed %q, trailer %s", name, failed(r), r.Trailer)
		}
	}
}

// tornCopy: a db that was copied while etcd wrote it has pages of two moments.
// Whatever the cut, it is found, or the file is a true state.
func (c crashed) tornCopy(t *testing.T) {
	early, late := must(os.ReadFile(dbOf(c.dir)))(t), must(os.ReadFile(dbOf(c.stopped)))(t)
	path := filepath.Join(t.TempDir(), "torn.db")
	found, sound := 0, 0
	for cut := 4096; cut < len(late); cut += 4096 * (1 + len(late)/4096/60) {
		for _, pair := range [][2][]byte{{early, late}, {late, early}} {
			b := slices.Clone(pair[0][:min(cut, len(pair[0]))])
			if cut < len(pair[1]) {
				b = append(b, pair[1][cut:]...)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			r := must(datadir.Check(t.Context(), path, datadir.CheckOptions{Level: datadir.L3, SkipHashCheck: true}))(t)
			if !r.Passed {
				found++
				continue
			}
			got := must(datadir.ContentOf(t.Context(), path, 0))(t)
			if want := must(datadir.ContentOf(t.Context(), dbOf(c.stopped), got.Revision))(t); got != want {
				t.Errorf("cut at %d: passes with %+v, which is no state of it: %+v", cut, got, want)
			}
			sound++
		}
	}
	if found < 10 {
		t.Errorf("%d torn copies found, %d true: the test proves nothing", found, sound)
	}
}

// leftovers: what etcd and people leave in a data dir is neither damage nor
// data, and nothing is written over it.
func (c crashed) leftovers(t *testing.T) {
	dir := c.copy(t, c.dir)
	for _, name := range []string{"member/snap/db.tmp.123", "member/snap/tmp456", "member/snap/00000000000000ff.snap.db",
		"member/wal/0000000000000000-0000000000000000.wal.broken", "member/wal/0.tmp", "revision.json", "safe_guard"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("x"), 600), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := must(datadir.Inspect(t.Context(), dir, ""))(t)
	if len(d.Damage) > 0 || !d.Log.Value.Whole || d.Log.Value.LastIndex != c.status.RaftIndex {
		t.Errorf("%+v", d)
	}
	before := treeState(t, dir)
	if r := c.partly(t, dir); r.Content != c.live {
		t.Errorf("%+v", r.Content)
	}
	if _, err := datadir.Restore(t.Context(), options(c.saved, dir), nil); err == nil || !strings.Contains(err.Error(), "set it aside") {
		t.Errorf("a restore over it: %v", err)
	}
	if diff := cmp.Diff(before, treeState(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// grown: a member's db is longer than its last page, and holds what older
// transactions left there; an image ends with its pages.
func (c crashed) grown(t *testing.T) {
	dir := c.copy(t, c.dir)
	edit(t, dbOf(dir), func(b []byte) []byte { return append(b, bytes.Repeat(b[4096:8192], 40)...) })
	if d := must(datadir.Inspect(t.Context(), dir, ""))(t); len(d.Damage) > 0 {
		t.Errorf("%+v", d.Damage)
	}
	r := must(datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil))(t)
	if r.Content != c.live {
		t.Errorf("%+v", r.Content)
	}
	b := must(os.ReadFile(r.Image))(t)
	metas := [2]uint64{}
	for i := range metas {
		at := b[i*4096+16:]
		if end := binary.NativeEndian.Uint64(at[40:]); int64(end)*4096+32 != r.Bytes {
			t.Errorf("meta %d ends with page %d, the file has %d bytes", i, end, r.Bytes)
		}
		metas[i] = binary.NativeEndian.Uint64(at[16:])
	}
	if metas[0] != metas[1] {
		t.Errorf("the metas name different roots: %v", metas)
	}
}

// storedFreelist: a db whose list of free pages is stored, which etcd's are not,
// is read with it, and a page that is both free and used is found.
func (c crashed) storedFreelist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	copyFile(t, dbOf(c.stopped), path)
	db := must(bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType}))(t)
	for range 3 {
		err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("x"), make([]byte, 9000)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if r := check(t, path, datadir.L2); failed(r) != "L1" { // it has no trailer
		t.Fatalf("%+v", r)
	}
	edit(t, path, func(b []byte) []byte {
		meta := b[16:]
		if other := b[4096+16:]; binary.NativeEndian.Uint64(other[48:]) > binary.NativeEndian.Uint64(meta[48:]) {
			meta = other
		}
		list, root := binary.NativeEndian.Uint64(meta[32:]), binary.NativeEndian.Uint64(meta[16:])
		if list == ^uint64(0) || binary.NativeEndian.Uint16(b[list*4096+10:]) == 0 {
			t.Fatal("no list of free pages: the test proves nothing")
		}
		binary.NativeEndian.PutUint64(b[list*4096+16:], root)
		return b
	})
	r := check(t, path, datadir.L2)
	if !strings.Contains(failed(r), "L2") || !strings.Contains(fmt.Sprint(r.Rungs), "in use and in the list of free pages") {
		t.Errorf("%+v", r)
	}
}

// inconsistent: leases and users that contradict the keys and roles are told.
func (c crashed) inconsistent(t *testing.T) {
	gone := map[string][]byte{}
	for lease := range buckets(t, c.saved)["lease"] {
		gone[lease] = nil
	}
	user := must(proto.Marshal(&authpb.User{Name: []byte("u"), Roles: []string{"nowhere"}}))(t)
	for says, change := range map[string]map[string]map[string][]byte{
		"live keys are bound to leases that do not exist": {"lease": gone},
		"which does not exist":                            {"authUsers": {"u": user}},
		"nobody could administer it":                      {"auth": {"authEnabled": {1}}},
	} {
		r := check(t, c.altered(t, change), datadir.L3)
		if failed(r) != "L3" || !strings.Contains(fmt.Sprint(r.Rungs), says) {
			t.Errorf("%s: failed %q: %+v", says, failed(r), r.Rungs)
		}
	}
}

// olderDB: a db from before the log's snapshot was put into a data dir. A check
// says so before etcd does; a salvage has everything all the same.
func (c crashed) olderDB(t *testing.T) {
	dir := c.copy(t, c.dir)
	w := must(wal.Open(zap.NewNop(), walOf(dir), &walpb.Snapshot{}))(t)
	_, state, entries, err := w.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last := entries[len(entries)-1]
	state.Commit = last.Index // etcd knows a snapshot by what is committed
	err = errors.Join(w.Save(state, nil), w.SaveSnapshot(&walpb.Snapshot{Index: last.Index, Term: last.Term, ConfState: &raftpb.ConfState{Voters: []uint64{1}}}), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	r := must(datadir.Check(t.Context(), dir, datadir.CheckOptions{Level: datadir.L3}))(t)
	if failed(r) != "L2" || !strings.Contains(fmt.Sprint(r.Rungs), "it is an older db") {
		t.Errorf("failed %q: %+v", failed(r), r.Rungs)
	}
	if got := c.partly(t, dir); got.Content != c.live {
		t.Errorf("%+v", got.Content)
	}
}
