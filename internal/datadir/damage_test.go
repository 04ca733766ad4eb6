package datadir_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// damagesEnv says how many random damages are tried; the default keeps the
// package's tests quick, and 10000 is what a release is tried with.
const damagesEnv = "SALVOR_DAMAGES"

// TestRandomDamage harms a real data dir in one place at a time and salvages
// it. Nothing may panic, no result may hold anything that was not
// acknowledged, what is missing must be told as damage, and every entry before
// the damage must be in the result.
func TestRandomDamage(t *testing.T) {
	n := 250
	if s := os.Getenv(damagesEnv); s != "" {
		n = must(strconv.Atoi(s))(t)
	}
	v := newVictim(t)
	var c tally
	for i := range n {
		v.try(t, uint64(i), &c)
		if t.Failed() && i > 20 {
			break
		}
	}
	t.Logf("%+v", c)
	if c.found < n/3 || c.one < n/3 || n-c.one < n/20 || c.salvaged < n/3 || c.refused == 0 {
		t.Errorf("%+v of %d: the test proves nothing", c, n)
	}
}

// tally counts how the damages ended.
type tally struct {
	found, salvaged, complete, refused int
	// unseen counts damages inside one record of the db that changed the
	// result without a trace; see oneRecord.
	unseen int
	// one counts those whose objects could be read.
	one int
}

// victim is a healthy data dir with its history.
type victim struct {
	dir, work string
	files     []string // below dir
	entries   []datadir.EntryPlace
	applied   uint64
	last      uint64
	// truth is an image of everything, contents what it holds at a revision.
	truth    string
	contents map[int64]cluster.Content
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	root := scratch(t)
	m := newMembers(t, root, 1)[0]
	start(t, m)
	ctx := t.Context()
	workload(t, m.client, 60)
	rev := must(m.client.Get(ctx, "leased"))(t).Header.Revision
	must(m.client.Compact(ctx, rev-10, clientv3.WithCompactPhysical()))(t)
	workload(t, m.client, 150)
	settle(t, m)
	workload(t, m.client, 120)
	v := &victim{dir: filepath.Join(root, "victim"), work: filepath.Join(root, "work"), contents: map[int64]cluster.Content{}}
	copyTree(t, m.dir, v.dir)
	live := liveContent(t, m.client)
	m.stop()
	v.truth = filepath.Join(root, "truth.db")
	r := must(datadir.Salvage(ctx, source(v.dir), v.truth, nil))(t)
	if r.Content != live {
		t.Fatalf("undamaged: %+v, the server had %+v", r.Content, live)
	}
	v.entries = must(datadir.EntryPlaces(ctx, walOf(v.dir)))(t)
	v.applied, v.last = r.DBIndex, r.LastIndex
	if v.applied+100 > v.last || v.applied < 50 {
		t.Fatalf("the db had applied %d of %d entries: the test proves nothing", v.applied, v.last)
	}
	for _, pattern := range []string{"member/wal/*.wal", "member/snap/db"} {
		for _, f := range must(filepath.Glob(filepath.Join(v.dir, pattern)))(t) {
			v.files = append(v.files, strings.TrimPrefix(f, v.dir+"/"))
		}
	}
	return v
}

// scratch is a folder in memory where there is one: thousands of salvages
// need not wait for a disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "salvor-damage-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// harm is one damage: the bytes [from, to) of a file are not what they were.
type harm struct {
	file     string
	what     string
	from, to int64
	cut      bool
}

func (h harm) String() string { return fmt.Sprintf("%s %s [%d,%d)", h.what, h.file, h.from, h.to) }

func (v *victim) try(t *testing.T, seed uint64, c *tally) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	if err := os.RemoveAll(v.work); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(v.work, "d")
	copyTree(t, v.dir, dir)
	file := v.files[random.IntN(len(v.files))]
	h, ok := damage(t, random, filepath.Join(dir, file))
	if !ok {
		return
	}
	h.file = file
	d, err := datadir.Inspect(t.Context(), dir, "")
	if err != nil || strings.Contains(d.DB.Why, "gave up") {
		t.Errorf("seed %d, %s: inspect: %v %s", seed, h, err, d.DB.Why)
		return
	}
	if len(d.Damage) > 0 {
		c.found++
	}
	c.one += sameInOnePass(t, fmt.Sprintf("seed %d, %s", seed, h), dir, d)
	r, err := datadir.Salvage(t.Context(), source(dir), filepath.Join(v.work, "image.db"), nil)
	if err != nil {
		c.refused++
		if strings.Contains(err.Error(), "gave up") || len(d.Damage) == 0 && d.DB.OK && d.Log.OK {
			t.Errorf("seed %d, %s: salvage: %v; inspect found %+v", seed, h, err, d.Damage)
		}
		return
	}
	c.salvaged++
	v.judge(t, seed, h, d, r, c)
}

