package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

// TestDiagnoseLeavesOnlyItsProgram: a diagnosis of machines over SSH writes
// nothing there but the program that it runs, and the next one nothing at all;
// whether the data is whole, broken, or gone.
func TestDiagnoseLeavesOnlyItsProgram(t *testing.T) {
	machine := sshtest.Start(t)
	l := labOf(t, 3)
	l.change = func(cfg *cluster.Config) {
		for i := range cfg.Hosts {
			h := &cfg.Hosts[i]
			h.Via, h.Address = cluster.ViaSSH, fmt.Sprintf("%s@%s:%d", machine.User, machine.Host, machine.Port)
			h.Identities, h.KnownHosts = []string{machine.Identity}, machine.KnownHosts
		}
	}
	l.write()
	l.kill("m1", "m2", "m3")
	l.lose("m2")
	db := filepath.Join(l.node("m3").dataDir, "member", "snap", "db")
	must(t, os.Truncate(db, 20_000))
	roots := []string{l.snapshots(), l.pki, machine.Dir}
	for _, n := range l.nodes {
		roots = append(roots, filepath.Dir(n.dataDir))
	}
	before := touched(t, roots)
	d := l.diagnose()
	if d.state("m1") != "stopped" || d.state("m2") != "lost" {
		t.Errorf("nothing was looked at: %+v", d)
	}
	after := touched(t, roots)
	for path, how := range after {
		for _, n := range l.nodes {
			program := strings.HasPrefix(path, filepath.Join(n.stateDir, "bin", "salvor-"))
			if program || path == n.stateDir || path == filepath.Join(n.stateDir, "bin") {
				delete(after, path)
			}
			if program && !strings.HasPrefix(how, "-rwx------") {
				t.Errorf("%s is %s", path, how)
			}
			if path == filepath.Dir(n.stateDir) { // it has a new folder in it
				before[path] = how
			}
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the first diagnosis left (-before +after):\n%s", diff)
	}
	before = touched(t, roots)
	l.diagnose()
	if diff := cmp.Diff(before, touched(t, roots)); diff != "" {
		t.Errorf("the second diagnosis left (-before +after):\n%s", diff)
	}
}

// touched tells of everything below the roots what a write would change.
func touched(t *testing.T, roots []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, root := range roots {
		must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			out[path] = fmt.Sprintf("%s, %d bytes, %s", info.Mode(), info.Size(), info.ModTime())
			return nil
		}))
	}
	return out
}
