package backup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

// living makes a member that answers.
func living(name string, clusterID cluster.ID, revision int64, change func(*source)) source {
	s := source{member: cluster.Member{Name: name}, quorum: true, live: cluster.LiveMember{ClusterID: clusterID, MemberID: cluster.ID(len(name)),
		Revision: revision, AppliedIndex: uint64(revision), Leader: 99}}
	if change != nil {
		change(&s)
	}
	return s
}

func TestTheMostAdvancedHealthyMemberIsBackedUp(t *testing.T) {
	learner := func(s *source) { s.live.Learner = true }
	corrupt := func(s *source) {
		s.live.Alarms = cluster.Is([]cluster.Alarm{{MemberID: s.live.MemberID, Type: "CORRUPT"}})
	}
	full := func(s *source) {
		s.live.Alarms = cluster.Is([]cluster.Alarm{{MemberID: s.live.MemberID, Type: "NOSPACE"}})
	}
	alone := func(s *source) { s.quorum = false }
	leads := func(s *source) { s.live.Leader = s.live.MemberID }
	lists := func(names ...string) func(*source) {
		return func(s *source) {
			var list []cluster.MemberEntry
			for _, n := range names {
				list = append(list, cluster.MemberEntry{Name: n})
			}
			s.live.Members = cluster.Is(list)
		}
	}
	survivor := func(s *source) { alone(s); lists("a", "b", "c")(s) }
	cfg := cluster.Config{Members: []cluster.Member{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	for name, c := range map[string]struct {
		all  []source
		want string
	}{
		"no impostor with a quorum of itself": {[]source{living("a", 2, 900, lists("a")), living("b", 1, 7, survivor)}, "b"},
		"no two impostors":                    {[]source{living("a", 2, 900, lists("a")), living("b", 1, 7, survivor), living("c", 2, 900, lists("c"))}, "b"},
		"a scaled-down cluster of one":        {[]source{living("a", 2, 900, lists("a"))}, "a"},
		"of two clusters never mixed":         {[]source{living("a", 2, 7, nil), living("b", 1, 8, nil)}, "b"},
		"the highest revision":                {[]source{living("a", 1, 5, nil), living("b", 1, 7, nil), living("c", 1, 6, nil)}, "b c a"},
		"one with a quorum before others":     {[]source{living("a", 1, 9, alone), living("b", 1, 7, nil)}, "b a"},
		"without any quorum":                  {[]source{living("a", 1, 5, alone), living("b", 1, 7, alone)}, "b a"},
		"no learner":                          {[]source{living("a", 1, 9, learner), living("b", 1, 7, nil)}, "b"},
		"none with the alarm CORRUPT":         {[]source{living("a", 1, 9, corrupt), living("b", 1, 7, nil)}, "b"},
		"a full one is as good":               {[]source{living("a", 1, 9, full), living("b", 1, 7, nil)}, "a b"},
		"no impostor, however far":            {[]source{living("a", 2, 900, nil), living("b", 1, 7, nil), living("c", 1, 7, nil)}, "b c"},
		"the leader is spared":                {[]source{living("a", 1, 7, leads), living("b", 1, 7, nil)}, "b a"},
		"nobody":                              {nil, ""},
		"nobody that is fit":                  {[]source{living("a", 1, 9, learner)}, ""},
		"one that was started anew, at zero":  {[]source{living("a", 1, 0, nil), living("b", 1, 7, nil)}, "b"},
	} {
		var got []string
		for _, s := range mostAdvanced(c.all, cfg) {
			got = append(got, s.member.Name)
			if s.highest < s.live.Revision {
				t.Errorf("%s: highest %d is below %d", name, s.highest, s.live.Revision)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]cluster.VaultTarget{
		"/mnt/backup":     {Name: "target1", Dir: "/mnt/backup"},
		"nas=/mnt/backup": {Name: "nas", Dir: "/mnt/backup"},
		"s3://b/x/y?endpoint=https://h:1&pathStyle=true&credentials=/c": {Name: "target1",
			S3: &cluster.VaultS3{Endpoint: "https://h:1", Bucket: "b", Prefix: "x/y", PathStyle: true, Credentials: "/c"}},
		"box=sftp://u@h:2/srv?identity=/i&knownHosts=/k": {Name: "box", SFTP: &cluster.VaultSFTP{Address: "u@h:2", Path: "/srv", Identity: "/i", KnownHosts: "/k"}},
	} {
		got, err := ParseTarget(text, 1)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
	for _, text := range []string{"s3://b", "s3://?endpoint=https://h", "s3://k:s@b?endpoint=https://h", "sftp://h/p", "gs://b", "s3://b?endpoint=https://h&secret=x",
		"sftp://u:p@h/p?identity=/i&knownHosts=/k"} {
		if got, err := ParseTarget(text, 1); err == nil {
			t.Errorf("%s was taken as %+v", text, got)
		}
	}
}

func TestObjectivesAndPolicy(t *testing.T) {
	zero, two := 0, 2
	o := Objectives(cluster.Vault{Objectives: cluster.VaultObjectives{Copies: &two, Offline: &zero, ProofAge: cluster.Span(time.Hour)}}, 15*time.Minute)
	want := policy.ThreeTwoOne()
	want.Copies, want.Offline, want.ProofAge, want.RPO = 2, 0, time.Hour, 15*time.Minute
	if d := cmp.Diff(want, o); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(policy.Default(), Policy(cluster.Vault{})); d != "" {
		t.Error(d)
	}
	got := Policy(cluster.Vault{Tiers: []cluster.VaultTier{{Name: "x", For: cluster.Span(time.Hour), Every: cluster.Span(time.Minute)}}})
	if d := cmp.Diff([]policy.Tier{{Name: "x", For: time.Hour, Every: time.Minute}}, got.Tiers); d != "" || got.ProofLevel != 4 {
		t.Error(d)
	}
}

// TestPace sends 100 MB at 10 MB a second, by four senders.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{rate: 10e6}
		begin := time.Now()
		done := make(chan bool)
		for range 4 {
			go func() {
				for range 25 {
					p.wait(t.Context(), 1e6)
				}
				done <- true
			}()
		}
		for range 4 {
			<-done
		}
		if took := time.Since(begin); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("100 MB took %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.wait(ctx, 1<<40) // does not wait for nobody
		p.wait(ctx, 1)
	})
}

func TestSecretsThatOthersCanRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sign")
	public, made, err := SigningKey(file)
	if err != nil || !made || !strings.HasPrefix(public, "salvor-verify-1:") {
		t.Fatal(public, made, err)
	}
	again, made, err := SigningKey(file)
	if err != nil || made || again != public {
		t.Errorf("the key was made anew: %s, %v", again, err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := SigningKey(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
	if _, err := NewIdentity(file, time.Now()); err == nil {
		t.Error("a file that exists was overwritten")
	}
	for name, c := range map[string]*cluster.Vault{
		"none": nil, "no targets": {},
		"nobody can open it": {Targets: []cluster.VaultTarget{{Name: "a", Dir: "/a"}}, SigningKey: file},
		"a strange key":      {Targets: []cluster.VaultTarget{{Name: "a", Dir: "/a"}}, Trusted: []string{"salvor-verify-1:AA"}},
		"a strange target":   {Targets: []cluster.VaultTarget{{Name: "a"}}},
		"two of a name":      {Targets: []cluster.VaultTarget{{Name: "a", Dir: "/a"}, {Name: "a", Dir: "/b"}}},
	} {
		if _, err := Open(c, Options{Seal: name == "nobody can open it"}); err == nil {
			t.Errorf("%s: it was opened", name)
		}
	}
}

func TestNothingIsAskedOfWorkers(t *testing.T) {
	cfg := cluster.Config{Hosts: []cluster.Host{{Name: "cp"}, {Name: "etcd"}, {Name: "w"}, {Name: "lb"}},
		Members: []cluster.Member{{Name: "m", Host: "etcd"}}}
	cfg.Kubernetes.Nodes = []cluster.Node{{Host: "cp", APIServer: cluster.Component{StaticPod: "/etc/kubernetes/manifests/kube-apiserver.yaml"}}, {Host: "w"}}
	for host, want := range map[string]bool{"cp": false, "etcd": false, "w": true, "lb": false} {
		if worker(cfg, host) != want {
			t.Errorf("%s: worker is %v", host, !want)
		}
	}
}

func TestBackupsAreToldApartByIdentityNotByName(t *testing.T) {
	m := func(name, id, uid string) catalog.Manifest {
		return catalog.Manifest{Cluster: catalog.Cluster{Name: name, ID: id, KubeSystemUID: uid}}
	}
	for _, c := range []struct {
		m    catalog.Manifest
		of   catalog.Cluster
		want bool
	}{
		{m("c", "1", "u"), catalog.Cluster{Name: "c"}, true},
		{m("d", "1", "u"), catalog.Cluster{Name: "c"}, false},
		{m("c", "1", "u"), catalog.Cluster{Name: "c", ID: "1", KubeSystemUID: "u"}, true},
		{m("c", "1", "u"), catalog.Cluster{Name: "c", ID: "2", KubeSystemUID: "u"}, true}, // restored
		{m("c", "1", "u"), catalog.Cluster{Name: "c", ID: "2", KubeSystemUID: "v"}, false},
		{m("c", "1", ""), catalog.Cluster{Name: "c", ID: "2", KubeSystemUID: "v"}, false},
		{m("c", "", ""), catalog.Cluster{Name: "c", ID: "2"}, false},
	} {
		if got := Of(c.m, c.of); got != c.want {
			t.Errorf("%+v of %+v: %v", c.m.Cluster, c.of, got)
		}
	}
}

// TestSalvageKeepsToOneCluster has stopped members, one of which was started
// anew before: its log is further by raft's rule, and is another's.
func TestSalvageKeepsToOneCluster(t *testing.T) {
	dead := func(name string, id cluster.ID, term, index uint64, names ...string) source {
		var list []cluster.MemberEntry
		for _, n := range names {
			list = append(list, cluster.MemberEntry{Name: n})
		}
		return source{salvage: true, member: cluster.Member{Name: name}, disk: cluster.DataDir{ClusterID: cluster.Is(id),
			DB: cluster.Is(cluster.DB{Members: list}), Log: cluster.Is(cluster.Log{ReachTerm: term, ReachIndex: index})}}
	}
	cfg := cluster.Config{Members: []cluster.Member{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	got := furthest([]source{dead("a", 2, 9, 900, "a"), dead("b", 1, 3, 50, "a", "b", "c"), dead("c", 1, 3, 70, "a", "b", "c")}, cfg)
	if len(got) != 2 || got[0].member.Name != "c" || got[1].member.Name != "b" {
		t.Errorf("got %+v", got)
	}
}

func TestAnotherClusterUnderTheNameIsNoted(t *testing.T) {
	old := catalog.Cluster{Name: "c", ID: "1", KubeSystemUID: "u"}
	for _, is := range []catalog.Cluster{{Name: "c", ID: "2", KubeSystemUID: "v"}, {Name: "c", ID: "2"}} {
		if n := strange(is, old); len(n) != 1 || n[0].Code != OtherCluster {
			t.Errorf("%+v after %+v: %+v", is, old, n)
		}
	}
	for _, was := range []catalog.Cluster{{}, {Name: "c"}, old, {ID: "3", KubeSystemUID: "u"}} {
		if n := strange(catalog.Cluster{Name: "c", ID: "1", KubeSystemUID: "u"}, was); len(n) != 0 {
			t.Errorf("after %+v: %+v", was, n)
		}
	}
}