// judge holds a salvage against the truth.
func (v *victim) judge(t *testing.T, seed uint64, h harm, d cluster.DataDir, r datadir.Report, c *tally) {
	t.Helper()
	if r.LastIndex == v.last {
		c.complete++
	} else if want := v.reach(h); r.LastIndex < want {
		t.Errorf("seed %d, %s: the salvage ends at entry %d, the entries to %d survive; damage %+v", seed, h, r.LastIndex, want, d.Damage)
	} else if len(r.Damage) == 0 && !h.cut && !v.silentTail(h) {
		t.Errorf("seed %d, %s: entries %d to %d are missing and no damage is told", seed, h, r.LastIndex+1, v.last)
	}
	want := v.contentAt(t, r.Revision)
	switch {
	case r.Content == want:
	case strings.HasSuffix(h.file, "db") && v.oneRecord(t, r):
		c.unseen++
	default:
		t.Errorf("seed %d, %s: the result is not what was acknowledged: %+v, want %+v", seed, h, r.Content, want)
	}
}

// reach is the entry up to which nothing was harmed. Behind damage that the db
// had applied, the log goes on: all but the record that lends its checksum.
func (v *victim) reach(h harm) uint64 {
	if strings.HasSuffix(h.file, "db") {
		return v.last
	}
	first, last := uint64(0), uint64(0)
	for _, e := range v.entries {
		if e.File != filepath.Base(h.file) || e.To <= h.from || (e.From >= h.to && !h.cut) {
			continue
		}
		if first == 0 {
			first = e.Index
		}
		last = e.Index
	}
	switch {
	case first == 0:
		return v.applied // between entries: what follows hangs on a chain that may be broken
	case last+3 <= v.applied && !h.cut:
		return v.last
	}
	return max(v.applied, first-1)
}

// silentTail tells whether damage from its place to the end of the log left
// nothing but zeros, which is how a log ends.
func (v *victim) silentTail(h harm) bool {
	end := v.entries[len(v.entries)-1]
	return filepath.Base(h.file) == end.File && h.to >= end.From
}

func (v *victim) contentAt(t *testing.T, revision int64) cluster.Content {
	t.Helper()
	if c, ok := v.contents[revision]; ok {
		return c
	}
	c, err := datadir.ContentOf(t.Context(), v.truth, revision)
	if err != nil {
		return cluster.Content{Revision: -1}
	}
	v.contents[revision] = c
	return c
}

// oneRecord tells whether a result differs from the truth in nothing but the
// bytes of one value, or of one key among records that a compaction has
// isolated: the same number of keys with the same revisions, or one more when
// the log writes the key that the record was of before. bbolt has no checksums,
// so that no reader of the file can see it.
func (v *victim) oneRecord(t *testing.T, r datadir.Report) bool {
	t.Helper()
	list := func(path string) map[string]string {
		m := map[string]string{}
		err := datadir.Each(t.Context(), path, r.Revision, func(kv *mvccpb.KeyValue) error {
			m[fmt.Sprintf("%d %d %d %s", kv.CreateRevision, kv.ModRevision, kv.Version, kv.Key)] = string(kv.Value)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return m
	}
	got, want := list(r.Image), list(v.truth)
	wrong := 0
	for id, value := range want {
		if there, ok := got[id]; !ok || there != value {
			wrong++
		}
	}
	return (len(got) == len(want) || len(got) == len(want)+1) && wrong <= 1
}

// damage harms a file in one way; ok is false when that changed nothing.
func damage(t *testing.T, random *rand.Rand, path string) (h harm, ok bool) {
	t.Helper()
	b := must(os.ReadFile(path))(t)
	was := bytes.Clone(b)
	used := int64(len(bytes.TrimRight(b, "\x00")))
	at := random.Int64N(used)
	switch random.IntN(5) {
	case 0:
		h = harm{what: "flip", from: at, to: at + 1}
		b[at] ^= byte(1 << random.IntN(8))
	case 1:
		at = at / 512 * 512
		h = harm{what: "zeroed sectors", from: at, to: min(at+512*int64(1+random.IntN(8)), int64(len(b)))}
		clear(b[h.from:h.to])
	case 2:
		h = harm{what: "cut", from: at, to: int64(len(b)), cut: true}
		b = b[:at]
	case 3:
		h = harm{what: "noise", from: at, to: min(at+int64(1+random.IntN(64)), int64(len(b)))}
		for i := h.from; i < h.to; i++ {
			b[i] = byte(random.Uint32())
		}
	case 4:
		from, to := at/4096*4096, random.Int64N(used)/4096*4096
		if max(from, to)+4096 > int64(len(b)) {
			return h, false
		}
		h = harm{what: "swapped pages", from: min(from, to), to: max(from, to) + 4096}
		copy(b[from:from+4096], was[to:to+4096])
		copy(b[to:to+4096], was[from:from+4096])
	}
	if bytes.Equal(b, was) {
		return h, false
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return h, true
}
