package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFiveMembersThreeLost: the majority of five is rebuilt from the two that
// are left.
func TestFiveMembersThreeLost(t *testing.T) {
	l := labOf(t, 5)
	l.lose("m3", "m4", "m5")
	l.write()
	if d := l.diagnose(); d.Scenario != "majority-lost" || d.Level.Data != "D1" {
		t.Errorf("diagnosed %+v", d)
	}
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	l.holdsAll()
	if n := len(l.status("m5").Members.Value); n != 0 && n != 5 {
		t.Errorf("m5 lists %d members", n)
	}
}

// TestFiveMembersTwoLost: a quorum of three lives on; the two are replaced one
// after the other, and the cluster stays the one it is.
func TestFiveMembersTwoLost(t *testing.T) {
	l := labOf(t, 5)
	l.lose("m4", "m5")
	l.write()
	l.start("m1", "m2", "m3")
	l.ready("m1", "m2", "m3")
	was := l.status("m1").ClusterID
	l.put("m1", "meanwhile", 5)
	if d := l.diagnose(); d.Scenario != "member-lost" || d.Level.Data != "D0" {
		t.Errorf("diagnosed %+v", d)
	}
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	l.holdsAll()
	if is := l.status("m5").ClusterID; is != was {
		t.Errorf("cluster ID was %s, is %s", was, is)
	}
	if !l.has("m4", "meanwhile", 4) {
		t.Error("m4 lacks what was written before the recovery")
	}
}

// TestOneMemberDamagedLog: a cluster of one has nobody to ask. What its log
// holds behind the damage may be lost, and that is said.
func TestOneMemberDamagedLog(t *testing.T) {
	l := labOf(t, 1)
	l.write()
	wals, err := filepath.Glob(filepath.Join(l.node("m1").dataDir, "member", "wal", "*.wal"))
	must(t, err)
	b, err := os.ReadFile(wals[0])
	must(t, err)
	used := len(b)
	for used > 0 && b[used-1] == 0 {
		used--
	}
	for i := used / 2; i < used/2+16; i++ {
		b[i] ^= 0xff
	}
	must(t, os.WriteFile(wals[0], b, 0o600))
	was := tree(t, l.node("m1").dataDir)
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "the write-ahead log is damaged before its end", "Recovered, and proven by verification")
	l.holdsAll() // the db had all of it
	same(t, was, l.node("m1").dataDir, l.node("m1").dataDir+".salvor-"+filepath.Base(l.lastCase()))
}
