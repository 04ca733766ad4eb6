package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// identity is everything of a cluster that an old member could harm.
type identity struct {
	Cluster cluster.ID
	Leader  cluster.ID
	Members string
	Term    uint64
}

// whole gives the identity on which all members agree, and the revision.
func (l *lab) whole(names ...string) (identity, int64) {
	l.t.Helper()
	leader := l.leader(names...)
	s := l.status(names[0])
	var list []string
	for _, m := range s.Members.Value {
		list = append(list, m.ID.String()+" "+m.Name)
	}
	return identity{s.ClusterID, leader, strings.Join(list, ", "), s.Term}, s.Revision
}

// ghost makes an old member out of a data dir that was lost or set aside: with
// its old identity and its old list of peers, on ports of its own because the
// new member holds the old ones.
func (l *lab) ghost(of, dataDir string) string {
	l.t.Helper()
	old := *l.node(of)
	ports := freePorts(l.t, 2)
	home := l.t.TempDir()
	old.quiet, old.listen, old.gone = true, [2]int{ports[0], ports[1]}, true
	old.dataDir, old.log, old.file, old.stateDir = dataDir, home+"/old.log", home+"/old.json", home+"/state"
	old.fresh = cluster.InitialCluster(l.plain())
	name := "old-" + of
	l.writeEtcd(&old) // with the old member's own name inside
	old.name = name
	l.nodes = append(l.nodes, &old)
	l.t.Cleanup(func() { l.kill(name) })
	return name
}

// rebuilt is a cluster that lost the data dirs of m2 and m3 and was recovered
// from m1; it gives the three old data dirs.
func rebuilt(t *testing.T) (*lab, map[string]string) {
	t.Helper()
	l := labOf(t, 3)
	l.write()
	old := l.lose("m2", "m3")
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	asides, err := os.ReadDir(l.dir + "/m1")
	must(t, err)
	for _, e := range asides {
		if e.IsDir() && strings.HasPrefix(e.Name(), "etcd.salvor-") {
			old["m1"] = l.dir + "/m1/" + e.Name()
		}
	}
	if old["m1"] == "" {
		t.Fatal("m1's old data dir was not set aside")
	}
	return l, old
}

// powerless watches an old member for several elections: it must never have a
// leader, and nobody may be served through it.
func (l *lab) powerless(names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.eventually(10*time.Second, func() bool { return strings.Contains(l.tail(name), "cluster ID mismatch") || len(l.pids(name)) == 0 },
			func() string { return name + " was never refused by the new members:\n" + l.tail(name) })
	}
	for end := time.Now().Add(severalElections); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, name := range names {
			if len(l.pids(name)) == 0 {
				l.t.Fatalf("%s ended, so that nothing is proven:\n%s", name, l.tail(name))
			}
			// Without a leader etcd opens its client port for no one, or answers
			// without a leader.
			if s, err := l.dial(name).Status(within(l.t, 300*time.Millisecond)); err == nil && s.Leader != 0 {
				l.t.Fatalf("%s has leader %s", name, s.Leader)
			}
		}
	}
	for _, name := range names {
		if k := l.dial(name).Linearizable(within(l.t, election)); k.OK && k.Value {
			l.t.Errorf("%s reads through a quorum", name)
		}
		if _, err := l.dial(name).PutSeen(within(l.t, election), "/registry/stolen", "x", time.Hour); err == nil {
			l.t.Errorf("%s takes writes", name)
		}
	}
}

// sameAs demands that the new cluster did not notice anything. The canary may
// have ended its life in between, which is one revision.
func (l *lab) sameAs(was identity, rev int64, names ...string) {
	l.t.Helper()
	is, now := l.whole(names...)
	if is != was {
		l.t.Errorf("the new cluster has changed:\nwas %+v\nis  %+v", was, is)
	}
	if now != rev && now != rev+1 {
		l.t.Errorf("the new cluster's revision went from %d to %d", rev, now)
	}
	for _, n := range names {
		if !l.has(n, "before", keys-1) {
			l.t.Errorf("%s has lost a key", n)
		}
	}
}

// TestOldMembersStayOut: all old disks come back, more than a quorum of the old
// cluster, while the new members run. They join nothing and take no client.
func TestOldMembersStayOut(t *testing.T) {
	l, old := rebuilt(t)
	l.put("m2", "after", 3)
	was, rev := l.whole("m1", "m2", "m3")
	var ghosts []string
	for _, name := range []string{"m1", "m2", "m3"} {
		ghosts = append(ghosts, l.ghost(name, old[name]))
	}
	l.start(ghosts[1], ghosts[2])
	l.start(ghosts[0])
	l.powerless(ghosts...)
	l.sameAs(was, rev, "m1", "m2", "m3")
	l.salvor("diagnose").want(t, 0, "healthy")
}

// TestOldMemberStartsFirst: the old member is there before any new one, on its
// own ports. This is how a reused token let it become the leader of them all.
func TestOldMemberStartsFirst(t *testing.T) {
	l, old := rebuilt(t)
	l.put("m2", "after", 3)
	was, rev := l.whole("m1", "m2", "m3")
	l.kill("m1", "m2", "m3")
	first := l.ghost("m1", old["m1"])
	n := l.node(first)
	n.listen = [2]int{n.client, n.peer}
	n.name = "m1"
	l.writeEtcd(n)
	n.name = first
	l.start(first)
	time.Sleep(2 * election)
	l.start("m2", "m3")
	l.ready("m2", "m3")
	l.powerless(first)
	if is, now := l.whole("m2", "m3"); is.Cluster != was.Cluster || is.Members != was.Members || now < rev || now > rev+1 {
		t.Errorf("the new cluster has changed:\nwas %+v at %d\nis  %+v at %d", was, rev, is, now)
	}
	if lead := l.leader("m2", "m3"); lead != l.status("m2").MemberID && lead != l.status("m3").MemberID {
		t.Errorf("the leader %s is neither m2 nor m3", lead)
	}
	l.put("m2", "later", 2)
	l.kill(first)
	l.start("m1")
	l.ready("m1", "m2", "m3")
	if is, _ := l.whole("m1", "m2", "m3"); is.Cluster != was.Cluster || is.Members != was.Members {
		t.Errorf("the new cluster has changed:\nwas %+v\nis  %+v", was, is)
	}
	if !l.has("m1", "after", 2) || !l.has("m1", "later", 1) {
		t.Error("m1 lacks what was written since")
	}
}
