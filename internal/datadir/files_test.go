package datadir_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

func (c crashed) snapshots(t *testing.T) {
	inspect := func(change func(b []byte) []byte) cluster.SnapshotFacts {
		t.Helper()
		path := filepath.Join(t.TempDir(), "s.db")
		copyFile(t, c.saved, path)
		edit(t, path, change)
		return must(datadir.InspectSnapshot(t.Context(), path))(t)
	}
	s := inspect(func(b []byte) []byte { return b })
	if s.Trailer != cluster.TrailerGood || !s.DB.OK || s.DB.Value.Revision != c.live.Revision || s.Keys != c.live.Keys || len(s.Damage) > 0 {
		t.Errorf("good: %+v", s)
	}
	if got := must(datadir.ContentOf(t.Context(), c.saved, 0))(t); got != c.live {
		t.Errorf("content %+v, want %+v", got, c.live)
	}
	together, content, err := datadir.InspectContent(t.Context(), c.saved)
	if s.Path = c.saved; err != nil || content.Value != c.live {
		t.Errorf("content %+v, want %+v: %v", content, c.live, err)
	}
	together.Modified = s.Modified // of a copy
	if diff := cmp.Diff(s, together); diff != "" {
		t.Errorf("inspected with its content it is another: %s", diff)
	}
	if s := inspect(func(b []byte) []byte { return b[:len(b)-32] }); s.Trailer != cluster.TrailerMissing || !s.DB.OK || len(s.Damage) > 0 {
		t.Errorf("without trailer: %+v", s)
	}
	value := bytes.LastIndex(must(os.ReadFile(c.saved))(t), []byte("xxxxxxxxxxxxxxxx"))
	if s := inspect(func(b []byte) []byte { b[value] ^= 1; return b }); s.Trailer != cluster.TrailerWrong || !s.DB.OK {
		t.Errorf("flipped in a value: %+v", s)
	}
	for _, cut := range []int{1000, 4096, 8192 + 512} {
		s := inspect(func(b []byte) []byte { return b[:len(b)-cut] })
		if _, content, err := datadir.InspectContent(t.Context(), s.Path); err != nil || content.OK {
			t.Errorf("cut by %d: content %+v, %v", cut, content, err)
		}
		if s.Trailer == cluster.TrailerGood || s.DB.OK || len(s.Damage) != 1 || s.Damage[0].Kind != cluster.DamageDBTruncated {
			t.Errorf("cut by %d: %+v", cut, s)
		}
	}
}

