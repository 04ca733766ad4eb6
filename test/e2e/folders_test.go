package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sameBytes demands that every file that was there is there unchanged; beside
// them only what Salvor has begun to build may have appeared.
func (l *lab) sameBytes(before map[string]string) {
	l.t.Helper()
	now := l.kept()
	for path := range now {
		if _, was := before[path]; !was && strings.Contains(path, ".salvor-") {
			delete(now, path)
		}
	}
	unchanged(l.t, before, now)
}

// TestForeignFolder: where a data dir ought to be lies something else.
func TestForeignFolder(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.write()
	photo := filepath.Join(l.node("m2").dataDir, "photos", "cat.jpg")
	must(t, os.MkdirAll(filepath.Dir(photo), 0o700))
	must(t, os.WriteFile(photo, []byte("a cat"), 0o600))
	before := l.kept()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 3, l.node("m2").dataDir, "not etcd's", "correct dataDir in salvor.yaml")
	unchanged(t, before, l.kept())
}

// TestLinkedDataDir: a data dir is a symbolic link. The new data has to lie on
// the disk to which it leads.
func TestLinkedDataDir(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.write()
	link, disk := l.node("m1").dataDir, filepath.Join(l.dir, "disk")
	must(t, os.Rename(link, disk))
	must(t, os.Symlink(disk, link))
	was := tree(t, disk+"/member")
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	if to, err := os.Readlink(link); err != nil || to != disk {
		t.Errorf("the link leads to %q (%v), want %q", to, err, disk)
	}
	same(t, was, disk+"/member", filepath.Join(disk, "member.salvor-"+filepath.Base(l.lastCase())))
	if _, err := os.Stat(filepath.Join(disk, "member", "snap", "db")); err != nil {
		t.Error(err)
	}
}

// separateWAL is a dead cluster whose members keep their logs in folders of
// their own, and of which only m1 is left.
func separateWAL(t *testing.T) *lab {
	t.Helper()
	l := labOf(t, 3)
	for _, n := range l.nodes {
		n.walDir = filepath.Join(filepath.Dir(n.dataDir), "wal")
		must(t, os.Rename(filepath.Join(n.dataDir, "member", "wal"), n.walDir))
	}
	l.lose("m2", "m3")
	for _, name := range []string{"m2", "m3"} {
		must(t, os.Rename(l.node(name).walDir, filepath.Join(l.dir, "gone-wal-"+name)))
	}
	l.write()
	return l
}

// TestSeparateWAL: log and data dir are swapped together, and back.
func TestSeparateWAL(t *testing.T) {
	l := separateWAL(t)
	n := l.node("m1")
	data, wal := tree(t, n.dataDir), tree(t, n.walDir)
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	if !l.has("m3", "before", keys-1) {
		t.Error("m3 lacks the last write")
	}
	l.kill(l.names()...)
	l.salvor("rollback", l.lastCase(), "--accept-loss", "unknown").want(t, 0)
	unchanged(t, data, tree(t, n.dataDir))
	unchanged(t, wal, tree(t, n.walDir))
	if diff := tree(t, l.node("m2").dataDir, l.node("m2").walDir); len(diff) != 2 {
		t.Errorf("m2 had nothing before: %v", diff)
	}
}

// TestStateDirIsAFile: Salvor has nowhere to keep its lock and its case.
func TestStateDirIsAFile(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.node("m2").stateDir = filepath.Join(l.dir, "state-m2")
	must(t, os.WriteFile(l.node("m2").stateDir, nil, 0o600))
	l.write()
	before := l.kept()
	r := l.salvor("recover", "--accept-loss", "unknown")
	r.want(t, 1, "h-m2", l.node("m2").stateDir)
	unchanged(t, before, l.kept())
}

// TestBadConfiguration: an error in salvor.yaml is named with its line, and
// nothing is looked at.
func TestBadConfiguration(t *testing.T) {
	l := newLab(t, t.TempDir(), 3, freePorts(t, 6))
	l.write()
	good, err := os.ReadFile(l.salvorYAML())
	must(t, err)
	for name, c := range map[string]struct{ text, says string }{
		"unknown field": {string(good) + "\nsnapshot: []\n", "snapshot"},
		"not yaml":      {"cluster: [\n", "not valid YAML"},
		"empty":         {"", "the file is empty"},
		"no such host":  {strings.Replace(string(good), "host: h-m2", "host: h-m9", 1), "h-m9"},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(l.salvorYAML(), []byte(c.text), 0o600))
			before := l.kept()
			for _, command := range []string{"diagnose", "recover"} {
				l.salvor(command).want(t, 1, l.salvorYAML()+":", c.says)
			}
			unchanged(t, before, l.kept())
		})
	}
}
