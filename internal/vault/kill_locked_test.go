package vault_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/test/s3server"
)

// TestKillLocked kills a process that backs up and prunes on a bucket with object
// lock, by a clock that is far ahead: it believes that all locks have ended, and
// the bucket does not. Whatever was whole stays whole there, and what was not
// begins to exist never.
func TestKillLocked(t *testing.T) {
	t.Parallel()
	s := s3server.Start(t)
	_, bucket := lockedBucket(t, s)
	w := newWorld(t, 0)
	w.cfg.Targets = []target.Target{w.folder("disk"), bucket}
	both := w.cfg.Targets
	rng := rand.New(rand.NewPCG(0x5a19, 1))
	const kills = 8
	seed, said, pruned := uint64(1), map[string]bool{}, 0
	begin := time.Now()
	if _, err := write(t.Context(), w.vault(), seed, begin.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	seed++
	span := max(time.Second, 6*time.Since(begin))
	for i := 0; i < kills || i < 5*kills && (len(said) < 5 || pruned == 0); i++ {
		if i >= kills {
			span += span / 4 // the machine has become slower since
		}
		for _, id := range w.killed(s.Endpoint, seed, "LOCKED=1", time.Duration(rng.Int64N(int64(span)))) {
			said[id] = true
		}
		seed = uint64(len(said)) + 3
		w.cfg.Targets = []target.Target{bucket}
		pruned = w.allThere(said, i%4 == 3)
		w.cfg.Targets = both
	}
	if len(said) < 5 || pruned == 0 {
		t.Errorf("%d backups were whole, %d were pruned from the disk: the kills came too early to say anything", len(said), pruned)
	}
	w.pass(time.Duration(seed+48) * time.Hour)
	if _, err := w.vault().Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.cfg.Targets = []target.Target{bucket}
	w.allThere(said, true)
	t.Logf("%d kills, %d backups were whole, %d of them are on the bucket only", kills, len(said), pruned)
}

// allThere demands that every backup is whole on the one target, and counts those
// that are not on the disk any more.
func (w *world) allThere(said map[string]bool, thorough bool) (only int) {
	w.t.Helper()
	cat := w.list()
	for _, p := range cat.Problems {
		if p.Code != vault.Leftover {
			w.t.Fatalf("after a kill: %+v", p)
		}
	}
	whole := map[string]bool{}
	for _, e := range cat.Entries {
		for _, c := range e.Copies {
			whole[e.Manifest.ID] = whole[e.Manifest.ID] || c.State == catalog.Whole && c.Target == "bucket"
		}
		if thorough && whole[e.Manifest.ID] {
			w.mustRead(e)
		}
	}
	for id := range said {
		if !whole[id] {
			w.t.Errorf("backup %s was whole and locked, and is not: %s", id, codes(cat))
		}
		if _, err := os.Stat(filepath.Join(w.folders["disk"], "backups", id)); err != nil {
			only++
		}
	}
	return only
}
