package versions_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/supervise"
	"github.com/salvor-project/salvor/test/etcds"
)

// versions are the servers that a run covers.
func versions() []string {
	if testing.Short() {
		return []string{etcds.V3_5_4, etcds.V3_7}
	}
	return etcds.All()
}

// TestVersions reads what each version wrote, and restores it for each minor.
func TestVersions(t *testing.T) {
	for i, v := range versions() {
		t.Run("from-"+v, func(t *testing.T) {
			t.Parallel()
			etcds.Path(t, v)
			s := newSource(t, v)
			t.Run("inspect", s.inspect)
			t.Run("salvage", s.salvaged)
			t.Run("status", s.status)
			t.Run("told", s.told)
			for j, to := range targets(v) {
				t.Run("to-"+to, func(t *testing.T) { s.restored(t, to, (i+j)%2 == 0) })
			}
		})
	}
}

// inspect: a killed server's files hold no damage, and what they say is what
// the server said.
func (s *source) inspect(t *testing.T) {
	d := must(datadir.Inspect(t.Context(), s.dir, ""))(t)
	if len(d.Damage) > 0 || !d.DB.OK || !d.Log.OK {
		t.Fatalf("%+v", d)
	}
	if n := len(d.Log.Value.Segments); n < 2 {
		t.Errorf("%d segments: the test proves nothing", n)
	}
	db := d.DB.Value
	if db.Revision > s.content.Revision || db.Revision+d.Log.Value.RevisionsBeyondDB < s.content.Revision {
		t.Errorf("db at revision %d, %d beyond; the server was at %d", db.Revision, d.Log.Value.RevisionsBeyondDB, s.content.Revision)
	}
	want := s.version[:strings.LastIndex(s.version, ".")]
	if !strings.HasPrefix(db.ClusterVersion, want) {
		t.Errorf("cluster version %q of etcd %s", db.ClusterVersion, s.version)
	}
	// etcd 3.6 and later write it some seconds after their start, or never when
	// they are killed before.
	if got := db.StorageVersion; got != "" && (want < "3.6" || !strings.HasPrefix(got, want)) {
		t.Errorf("storage version %q of etcd %s", db.StorageVersion, s.version)
	}
	if len(db.Members) != 1 || db.Members[0].Name != s.name {
		t.Errorf("members %+v", db.Members)
	}
}

// salvaged: everything that was acknowledged is in the image.
func (s *source) salvaged(t *testing.T) {
	if s.report.Content != s.content {
		t.Errorf("image %+v, server %+v", s.report.Content, s.content)
	}
	if len(s.report.Damage) > 0 {
		t.Errorf("%+v", s.report)
	}
	t.Logf("%d entries came from the log, %d of them of the v2 API", s.report.Applied, s.report.V2)
	if s.hasV2() && s.report.V2 == 0 {
		t.Errorf("no request of the v2 API came from the log of etcd %s: the test proves nothing", s.version)
	}
	if got := must(datadir.ContentOf(t.Context(), s.image, 0))(t); got != s.content {
		t.Errorf("image %+v, server %+v", got, s.content)
	}
	head := must(datadir.Head(t.Context(), s.image))(t)
	if head.CompactRevision != s.compacted {
		t.Errorf("compacted at %d, want %d", head.CompactRevision, s.compacted)
	}
}

// told: the version is known from the program, without starting it, and from
// the files; a member that is built for it boots.
func (s *source) told(t *testing.T) {
	m := cluster.Member{Run: cluster.Supervisor{Process: &cluster.Process{Command: []string{etcds.Path(t, s.version)}}}}
	want := s.version
	if want == etcds.V3_4 {
		want = "" // it was built without modules
	}
	if got := supervise.Version(t.Context(), m, cluster.ProcessFacts{}); got != want {
		t.Errorf("the program of etcd %s says %q", s.version, got)
	}
	target := must(datadir.RecordedBy(t.Context(), s.image))(t)
	if string(target) != minor(s.version) {
		t.Errorf("the image of etcd %s was recorded by %q", s.version, target)
	}
	n := newServers(t, s.version, "rebuilt-"+s.version, 1)[0]
	must(datadir.BuildMember(t.Context(), datadir.Build{Image: s.image, Dir: n.dir, Name: n.name, PeerURLs: []string{n.peer},
		InitialCluster: n.initial, Token: n.token, BumpRevision: bump, MarkCompacted: true, Target: target}, nil))(t)
	if db := must(datadir.Head(t.Context(), n.db()))(t); db.RecordedBy() != minor(s.version) {
		t.Errorf("the new db names etcd %q", db.RecordedBy())
	}
	start(t, n)
	if got := supervise.Version(t.Context(), m, cluster.ProcessFacts{Running: true, PID: n.cmd.Process.Pid}); got != want {
		t.Errorf("the process of etcd %s says %q", s.version, got)
	}
	content := s.content
	content.Revision += bump
	if got := liveContent(t, n.api, 0); got != content {
		t.Errorf("%+v, source %+v", got, content)
	}
	n.stop(t)
}

// status: the same numbers as that version's etcdutl, and the newest's.
func (s *source) status(t *testing.T) {
	got := must(datadir.StatusOf(t.Context(), s.image))(t)
	for _, v := range []string{s.version, etcds.V3_7} {
		if v == etcds.V3_4 {
			continue
		}
		out := must(exec.Command(etcds.Program(t, v, "etcdutl"), "snapshot", "status", "-w", "fields", s.image).Output())(t)
		fields := map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(line, ":")
			fields[strings.Trim(name, `" `)] = strings.TrimSpace(value)
		}
		checks := map[string]any{"Hash": got.Hash, "Revision": got.Revision, "Size": got.TotalSize}
		if v == etcds.V3_7 {
			checks["Keys"], checks["Version"] = got.TotalKey, got.Version // older ones count records as keys
		}
		for name, want := range checks {
			if fields[name] != strings.TrimSpace(sprint(want)) {
				t.Errorf("%s: etcdutl %s says %q, we say %v", name, v, fields[name], want)
			}
		}
	}
}
