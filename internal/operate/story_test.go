package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestStory runs every action on one cluster, each of them twice: a lost
// member is replaced, a full db is emptied, and the cluster is rebuilt from
// one survivor. Starting a cluster is what costs time, so it is one story.
func TestStory(t *testing.T) {
	s := newStory(t)
	s.replaceLost()
	s.makeRoom()
	s.rebuild()
}

// put writes, again where a machine under load had no answer in time.
func (s story) put(key, value string) error {
	kv, err := s.c.Client("m1")
	if err != nil {
		s.Fatal(err)
	}
	defer kv.Close()
	return s.patiently(func() error {
		_, err := kv.Put(s.ctx, key, value)
		return err
	})
}

func (s story) member(name string) cluster.Member {
	m, ok := s.cfg.Member(name)
	if !ok {
		s.Fatal("no member", name)
	}
	return m
}

func (s story) status(name string) cluster.LiveMember {
	s.Helper()
	var v cluster.LiveMember
	err := s.patiently(func() (err error) {
		v, err = s.env(name).statusOf(s.ctx, s.member(name))
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return v
}

// replaceLost takes m3's data dir away and brings it back through a learner.
func (s story) replaceLost() {
	m3 := s.member("m3")
	for i := range 50 {
		if err := s.put(fmt.Sprintf("/registry/%d", i), "v"); err != nil {
			s.Fatal(err)
		}
	}
	old := s.status("m3").MemberID
	s.twice("m3", plan.StopMember{Member: "m3"})
	aside := plan.SetAside{From: m3.DataDir, To: m3.DataDir + ".aside"}
	s.twice("m3", aside)
	s.strangers(old)
	s.twice("m1", plan.RemoveMember{Through: "m2", ID: old, Name: "m3"})
	if _, err := Do(s.ctx, s.env("m1"), plan.PromoteLearner{Through: "m1", Name: "m3", PeerURLs: m3.PeerURLs}, nil); err == nil {
		s.Error("a member that does not exist was promoted")
	}
	e := into[cluster.MemberEntry](s, s.twice("m1", plan.AddLearner{Through: "m1", Name: "m3", PeerURLs: m3.PeerURLs, NotID: old}))
	if e.ID == old || !e.Learner {
		s.Fatalf("learner %+v", e)
	}
	var clients []string
	for _, m := range []string{"m3", "m1", "m2"} {
		clients = append(clients, s.member(m).ClientURLs...)
	}
	st := into[Started](s, s.twice("m3", plan.StartMember{Member: "m3", Clients: clients}))
	if !strings.Contains(st.InitialCluster, "m3="+m3.PeerURLs[0]) || strings.Count(st.InitialCluster, "=") != 3 {
		s.Errorf("told %s", st.InitialCluster)
	}
	s.twice("m1", plan.PromoteLearner{Through: "m1", Name: "m3", PeerURLs: m3.PeerURLs})
	s.do("m1", plan.AwaitQuorum{Member: "m3", Voters: 3})
	canary := plan.Canary{Through: "m1", Members: []string{"m1", "m2", "m3"}, Case: "c1"}
	first, again := into[Sung](s, s.do("m1", canary)), into[Sung](s, s.do("m1", canary))
	if first.Revision == 0 || again.Revision <= first.Revision {
		s.Errorf("canaries at %d and %d", first.Revision, again.Revision)
	}
}

// strangers asks through a member that does not answer and that the cluster of
// the others does not know: nothing may be concluded from them.
func (s story) strangers(id cluster.ID) {
	s.Helper()
	env := s.env("m1")
	env.Config.Members = slices.Clone(env.Config.Members)
	m3 := &env.Config.Members[2]
	m3.PeerURLs = []string{"https://127.0.0.1:1"}
	ask := func(a plan.RemoveMember) (st State, err error) {
		err = s.patiently(func() error {
			ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
			defer cancel()
			st, _, err = Done(ctx, env, a)
			return err
		})
		return st, err
	}
	if st, err := ask(plan.RemoveMember{Through: "m3", ID: id + 1, Name: "m3"}); st != Unsure || err == nil || !strings.Contains(err.Error(), "does not know m3") {
		s.Errorf("another cluster was asked: %s, %v", st, err)
	}
	// m2 cannot be reached from here, but the quorum knows it.
	env.Config.Members[1].ClientURLs = m3.ClientURLs
	if st, err := ask(plan.RemoveMember{Through: "m2", ID: id, Name: "m3"}); st != No || err != nil {
		s.Errorf("no other member was asked: %s, %v", st, err)
	}
}

// makeRoom fills the cluster until it raises NOSPACE and empties it again.
func (s story) makeRoom() {
	big := strings.Repeat("x", 1<<20)
	var err error
	for i := 0; err == nil; i++ {
		if err = s.put("/fill", big); i > 40 {
			s.Fatal("the quota does not hold")
		}
	}
	if !strings.Contains(err.Error(), "database space exceeded") {
		s.Fatalf("the db was filled until %v", err)
	}
	s.is("m1", plan.DisarmAlarm{Through: "m1", Type: "NOSPACE"}, No)
	s.twice("m2", plan.SaveSnapshot{Member: "m2", Out: s.file("m2", "before.db")})
	s.twice("m1", plan.Compact{Through: "m1", Revision: s.status("m1").Revision})
	order := s.leaderFirst()
	before := s.status(order[0]).Term
	for i, name := range order {
		d := into[Defragmented](s, s.twice(name, plan.Defragment{Member: name}))
		if d.BytesAfter > 4<<20 || d.BytesBefore < 8<<20 { // half the quota: the files grow by more than what is put
			s.Errorf("%s: %+v", name, d)
		}
		// Whoever leads after a leader has handed its office over, the old one
		// perhaps: it is another term.
		if i == 0 && s.status(name).Term == before {
			s.Errorf("the leader %s was defragmented in office", name)
		}
	}
	s.twice("m1", plan.DisarmAlarm{Through: "m1", Type: "NOSPACE"})
	if err := s.put("/fill", "small"); err != nil {
		s.Errorf("a write after all that: %v", err)
	}
}

// leaderFirst are the members in the order in which they are defragmented here:
// the leader has to hand its office over, whoever it is by now.
func (s story) leaderFirst() []string {
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		for i, name := range []string{"m1", "m2", "m3"} {
			if st := s.status(name); st.Leader == st.MemberID {
				return slices.Concat([]string{name}, slices.Delete([]string{"m1", "m2", "m3"}, i, i+1))
			}
		}
		if time.Now().After(end) {
			s.Fatal("no member leads")
		}
	}
}

// refuses checks an image that is not the one that was planned.
func (s story) refuses(a plan.CheckImage) {
	s.Helper()
	if _, err := Do(s.ctx, s.env("m1"), a, nil); err == nil {
		s.Error("another file than planned was accepted")
	}
}

// rebuild makes a new cluster from m1's files.
func (s story) rebuild() {
	before := s.content("m1")
	initial := cluster.InitialCluster(s.cfg.Members)
	old := s.status("m1").ClusterID
	s.all(func(m cluster.Member) plan.Action { return plan.StopMember{Member: m.Name} })
	m1 := s.member("m1")
	salvage := plan.Salvage{DB: filepath.Join(m1.DataDir, "member", "snap", "db"), WALDir: m1.WAL(), Out: s.file("m1", "image.db")}
	image := into[datadir.Report](s, s.twice("m1", salvage))
	if image.Content != before {
		s.Errorf("salvaged %+v, want %+v", image.Content, before)
	}
	checked := into[Image](s, s.do("m1", plan.CheckImage{Path: salvage.Out, SHA256: image.SHA256}))
	if checked.Content != before || checked.Revision != image.Revision {
		s.Errorf("checked %+v", checked)
	}
	s.refuses(plan.CheckImage{Path: salvage.Out, SHA256: "00"})
	if landed, err := datadir.Land(s.ctx, salvage.Out, datadir.Arrived{}, func(_, _ []byte) {}); err != nil || landed.Keep() != nil {
		s.Fatal(err)
	}
	checked.Landed = true // all else is as it was read
	if again := into[Image](s, s.do("m1", plan.CheckImage{Path: salvage.Out, SHA256: image.SHA256})); again != checked {
		s.Errorf("checked %+v, and as it has landed %+v", checked, again)
	}
	s.refuses(plan.CheckImage{Path: salvage.Out, SHA256: "00"})
	builds := map[string]plan.BuildMember{}
	for _, m := range s.cfg.Members {
		b := plan.BuildMember{Member: m.Name, Image: salvage.Out, Dir: m.DataDir + ".new", Name: m.Name, PeerURLs: m.PeerURLs,
			InitialCluster: initial, Token: "fresh", Bump: 1000, Like: m.DataDir}
		builds[m.Name] = b
		s.belongs(m, b)
		s.twice(m.Name, plan.SetAside{From: m.DataDir, To: m.DataDir + ".old"})
		s.twice(m.Name, plan.PutInPlace{From: b.Dir, To: m.DataDir})
		s.is(m.Name, b, Yes)
	}
	s.is("m1", salvage, Yes)
	s.is("m1", plan.AwaitQuorum{Member: "m1", Voters: 3}, No)
	for range 2 {
		s.all(func(m cluster.Member) plan.Action { return plan.StartMember{Member: m.Name} })
	}
	s.is("m1", plan.StartMember{Member: "m1"}, Yes)
	if _, err := Do(s.ctx, s.env("m1"), plan.SetAside{From: m1.DataDir, To: m1.DataDir + ".x"}, nil); err == nil {
		s.Error("the data dir of a running member was set aside")
	}
	s.do("m1", plan.AwaitQuorum{Member: "m1", Voters: 3})
	s.is("m1", plan.AwaitQuorum{Member: "m1", Voters: 3}, Yes)
	s.is("m1", plan.AwaitQuorum{Member: "m1", Voters: 4}, No)
	s.is("m1", builds["m1"], Yes)
	now := s.status("m1")
	if now.ClusterID == old || now.Revision != image.Revision+1000 {
		s.Errorf("cluster %s at revision %d, was %s at %d", now.ClusterID, now.Revision, old, image.Revision)
	}
	for _, m := range s.cfg.Members {
		got := s.content(m.Name)
		got.Revision = before.Revision
		if got != before {
			s.Errorf("%s holds %+v, want %+v", m.Name, got, before)
		}
	}
	s.do("m2", plan.Canary{Through: "m2", Members: []string{"m1", "m2", "m3"}, Case: "c1"})
}

// belongs builds a member and looks whether the files took the old owner, which
// only root can give them.
func (s story) belongs(m cluster.Member, b plan.BuildMember) {
	s.Helper()
	if os.Geteuid() != 0 {
		s.twice(m.Name, b)
		return
	}
	if err := os.Chown(m.DataDir, 4711, 4712); err != nil {
		s.Fatal(err)
	}
	label := []byte("system_u:object_r:etcd_var_lib_t:s0\x00")
	if err := setLabel(m.DataDir, label); err != nil {
		s.Fatal(err)
	}
	s.twice(m.Name, b)
	if got := labelOf(filepath.Join(b.Dir, "member", "wal")); !bytes.Equal(got, labelOf(m.DataDir)) {
		s.Errorf("the SELinux context of the log is %q, that of the old folder %q", got, labelOf(m.DataDir))
	}
	info, err := os.Stat(filepath.Join(b.Dir, "member", "snap", "db"))
	if err != nil {
		s.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 4711 || st.Gid != 4712 {
		s.Errorf("the db belongs to %d:%d", st.Uid, st.Gid)
	}
}

// content is what one member holds.
func (s story) content(name string) cluster.Content {
	s.Helper()
	c, err := etcd.Dial(s.ctx, s.member(name).ClientURLs, s.cfg.Client)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	got, err := c.Content(s.ctx, 0)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

// TestFolders moves folders without any etcd.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	s := story{T: t, ctx: t.Context(), cfg: cluster.Config{Members: []cluster.Member{{Name: "m", Host: "h", DataDir: from}}}}
	env := Env{Config: s.cfg, Host: "h", CaseDir: filepath.Join(dir, "case")}
	h := func(a plan.Action) (State, error) {
		st, _, err := Done(s.ctx, env, a)
		return st, err
	}
	do := func(a plan.Action) error { _, err := Do(s.ctx, env, a, nil); return err }
	expect := func(what string, a plan.Action, want State) {
		t.Helper()
		if got, err := h(a); got != want || err != nil {
			t.Errorf("%s: %s is %s, want %s (%v)", what, a.Kind(), got, want, err)
		}
	}
	aside, place := plan.SetAside{From: from, To: to}, plan.PutInPlace{From: from, To: to}
	expect("neither", aside, No) // it has to be noted
	expect("neither", place, Unsure)
	if do(place) == nil {
		t.Error("nothing was put in place")
	}
	mustWrite(t, filepath.Join(from, "f"))
	expect("only from", aside, No)
	expect("only from", place, No)
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	expect("from and an empty to", place, No)
	if err := do(place); err != nil {
		t.Error(err)
	}
	expect("only to", place, Yes)
	expect("only to", aside, Yes)
	mustWrite(t, filepath.Join(from, "g"))
	expect("both", place, Unsure)
	expect("both", aside, Yes)
	if do(place) == nil {
		t.Error("an existing folder was replaced")
	}
	if err := rename(from, to); err == nil {
		t.Error("rename replaced a folder that is not empty")
	}
	for _, f := range []string{filepath.Join(from, "g"), filepath.Join(to, "f")} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
}

// TestNothingThere: once nothing was there to set aside, nothing that comes
// later is taken for it, whoever asks again.
func TestNothingThere(t *testing.T) {
	dir := t.TempDir()
	env := Env{Config: cluster.Config{}, Host: "h", CaseDir: filepath.Join(dir, "case")}
	a := plan.SetAside{From: filepath.Join(dir, "a"), To: filepath.Join(dir, "b")}
	for _, when := range []string{"first", "again", "with a later folder"} {
		raw, err := Do(t.Context(), env, a, nil)
		var m Moved
		if err != nil || json.Unmarshal(raw, &m) != nil || !m.NothingThere() {
			t.Errorf("%s: %s, %v", when, raw, err)
		}
		if st, _, err := Done(t.Context(), env, a); st != Yes || err != nil {
			t.Errorf("%s: done is %s, %v", when, st, err)
		}
		mustWrite(t, filepath.Join(a.From, "f"))
	}
	if _, err := os.Stat(filepath.Join(a.From, "f")); err != nil {
		t.Errorf("a later folder was set aside: %v", err)
	}
}

func mustWrite(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWrongHost refuses to act for another machine, and on what is unknown.
func TestWrongHost(t *testing.T) {
	env := Env{Config: cluster.Config{Members: []cluster.Member{{Name: "m", Host: "other"}}}, Host: "h"}
	for _, a := range []plan.Action{plan.StopMember{Member: "m"}, plan.StopMember{Member: "x"}, plan.CopyFiles{}} {
		if st, _, err := Done(t.Context(), env, a); err == nil || st != Unsure {
			t.Errorf("done %+v: %s, %v", a, st, err)
		}
		begin := time.Now()
		if _, err := Do(t.Context(), env, a, nil); err == nil || time.Since(begin) > time.Second {
			t.Errorf("do %+v: %v", a, err)
		}
	}
}

// TestEmptyAside: what is set aside and holds no file is said to be empty, by
// who does it and by who asks later.
func TestEmptyAside(t *testing.T) {
	for name, empty := range map[string]bool{"wiped": true, "filled": false} {
		dir := filepath.Join(t.TempDir(), "etcd")
		env := Env{Config: cluster.Config{}, Host: "h", CaseDir: t.TempDir()}
		if err := os.MkdirAll(filepath.Join(dir, "member", "snap"), 0o700); err != nil {
			t.Fatal(err)
		}
		if !empty {
			mustWrite(t, filepath.Join(dir, "member", "snap", "db"))
		}
		a := plan.SetAside{From: dir, To: dir + ".aside"}
		raw, err := Do(t.Context(), env, a, nil)
		var m Moved
		if err != nil || json.Unmarshal(raw, &m) != nil || m.Empty != empty {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
		if _, raw, err = Done(t.Context(), env, a); err != nil || json.Unmarshal(raw, &m) != nil || m.Empty != empty {
			t.Errorf("%s, asked later: %s, %v", name, raw, err)
		}
	}
}
