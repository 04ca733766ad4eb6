package diagnose_test

import (
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/say"
)

// unseen takes what decides of members that run.
func unseen(w *stories.World, live, disk string, ns ...string) {
	for _, n := range ns {
		w.M(n).Live = cluster.Unknown[cluster.LiveMember]("%s", live)
		w.M(n).Disk = cluster.Unknown[cluster.DataDir]("%s", disk)
	}
}

// actions are what is allowed.
func actions(d diagnose.Diagnosis) string {
	var out []string
	for _, a := range d.Allowed {
		out = append(out, a.Action)
	}
	return strings.Join(out, " ")
}

// TestUnseen: what could not be read for want of time or rights is named, with
// what would tell it; nobody is sent to a machine that was reached.
func TestUnseen(t *testing.T) {
	all := []string{"m1", "m2", "m3"}
	for name, x := range map[string]struct {
		with              func(w *stories.World)
		next, tells, acts string
	}{
		"no time": {func(w *stories.World) { unseen(w, cluster.CutOff, cluster.CutOff, all...) },
			"salvor diagnose --verbose", "unknown.disk-time", diagnose.ActReadRest},
		"hung, and no time for the files": {func(w *stories.World) { unseen(w, "no answer in time", "not finished in time", all...) },
			"salvor diagnose --verbose", "unknown.disk-time", diagnose.ActReadRest},
		"no rights": {func(w *stories.World) {
			unseen(w, "connection refused", "inspect /d: open /d: permission denied", all...)
			for i := range w.Facts.Config.Hosts {
				w.Facts.Config.Hosts[i].Via = cluster.ViaLocal
			}
		}, "sudo salvor diagnose", "unknown.disk-rights", diagnose.ActReadRest},
		"no rights, elsewhere": {func(w *stories.World) { unseen(w, "connection refused", "open /d: permission denied", all...) },
			"salvor diagnose --verbose", "unknown.disk-rights", diagnose.ActReadRest},
		"not reached": {func(w *stories.World) { w.Unreached(all...) }, "salvor diagnose --verbose", "unknown.host", diagnose.ActReachHosts},
		"both": {func(w *stories.World) {
			unseen(w, cluster.CutOff, cluster.CutOff, "m2", "m3")
			w.Unreached("m1")
		}, "salvor diagnose --verbose", "unknown.host", diagnose.ActReachHosts + " " + diagnose.ActReadRest},
	} {
		w := stories.Control()
		for i := range w.Facts.Config.Hosts {
			w.Facts.Config.Hosts[i].Via = cluster.ViaSSH
		}
		x.with(w)
		d := diagnose.Diagnose(w.Facts)
		if d.Scenario != diagnose.Unreachable || d.Level.Data != diagnose.DUnknown || actions(d) != x.acts || d.Next != x.next {
			t.Errorf("%s: %s %s, do %q, next %q", name, d.Scenario, d.Level, actions(d), d.Next)
		}
		if len(d.Unknown) == 0 || d.Unknown[0].Key != x.tells || !say.Has("tell."+d.Unknown[0].Key) {
			t.Errorf("%s: unknown %+v, want %s", name, d.Unknown, x.tells)
		}
		for _, lang := range []say.Language{say.English, say.Chinese} {
			text := d.Summary.In(lang)
			for _, a := range d.Allowed {
				text += a.Text.In(lang)
			}
			for _, n := range all {
				if strings.Count(text, n) != 2 {
					t.Errorf("%s: %s is named %d times, not in what is unseen and in what to do: %s", name, n, strings.Count(text, n), text)
				}
			}
		}
		if f, ok := find(d, diagnose.MemberStuck); ok && strings.Contains(f.Text.In(say.English), cluster.CutOff) {
			t.Errorf("%s: who had no time to answer does not answer: %+v", name, f)
		}
	}
}

