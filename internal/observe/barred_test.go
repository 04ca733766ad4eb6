package observe

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestBarred: what etcd's user may not use is named with its owner and mode; an
// etcd that may not list its log says nothing of that itself.
func TestBarred(t *testing.T) {
	const stranger = 65534
	m := cluster.Member{Name: "m", DataDir: filepath.Join(t.TempDir(), "etcd"), Run: cluster.Supervisor{Process: &cluster.Process{User: strconv.Itoa(os.Geteuid())}}}
	wal, snap := m.WAL(), filepath.Join(m.DataDir, "member", "snap")
	log, db := filepath.Join(wal, "0000000000000000-0000000000000000.wal"), filepath.Join(snap, "db")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(wal, 0o700))
	must(os.MkdirAll(snap, 0o700))
	must(os.WriteFile(log, nil, 0o600))
	must(os.WriteFile(db, nil, 0o600))
	every := []string{m.DataDir, filepath.Dir(wal), wal, snap, log, db}
	if os.Geteuid() == 0 {
		m.Run.Process.User = strconv.Itoa(stranger)
		for _, p := range every {
			must(os.Chown(p, stranger, stranger))
		}
	}
	if got := barred(t.Context(), m); got != "" {
		t.Errorf("all is its user's: %s", got)
	}
	for _, p := range every {
		info, err := os.Stat(p)
		must(err)
		must(os.Chmod(p, 0))
		got := barred(t.Context(), m)
		must(os.Chmod(p, info.Mode()))
		if want := p + " is "; !strings.HasPrefix(got, want) && os.Geteuid() == 0 || got == "" {
			t.Errorf("closed: %q, want %s…", got, want)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("only root can give files to others")
		return
	}
	must(os.Chown(wal, 0, 0))
	if got, want := barred(t.Context(), m), wal+" is drwx------ of root, and etcd runs as "; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %s…", got, want)
	}
	must(os.Chmod(wal, 0o770))
	if got := barred(t.Context(), m); got != "" {
		t.Errorf("open to a group that may be its user's: %s", got)
	}
	must(os.Chmod(wal, 0o700))
	m.Run.Process.User = "0"
	if got := barred(t.Context(), m); got != "" {
		t.Errorf("root may everything: %s", got)
	}
}
