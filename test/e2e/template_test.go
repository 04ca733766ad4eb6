package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// templates is the folder of the clusters that labs are copied from.
var templates string

// keys is what every template holds under the prefix "before"; the snapshot
// in it lacks the last lateKeys of them.
const (
	keys     = 120
	lateKeys = 20
)

// template is a cluster that was filled and killed once for all tests.
type template struct {
	dir   string
	ports []int
}

var made = map[int]template{}

// templateOf fills a cluster of n members, saves a snapshot and kills it.
func templateOf(t *testing.T, n int) template {
	t.Helper()
	if tm, ok := made[n]; ok {
		return tm
	}
	tm := template{dir: filepath.Join(templates, fmt.Sprint(n)), ports: freePorts(t, 2*n)}
	must(t, os.MkdirAll(tm.dir, 0o700))
	l := newLab(t, tm.dir, n, tm.ports)
	l.issue()
	l.write()
	l.start(l.names()...)
	l.ready(l.names()...)
	l.put("m1", "before", keys-lateKeys)
	_, err := l.dial("m1").SaveSnapshot(within(t, 20*time.Second), filepath.Join(l.snapshots(), "good.db"), nil)
	must(t, err)
	for i := keys - lateKeys; i < keys; i++ {
		_, err := l.dial("m1").PutSeen(within(t, 10*time.Second), fmt.Sprintf("/registry/configmaps/default/before-%03d", i), "before", time.Hour)
		must(t, err)
	}
	l.kill(l.names()...)
	spare, err := filepath.Glob(filepath.Join(tm.dir, "*", "etcd", "member", "wal", "*.tmp"))
	must(t, err)
	for _, path := range spare { // etcd makes them anew
		must(t, os.Remove(path))
	}
	made[n] = tm
	return tm
}

// labOf copies the template of n members: everything killed, all disks sound.
// The snapshot is left out; see snapshot.
func labOf(t *testing.T, n int) *lab {
	t.Helper()
	return labIn(t, t.TempDir(), n)
}

func labIn(t *testing.T, dir string, n int) *lab {
	t.Helper()
	tm := templateOf(t, n)
	l := newLab(t, dir, n, tm.ports)
	copyAll(t, filepath.Join(tm.dir, "pki"), l.pki)
	for _, x := range l.nodes {
		copyAll(t, filepath.Join(tm.dir, x.name, "etcd"), x.dataDir)
	}
	return l
}

// copyAll copies a tree and leaves its holes holes: most of a log file is
// space that was only reserved.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", "--sparse=always", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", from, err, out)
	}
}

// snapshot gives the bytes of the template's sound snapshot.
func snapshot(t *testing.T, n int) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(templateOf(t, n).dir, "snapshots", "good.db"))
	must(t, err)
	return b
}

// lose moves data dirs out of the way and gives where they went.
func (l *lab) lose(names ...string) map[string]string {
	l.t.Helper()
	gone := map[string]string{}
	for _, name := range names {
		n := l.node(name)
		gone[name] = filepath.Join(l.dir, "gone-"+name)
		must(l.t, os.Rename(n.dataDir, gone[name]))
	}
	return gone
}
