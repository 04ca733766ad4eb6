package versions_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/test/etcds"
	bolt "go.etcd.io/bbolt"
)

// TestLargePages reads and restores a snapshot with the 16 KiB pages of some
// arm64 and ppc64 machines.
func TestLargePages(t *testing.T) {
	t.Parallel()
	s := newSource(t, etcds.V3_6)
	before := must(datadir.StatusOf(t.Context(), s.image))(t)
	s.image = withPages(t, s.image, 16<<10)
	head := must(datadir.Head(t.Context(), s.image))(t)
	if head.PageSize != 16<<10 {
		t.Fatalf("pages of %d bytes: the test proves nothing", head.PageSize)
	}
	after := must(datadir.StatusOf(t.Context(), s.image))(t)
	if after.Hash != before.Hash || after.Revision != before.Revision || after.TotalKey != before.TotalKey {
		t.Errorf("status %+v, with 4 KiB pages %+v", after, before)
	}
	f := must(datadir.InspectSnapshot(t.Context(), s.image))(t)
	if len(f.Damage) > 0 || !f.DB.OK || f.Trailer != "good" {
		t.Errorf("%+v", f)
	}
	if got := must(datadir.ContentOf(t.Context(), s.image, 0))(t); got != s.content {
		t.Errorf("content %+v, want %+v", got, s.content)
	}
	s.restored(t, etcds.V3_6, false)
}

// withPages writes a snapshot anew with another page size.
func withPages(t *testing.T, path string, size int) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "pages.db")
	from := must(bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true}))(t)
	to := must(bolt.Open(out, 0o600, &bolt.Options{PageSize: size, NoFreelistSync: true}))(t)
	if err := errors.Join(bolt.Compact(to, from, 1<<20), to.Close(), from.Close()); err != nil {
		t.Fatal(err)
	}
	b := must(os.ReadFile(out))(t)
	sum := sha256.Sum256(b)
	if err := os.WriteFile(out, append(b, sum[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}
