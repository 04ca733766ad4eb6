package datadir

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// wreck is a db with a long history, and what it holds.
type wreck struct {
	path  string
	bytes []byte
	truth map[string]string
	db    int64 // its revision
	p     *pageFile
}

// newWreck lets etcd's own applier make a db with free pages, compactions and
// leases.
func newWreck(t *testing.T, seed uint64) wreck {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 17))
	w := wreck{path: filepath.Join(t.TempDir(), "db")}
	for round := range 4 { // each round is a transaction of bbolt: pages are freed
		var entries [][]byte
		for n := range 600 {
			data, err := proto.Marshal(usualRequest(random, 600*round+n))
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, data)
		}
		slowly(t, w.path, uint64(5+600*round), entries)
	}
	var err error
	if w.bytes, err = os.ReadFile(w.path); err != nil {
		t.Fatal(err)
	}
	w.truth = objects(t, w.path)
	if w.p, err = openPages(w.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.p.close)
	db, err := dbFacts(t.Context(), w.p)
	if err != nil {
		t.Fatal(err)
	}
	w.db = db.Revision
	return w
}

func objects(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := Each(context.Background(), path, 0, func(kv *mvccpb.KeyValue) error {
		kv.Lease = 0 // a lost lease is reported, not made up
		all[string(kv.Key)] = kv.String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// scavenged damages a copy of the db, scavenges it and holds what is called
// proven against the truth.
func (w wreck) scavenged(t *testing.T, damage func(b []byte) []byte) Scavenged {
	t.Helper()
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, damage(slices.Clone(w.bytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := broken + ".image"
	s, err := Scavenge(t.Context(), Source{DB: broken}, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	sane(t, out)
	got := objects(t, out)
	proven := 0
	for key, value := range got {
		if slices.Contains(s.ProbableKeys, printable(key)) {
			continue
		}
		proven++
		if w.truth[key] != value {
			t.Errorf("%q is called proven and is %.90s, not %.90s", key, value, w.truth[key])
		}
	}
	if len(s.ProbableKeys) < MaxScavengeList && proven != int(s.Proven) || int64(len(got)) != s.Proven+s.Probable || s.Keys != int64(len(got)) {
		t.Errorf("%d objects, of which %d are not listed as probable: %+v", len(got), proven, s)
	}
	return s
}

// pagesOf lists the pages of the key bucket's tree of one kind.
func (w wreck) pagesOf(t *testing.T, kind uint16) []uint64 {
	t.Helper()
	all, err := w.p.buckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []uint64
	var down func(n uint64, depth int)
	down = func(n uint64, depth int) {
		pg, err := w.p.page(n, depth)
		if err != nil {
			t.Fatal(err)
		}
		if pg.flags == kind {
			list = append(list, n)
		}
		for i := range pg.count {
			if pg.flags == branchPage {
				_, child, _ := pg.branch(i)
				down(child, depth+1)
			}
		}
	}
	down(all["key"].root, 0)
	return list
}

// TestScavenge: whatever the tree lost, what is called proven is the truth, and
// where no record is lost, all is found.
func TestScavenge(t *testing.T) {
	w := newWreck(t, 1)
	size := w.p.meta.pageSize
	branches, leaves := w.pagesOf(t, branchPage), w.pagesOf(t, leafPage)
	if len(branches) < 1 || len(leaves) < 20 {
		t.Fatalf("%d branches, %d leaves: the test proves nothing", len(branches), len(leaves))
	}
	zero := func(b []byte, pages ...uint64) []byte {
		for _, n := range pages {
			clear(b[int(n)*size : int(n+1)*size])
		}
		return b
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"a branch":           func(b []byte) []byte { return zero(b, branches[0]) },
		"all branches":       func(b []byte) []byte { return zero(b, branches...) },
		"both metas":         func(b []byte) []byte { return zero(b, 0, 1) },
		"the root":           func(b []byte) []byte { return zero(b, w.p.meta.root) },
		"all but the leaves": func(b []byte) []byte { return zero(b, append(branches, 0, 1, w.p.meta.root)...) },
	} {
		t.Run(name, func(t *testing.T) {
			s := w.scavenged(t, damage)
			if name == "the root" || name == "both metas" {
				if s.Probable > 0 || int(s.Proven) != len(w.truth) || !s.IndexProven {
					t.Errorf("the tree is whole, yet %d objects are %+v", len(w.truth), s)
				}
			}
			if int(s.Proven+s.Probable) < len(w.truth) || s.Revision < w.db || s.Missing > 0 {
				t.Errorf("no record was lost, yet of %d objects at revision %d: %+v", len(w.truth), w.db, s)
			}
			t.Logf("%d proven, %d probable, %d leaves, %d strays", s.Proven, s.Probable, s.Leaves, s.Strays)
		})
	}
	t.Run("a leaf", func(t *testing.T) {
		s := w.scavenged(t, func(b []byte) []byte { return zero(b, leaves[len(leaves)-5]) })
		if s.Missing == 0 || !s.IndexProven || s.Tree != "newest" || s.Broken != 1 || len(s.MissingRanges) == 0 || s.Revision != w.db || s.Proven == 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("the first leaf", func(t *testing.T) {
		s := w.scavenged(t, func(b []byte) []byte { return zero(b, leaves[0]) })
		if !s.IndexProven || s.Broken != 1 || len(s.LostRanges) != 1 || s.Proven == 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("the end", func(t *testing.T) {
		w.scavenged(t, func(b []byte) []byte { return b[:len(b)*3/4/size*size+100] })
	})
}

// TestScavengeRandom: damage of every size at every place.
func TestScavengeRandom(t *testing.T) {
	w := newWreck(t, 2)
	random := rand.New(rand.NewPCG(5, 6))
	proven := int64(0)
	for range 40 {
		proven += w.scavenged(t, func(b []byte) []byte {
			for range 1 + random.IntN(4) {
				at := random.IntN(len(b)/512) * 512
				clear(b[at:min(len(b), at+512*(1+random.IntN(40)))])
			}
			return b
		}).Proven
	}
	if proven == 0 {
		t.Error("nothing was ever proven: the test proves nothing")
	}
}

// TestScavengeNothing: what is no db is said to be none.
func TestScavengeNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte(strings.Repeat("hello\n", 9999)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Scavenge(t.Context(), Source{DB: path}, path+".out", nil); err == nil {
		t.Errorf("%+v", s)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