// TestUnseenMember: a quorum serves, and of the third member nothing could be
// read.
func TestUnseenMember(t *testing.T) {
	w := stories.Control().Dead("m2")
	w.Facts.Config.Hosts[1].Via = cluster.ViaLocal
	w.M("m2").Process = cluster.Unknown[cluster.ProcessFacts]("process 7 is an etcd whose files may not be looked at: run salvor as root or as its user")
	w.M("m2").Disk = cluster.Unknown[cluster.DataDir]("open /d: permission denied")
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.Degraded || d.Summary.Key != "scenario.unseen" || d.Next != "sudo salvor diagnose" || !strings.Contains(actions(d), diagnose.ActReadRest) {
		t.Errorf("%s: %s, next %q, do %s", d.Scenario, d.Summary, d.Next, actions(d))
	}
}

// TestQuotaOfOlderEtcd: etcd before 3.6 tells its quota in its metrics and on its
// command line only.
func TestQuotaOfOlderEtcd(t *testing.T) {
	for name, x := range map[string]struct {
		quota int64
		flag  []string
		near  bool
	}{
		"none":    {0, nil, true},
		"metrics": {8 << 30, nil, false},
		"flag":    {0, []string{"etcd", "--quota-backend-bytes=8589934592"}, false},
	} {
		w := stories.Control()
		m := w.M("m2")
		m.Live.Value.DBQuota, m.Metrics.Value.Quota = 0, x.quota
		m.Live.Value.DBSize, m.Live.Value.DBInUse = 3<<30, 3<<30
		if x.flag != nil {
			m.Process.Value.Command = x.flag
		}
		if _, near := find(diagnose.Diagnose(w.Facts), diagnose.NearQuota); near != x.near {
			t.Errorf("quota from %s: near it %v, want %v", name, near, x.near)
		}
	}
}

// TestUnreadPlace: a place of snapshots that cannot be read may hold the newest
// one, and lies on no known disk.
func TestUnreadPlace(t *testing.T) {
	w := stories.Control().Gone("m1", "m2", "m3")
	var h *cluster.HostFacts
	for i := range w.Facts.Hosts {
		if len(w.Facts.Hosts[i].Node.Places) > 0 {
			h = &w.Facts.Hosts[i]
		}
	}
	if h == nil {
		t.Fatal("nobody has a place of snapshots")
	}
	for i, f := range h.Node.FileSystems {
		if f.Value.Role == "snapshots" { // as the folder above an absent one
			h.Node.FileSystems[i].Value.Device = deviceOf(h, "etcd-data")
		}
	}
	has := func(d diagnose.Diagnosis) bool {
		for _, u := range d.Unknown {
			if u.Key == "unknown.place" {
				return true
			}
		}
		return false
	}
	d := diagnose.Diagnose(w.Facts)
	if _, same := find(d, diagnose.BackupSameDisk); !same || has(d) {
		t.Errorf("a place that is read: on one disk %v, unknown %v", same, d.Unknown)
	}
	h.Node.Places[0].Files = cluster.Unknown[int]("no such file or directory")
	d = diagnose.Diagnose(w.Facts)
	if _, same := find(d, diagnose.BackupSameDisk); same || !has(d) {
		t.Errorf("a place that is absent: on one disk %v, unknown %v", same, d.Unknown)
	}
}

func deviceOf(h *cluster.HostFacts, role string) uint64 {
	for _, f := range h.Node.FileSystems {
		if f.Value.Role == role {
			return f.Value.Device
		}
	}
	return 0
}

// TestLevelSurvivors: a log that ends where the chosen one does is not behind it.
func TestLevelSurvivors(t *testing.T) {
	w := stories.Control().Gone("m3").Dead("m1").Dead("m2").Damaged("m2", cluster.DamageWAL)
	for _, c := range diagnose.Diagnose(w.Facts).Candidates {
		if c.Why.Key == "candidate.behind" && c.Why.Args[0] == c.Why.Args[2] && c.Why.Args[1] == c.Why.Args[3] {
			t.Errorf("%s is behind itself: %s", c.ID, c.Why)
		}
	}
}
