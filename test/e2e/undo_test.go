package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRollbackAndCleanup: a rollback gives back what was there, also where
// nothing was; a clean-up refuses a case whose cluster is no longer the one
// that was proven, and otherwise leaves nothing behind.
func TestRollbackAndCleanup(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.write()
	before := l.kept()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0)
	first := l.lastCase()
	l.salvor("rollback", first).want(t, 20, "--accept-loss unknown")
	l.kill(l.names()...) // a clean stop takes etcd many seconds
	l.salvor("rollback", first, "--accept-loss", "unknown").want(t, 0)
	l.sameBytes(before)
	l.salvor("cleanup", first, "--yes").want(t, 13, "nothing is deleted")
	l.sameBytes(before)

	l.salvor("recover", "--accept-loss", "unknown").want(t, 0)
	second := l.lastCase()
	l.compact("m1")
	l.salvor("verify", second).want(t, 0)
	l.salvor("cleanup", second, "--yes").want(t, 0)
	for _, dir := range []string{"m1", "m2", "m3"} {
		for path := range tree(t, filepath.Join(l.dir, dir)) {
			if strings.Contains(path, filepath.Base(second)) && !strings.Contains(path, "/state/") {
				t.Errorf("left behind: %s", path)
			}
		}
		left, err := filepath.Glob(filepath.Join(l.dir, dir, "state", "cases", filepath.Base(second), "image.db*"))
		must(t, err)
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	l.holdsAll()
	l.salvor("rollback", second, "--accept-loss", "unknown").want(t, 1, "cannot be rolled back", "is not there any more")
	l.ready(l.names()...)
	l.holdsAll()
}

// compact does what kube-apiserver does every five minutes.
func (l *lab) compact(name string) {
	l.t.Helper()
	l.put(name, "later", 5)
	must(l.t, l.dial(name).Compact(within(l.t, 10e9), l.status(name).Revision))
}

// TestHealthy: where nothing is wrong, recover does nothing and says so.
func TestHealthy(t *testing.T) {
	l := labOf(t, 1)
	l.write()
	l.start("m1")
	l.ready("m1")
	pid := l.pids("m1")
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "nothing to recover")
	if now := l.pids("m1"); len(now) != 1 || now[0] != pid[0] {
		t.Errorf("m1 was %v, is %v", pid, now)
	}
	if _, err := os.Stat(filepath.Join(l.lastCase(), "journal.jsonl")); err == nil {
		t.Error("a run was begun")
	}
}
