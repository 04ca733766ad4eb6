package e2e

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withoutTree wrecks every member: the branch pages of its db are gone, so that
// nothing leads to a record any more, and its log is deleted.
func (l *lab) withoutTree(keepTree bool) {
	l.t.Helper()
	for _, n := range l.nodes {
		path := filepath.Join(n.dataDir, "member", "snap", "db")
		b, err := os.ReadFile(path)
		must(l.t, err)
		branches := 0
		for at := 2 * 4096; at+4096 <= len(b) && !keepTree; at += 4096 {
			if binary.NativeEndian.Uint16(b[at+8:]) == 1 && binary.NativeEndian.Uint64(b[at:]) == uint64(at/4096) {
				clear(b[at : at+4096])
				branches++
			}
		}
		if branches == 0 && !keepTree {
			l.t.Fatalf("the db of %s has no branch page: the test proves nothing", n.name)
		}
		must(l.t, os.WriteFile(path, b, 0o600))
		must(l.t, os.RemoveAll(filepath.Join(n.dataDir, "member", "wal")))
	}
}

// filled gives a cluster that was stopped with so many keys that its dbs have
// branch pages.
func filled(t *testing.T) *lab {
	t.Helper()
	l := labOf(t, 3)
	l.write()
	l.start("m1", "m2", "m3")
	l.ready("m1", "m2", "m3")
	l.put("m1", "many", 250)
	time.Sleep(time.Second) // etcd flushes its db every 100 ms
	l.kill("m1", "m2", "m3")
	return l
}

// TestRemainsOfBrokenDBs: every db is broken in its tree, every log is gone, and
// there is no snapshot. Nothing is taken by itself; named, what the pages still
// hold comes back, with its doubt spelled out.
func TestRemainsOfBrokenDBs(t *testing.T) {
	l := filled(t)
	l.withoutTree(false)
	before := l.kept()
	l.salvor("diagnose").want(t, 3, "remains:m", "salvor recover --source remains:m")
	l.salvor("recover", "--accept-loss", "unknown").want(t, 10, "--source remains:m", "probable, not proven")
	l.salvor("recover", "--yes", "--source", "remains:m2").want(t, 20, "--accept-loss unknown")
	unchanged(t, before, l.kept())
	l.salvor("recover", "--accept-loss", "unknown", "--source", "remains:m2").want(t, 0,
		"Collect records from the pages of the broken db", "probable, not proven", "The data was collected from a broken db")
	l.comesBack()
}

// TestRemainsWithoutLogs: the dbs hold, but every log is gone.
func TestRemainsWithoutLogs(t *testing.T) {
	l := filled(t)
	l.withoutTree(true)
	l.salvor("recover", "--accept-loss", "unknown").want(t, 10, "--source remains:m", "its log is gone")
	l.salvor("recover", "--accept-loss", "unknown", "--source", "remains:m1").want(t, 0, "Make a clean image of the db")
	l.comesBack()
}

// comesBack demands every key from every member.
func (l *lab) comesBack() {
	l.t.Helper()
	l.holdsAll()
	var missing []string
	for i := range 250 {
		for _, n := range []string{"m1", "m3"} {
			if i%25 == 0 && !l.has(n, "many", i) {
				missing = append(missing, fmt.Sprintf("%s: many-%03d", n, i))
			}
		}
	}
	if len(missing) > 0 {
		l.t.Errorf("missing: %s", strings.Join(missing, ", "))
	}
}