func notSnapshots(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write([]byte("a snapshot, packed")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for name, f := range map[string]struct {
		data []byte
		why  string
	}{
		"empty": {nil, "empty"},
		"gzip":  {zipped.Bytes(), "gzip"},
		"text":  {[]byte(strings.Repeat("not a snapshot\n", 1000)), "text"},
		"noise": {bytes.Repeat([]byte{1, 2, 3, 0xff}, 5000), "neither meta page"},
		"short": {[]byte{0, 0, 1}, "too few"},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := must(datadir.InspectSnapshot(t.Context(), path))(t)
		if s.DB.OK || !strings.Contains(s.DB.Why, f.why) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := must(datadir.InspectSnapshot(t.Context(), t.TempDir()))(t); s.DB.OK || !strings.Contains(s.DB.Why, "folder") {
		t.Errorf("folder: %+v", s)
	}
	if _, err := datadir.InspectSnapshot(t.Context(), filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("absent: no error")
	}
}

func TestDirStates(t *testing.T) {
	root := t.TempDir()
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "empty", "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(root, "foreign", "notes.txt"))
	write(filepath.Join(root, "file"))
	write(filepath.Join(root, "data", "member", "snap", "db"))
	for name, want := range map[string]cluster.DirState{
		"absent": cluster.DirAbsent, "empty": cluster.DirEmpty, "foreign": cluster.DirForeign,
		"file": cluster.DirForeign, "data": cluster.DirData,
	} {
		d := must(datadir.Inspect(t.Context(), filepath.Join(root, name), ""))(t)
		if d.State != want || d.DB.OK || d.Log.OK || d.MountPoint {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := must(datadir.Inspect(t.Context(), "/proc", ""))(t); !d.MountPoint {
		t.Error("/proc is a mount point")
	}
}

// dbPages destroys one thing of a db at a time.
func (c crashed) dbPages(t *testing.T) {
	healthy := must(os.ReadFile(dbOf(c.stopped)))(t)
	size := int(binary.NativeEndian.Uint32(healthy[24:]))
	leaf := keyLeaf(t, healthy, size)
	for name, f := range map[string]struct {
		change func(b []byte) []byte
		kind   cluster.DamageKind
		at     int64
		known  bool
	}{
		"truncated":     {func(b []byte) []byte { return b[:3*size] }, cluster.DamageDBTruncated, int64(3 * size), false},
		"both metas":    {func(b []byte) []byte { clear(b[:2*size]); return b }, cluster.DamageDB, 0, false},
		"first meta":    {func(b []byte) []byte { clear(b[:size]); return b }, cluster.DamageDB, 0, true},
		"second meta":   {func(b []byte) []byte { clear(b[size : 2*size]); return b }, cluster.DamageDB, int64(size), true},
		"zeroed page":   {func(b []byte) []byte { clear(b[leaf : leaf+size]); return b }, cluster.DamageDB, int64(leaf), true},
		"wild position": {func(b []byte) []byte { b[leaf+16+7] = 0x7f; return b }, cluster.DamageDB, int64(leaf), true},
		"wild number":   {func(b []byte) []byte { b[leaf+5] = 0x7f; return b }, cluster.DamageDB, int64(leaf), true},
		"empty":         {func([]byte) []byte { return nil }, cluster.DamageDB, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := c.copy(t, c.stopped)
			edit(t, dbOf(dir), f.change)
			d := must(datadir.Inspect(t.Context(), dir, ""))(t)
			if len(d.Damage) == 0 || d.Damage[0].Kind != f.kind || d.Damage[0].Offset != f.at || d.DB.OK != f.known {
				t.Fatalf("db %+v, damage %+v", d.DB, d.Damage)
			}
			_, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil)
			if survives := strings.HasSuffix(name, " meta"); survives != (err == nil) {
				t.Errorf("salvage: %v", err)
			}
			if name == "zeroed page" {
				r := must(datadir.Salvage(t.Context(), datadir.Source{DB: dbOf(c.dir), WALDir: walOf(dir)}, filepath.Join(t.TempDir(), "i"), nil))(t)
				if r.Content != c.live {
					t.Errorf("with another db: %+v", r.Content)
				}
			}
		})
	}
}

// keyLeaf finds the first leaf page of the key bucket, by asking bbolt where
// the first value lies in its map.
func keyLeaf(t *testing.T, b []byte, size int) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db := must(bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true}))(t)
	defer db.Close()
	var at int
	err := db.View(func(tx *bolt.Tx) error {
		_, value := tx.Bucket([]byte("key")).Cursor().First()
		at = int(uintptr(unsafe.Pointer(&value[0])) - db.Info().Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at / size * size
}

// firstElement: the very first record of a db lies outside of its page. That is
// damage with a place, and no reason to know nothing of the db.
func (c crashed) firstElement(t *testing.T) {
	dir := c.copy(t, c.stopped)
	b := must(os.ReadFile(dbOf(dir)))(t)
	leaf := keyLeaf(t, b, int(binary.NativeEndian.Uint32(b[24:])))
	binary.NativeEndian.PutUint32(b[leaf+16+4:], 1<<31) // where element 0 begins
	if err := os.WriteFile(dbOf(dir), b, 0o600); err != nil {
		t.Fatal(err)
	}
	d, o, err := datadir.InspectObjects(t.Context(), dir, "")
	defer o.Close()
	if err != nil || !d.DB.OK || len(d.Damage) == 0 || d.Damage[0].Offset != int64(leaf) {
		t.Errorf("db %+v, damage %+v, %v", d.DB, d.Damage, err)
	}
	if err := o.Each(t.Context(), func([]byte, []byte) error { return nil }); err == nil {
		t.Error("objects are read from a damaged db")
	}
}

// dbFlips flips single bytes all over the db: nothing may panic, and a flip in
// the structure of a used page must be found.
func (c crashed) dbFlips(t *testing.T) {
	dir := c.copy(t, c.stopped)
	healthy := must(os.ReadFile(dbOf(dir)))(t)
	want := must(datadir.ContentOf(t.Context(), dbOf(dir), 0))(t)
	random := rand.New(rand.NewPCG(1, 2))
	found, silent := 0, 0
	for range 120 {
		b := bytes.Clone(healthy)
		at := random.IntN(len(b))
		if random.IntN(2) == 0 { // half of them where the structure is
			at = at/4096*4096 + random.IntN(64)
		}
		b[at] ^= byte(1 << random.IntN(8))
		if err := os.WriteFile(dbOf(dir), b, 0o600); err != nil {
			t.Fatal(err)
		}
		d := must(datadir.Inspect(t.Context(), dir, ""))(t)
		got, err := datadir.ContentOf(t.Context(), dbOf(dir), 0)
		switch {
		case len(d.Damage) > 0:
			found++
		case err != nil:
			t.Errorf("byte %d: Inspect finds nothing, yet %v", at, err)
		case got.Keys != want.Keys:
			t.Errorf("byte %d: Inspect finds nothing, yet keys are missing: %s", at, cmp.Diff(want, got))
		default:
			silent++
		}
	}
	if found < 20 {
		t.Errorf("only %d flips were found (%d were silent): the test proves nothing", found, silent)
	}
}

// scavenged: where the metas are lost, the last root still leads to the whole
// tree, and the log goes on from there; where a page is lost too, that is told.
func (c crashed) scavenged(t *testing.T) {
	dir := c.copy(t, c.dir)
	edit(t, dbOf(dir), func(b []byte) []byte { clear(b[:8192]); return b })
	before := treeState(t, dir)
	if _, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil); err == nil {
		t.Error("a salvage without metas")
	}
	s := must(datadir.Scavenge(t.Context(), source(dir), filepath.Join(t.TempDir(), "i"), nil))(t)
	if s.Tree != "stale" || s.Content != c.live || s.Applied == 0 || s.LastIndex != c.status.RaftIndex || s.Probable > 0 || s.LogProblem != "" {
		t.Errorf("%+v, want %+v", s, c.live)
	}
	if diff := cmp.Diff(before, treeState(t, dir)); diff != "" {
		t.Errorf("it changed its source: %s", diff)
	}
	if r := must(datadir.InspectSnapshot(t.Context(), s.Image))(t); r.SHA256 != s.SHA256 || r.Trailer != cluster.TrailerGood {
		t.Errorf("%+v", r)
	}
	other := must(snapshot.NewV3(zap.NewNop()).Status(s.Image))(t)
	if other.Revision != c.live.Revision && int64(other.TotalKey) != c.live.Keys {
		t.Errorf("etcdutl reads %+v", other)
	}
}
