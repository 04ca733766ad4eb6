package datadir

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/server/v3/lease/leasepb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// chronicle writes a db of n revisions of random keys, as etcd would, and a few
// records that no etcd would write. It is for tests of what does not fit in
// memory: it makes a million records in a second.
func chronicle(t testing.TB, path string, n, keys int, wrong bool) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := newPageWriter(context.Background(), f, 4096, 2, nil)
	tree := newTreeWriter(w)
	random := rand.New(rand.NewPCG(5, uint64(n)))
	last := make([]history, keys)
	for rev := int64(2); rev < int64(n)+2; rev++ {
		k := int(rev) - 2 // every key once, then any
		if k >= keys {
			k = random.IntN(keys)
		}
		h, r := last[k], revision{main: rev}
		rec := kvRecord{key: fmt.Appendf(nil, "k%d", k)}
		switch {
		case h.version > 0 && random.IntN(10) == 0:
			r.tombstone = true
			h = history{}
		default:
			if h.version == 0 {
				h.create = rev
			}
			h.mod, h.version, h.lease = rev, h.version+1, []int64{0, 1, 3}[random.IntN(3)]
			rec.create, rec.mod, rec.version, rec.lease = h.create, h.mod, h.version, h.lease
		}
		if wrong && random.IntN(n/7) == 0 {
			rec.version += 3
		}
		last[k] = h
		if err := tree.add(0, r.bytes(), rec.appendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := tree.finish()
	if err == nil {
		number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
		leases := smallBucket{}
		for _, id := range []int64{1, 3} {
			if leases[leaseKey(id)], err = proto.Marshal(&leasepb.Lease{ID: id, TTL: 600}); err != nil || wrong {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		err = finishDB(w, map[string][]byte{string(schema.Key.Name()): bucketRef(root, 0)}, map[string]smallBucket{
			string(schema.Meta.Name()):  {string(schema.MetaConsistentIndexKeyName): number(uint64(n)), string(schema.MetaTermKeyName): number(2)},
			string(schema.Lease.Name()): leases,
		}, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTallyInFile: what does not fit in memory is judged as what does.
func TestTallyInFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	chronicle(t, path, 30_000, 5_000, true)
	p, err := openPages(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	judge := func(slots int) (checked, []string, map[int64]int) {
		bound := map[int64]bool{1: true, 2: true, 3: true}
		c, err := check(t.Context(), p, 0, checking{index: true, bound: bound, slots: slots})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, d := range c.everything() {
			said = append(said, d.Error())
		}
		slices.Sort(said)
		n := map[int64]int{}
		for id, keys := range c.h.bound {
			n[id] = len(keys)
		}
		return c, said, n
	}
	want, said, bound := judge(1 << 30)
	if len(said) < 3 || len(bound) != 3 || bound[1] < 500 || want.h.orphans < 1000 {
		t.Fatalf("%q, %v, %d orphans: the test proves nothing", said, bound, want.h.orphans)
	}
	for _, slots := range []int{1, 3_000, 6_000} {
		got, also, boundAlso := judge(slots)
		if got.h.keys.below == nil {
			t.Errorf("%d slots: nothing went to a file: the test proves nothing", slots)
		}
		if diff := cmp.Diff(said, also) + cmp.Diff(bound, boundAlso); diff != "" {
			t.Errorf("%d slots: %s", slots, diff)
		}
		if got.keys != want.keys || got.records != want.records || got.h.orphans != want.h.orphans {
			t.Errorf("%d slots: %d keys, %d records, %d orphans", slots, got.keys, got.records, got.h.orphans)
		}
		for k := range 5_100 { // some do not exist
			key := fmt.Appendf(nil, "k%d", k)
			a, _ := want.h.keys.look(key)
			b, _ := got.h.keys.look(key)
			c, _ := got.h.keys.at(key)
			if a != b || a != *c {
				t.Fatalf("%d slots: %s is %+v and %+v, want %+v", slots, key, b, *c, a)
			}
		}
		sheds(t, got.h.keys)
		got.h.close()
		sameSurvey(t, p, slots)
	}
}

// sheds changes an index in a file again and again, and adds to it.
func sheds(t *testing.T, table *keyTable[history]) {
	t.Helper()
	table.limit = 4096
	want := map[string]int64{}
	random := rand.New(rand.NewPCG(8, 8))
	for i := range 20_000 {
		key := fmt.Sprintf("k%d", random.IntN(8_000)) // some are new
		h, known := table.at([]byte(key))
		if rev, changed := want[key]; changed && (!known || h.mod != rev) {
			t.Fatalf("%s was changed to %d and is %+v", key, rev, *h)
		}
		h.mod = int64(1_000_000 + i)
		want[key] = h.mod
	}
	if err := table.err(); err != nil || table.slots > 2*4096 {
		t.Errorf("%d slots in memory, %v", table.slots, err)
	}
	for key, rev := range want {
		if h, known := table.look([]byte(key)); !known || h.mod != rev {
			t.Fatalf("%s is %+v, want %d", key, h, rev)
		}
	}
}

// sameSurvey: what is live is the same, wherever the keys are.
func sameSurvey(t *testing.T, p *pageFile, slots int) {
	t.Helper()
	all, err := p.buckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 12_345} {
		want, err := takeSurvey(t.Context(), p, at, true, "")
		if err != nil {
			t.Fatal(err)
		}
		s := newSurvey(p, at, t.TempDir())
		s.found.t.limit = slots
		if err := p.each(t.Context(), all[string(schema.Key.Name())], s.visitor(true)); err != nil {
			t.Fatal(err)
		}
		found := s.found.t
		if err := s.finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found.file == nil && at == 0 {
			t.Errorf("%d slots: nothing went to a file: the test proves nothing", slots)
		}
		if s.keys != want.keys || s.bytes != want.bytes || s.records != want.records || want.keys < 1000 {
			t.Errorf("%d slots at %d: %d keys of %d bytes, want %d of %d", slots, at, s.keys, s.bytes, want.keys, want.bytes)
		}
		for i := range want.records {
			if s.isLive(i) != want.isLive(i) {
				t.Fatalf("%d slots at %d: record %d", slots, at, i)
			}
		}
	}
}

// TestRunOfEntries holds the packed entries of a log against plain ones, with
// what is overwritten.
func TestRunOfEntries(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	r := run{base: 41}
	var want []entryRef
	term, segment := uint64(1), uint32(0)
	for range 60_000 {
		switch random.IntN(20_000) {
		case 0:
			n := random.IntN(len(want) + 1)
			want = want[:n]
			r.cutBehind(41 + uint64(n))
			term++
		case 1:
			segment++
		}
		e := entryRef{index: 42 + uint64(len(want)), term: term, segment: segment, off: random.Uint32(), size: random.Uint32N(maxEntrySize),
			writes: random.IntN(2) == 0, revokes: random.IntN(9) == 0}
		want = append(want, e)
		r.add(e)
	}
	if r.count() != len(want) || term < 2 || segment < 2 {
		t.Fatalf("%d entries, want %d", r.count(), len(want))
	}
	for _, e := range want {
		if got := r.at(e.index); got != e {
			t.Fatalf("%+v, want %+v", got, e)
		}
	}
}
