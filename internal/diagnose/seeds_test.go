package diagnose_test

import (
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// The incidents from which Salvor came, as facts: each must get the verdict
// that would have spared it.

// seeds give each incident anew.
func seeds() map[string]func() *stories.World {
	return map[string]func() *stories.World{"quota": seedQuota, "full disks": seedFullDisks, "power cut": seedPowerCut, "two weeks": seedTwoWeeks,
		"largest db": seedLargestDB, "stopped": func() *stories.World { return stories.Control().Unvaulted().Dead("m1", "m2", "m3") }}
}

func seedQuota() *stories.World {
	w := stories.Control().Unvaulted()
	nospace(w)
	return w.Said("m1", "kube-apiserver", cluster.SaidNoSpaceQuota, 40)
}

func seedFullDisks() *stories.World {
	w := stories.Control().Unvaulted()
	w.Dead("m1", "m2", "m3")
	for _, n := range []string{"m1", "m2", "m3"} {
		w.M(n).Space.Value.FreeBytes = 0
		w.Said(n, "etcd", cluster.SaidDiskFull, 5)
	}
	w.Facts.Hosts[0].Snapshots[0].Modified = w.Facts.At.Add(-2 * time.Hour)
	return w
}

func seedPowerCut() *stories.World {
	w := stories.Control().Unvaulted()
	w.Dead("m1", "m2", "m3")
	for i, n := range []string{"m1", "m2", "m3"} {
		w.Damaged(n, cluster.DamageTornTail)
		w.Facts.Hosts[i].Reached.Value.Clock = w.Facts.At.AddDate(-6, 0, 0)
		w.Said(n, "kube-apiserver", cluster.SaidEtcdUnreachable, 9)
	}
	w.Facts.Hosts[0].Snapshots[0].Modified = w.Facts.At.Add(-5 * time.Hour)
	w.Facts.Hosts[0].Snapshots[0].Path = "/backup/etcd-0400.db"
	return w
}

func seedTwoWeeks() *stories.World {
	w := stories.Control().Unvaulted()
	w.Gone("m2", "m3").Alone("m1")
	s := &w.Facts.Hosts[0].Snapshots[0]
	s.Modified = w.Facts.At.Add(-14 * 24 * time.Hour)
	s.Hazards.Value.Webhooks = []cluster.Webhook{{Object: "MutatingWebhookConfiguration/kruise", Name: "mpod.kb.io", Service: "kruise-system/kruise-webhook-service", Hits: []string{"pods"}}}
	return w
}

func seedLargestDB() *stories.World {
	w := stories.Control().Unvaulted()
	w.Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageWAL).Damaged("m2", cluster.DamageDB)
	w.M("m1").Disk.Value.DB.Value.Revision = 95
	w.M("m1").Disk.Value.Log.Value.LastIndex = 50
	w.M("m3").Disk.Value.Log.Value.LastIndex = 130
	return w
}

func mustForbidRestore(t *testing.T, d diagnose.Diagnosis) {
	t.Helper()
	for _, a := range d.Allowed {
		if a.Action == diagnose.ActRestore {
			t.Errorf("a restore is allowed: %s %s", d.Scenario, d.Level)
		}
	}
	for _, a := range d.Forbidden {
		if a.Action == diagnose.ActRestore {
			return
		}
	}
	t.Errorf("a restore is not forbidden: %s %s %v", d.Scenario, d.Level, d.Forbidden)
}

// A quota alarm, "repaired" by restoring: kubectl get works, writes fail.
func TestSeedQuota(t *testing.T) {
	w := seedQuota()
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.NoSpace || d.Cause.Code != diagnose.NoSpaceAlarm {
		t.Errorf("%s, cause %+v", d.Scenario, d.Cause)
	}
	mustForbidRestore(t, d)
}

// Three full disks and a snapshot of two hours ago, which was restored: two
// hours thrown away for an rm.
func TestSeedFullDisks(t *testing.T) {
	w := seedFullDisks()
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.Blocked || d.Cause.Code != diagnose.DiskFull || d.Level.Data != diagnose.D0 {
		t.Errorf("%s %s, cause %+v", d.Scenario, d.Level, d.Cause)
	}
	mustForbidRestore(t, d)
}

// A power cut: machines wake with a wrong clock, members torn at the log's
// end, etcd 3.5.4, "damaged certificates", and a file of 04:00.
func TestSeedPowerCut(t *testing.T) {
	w := seedPowerCut()
	d := diagnose.Diagnose(w.Facts)
	if _, ok := find(d, diagnose.ClockSkew); !ok {
		t.Errorf("the clock is not named: %v", codesOf(d))
	}
	if c, ok := d.Chosen(); !ok || c.Kind != diagnose.FromDisks {
		t.Errorf("chose %+v, want the disks as they are", c)
	}
	mustForbidRestore(t, d)
}

// Two members gone, one alive, and a snapshot of two weeks ago in which a
// webhook waits that will block every pod.
func TestSeedTwoWeeks(t *testing.T) {
	w := seedTwoWeeks()
	d := diagnose.Diagnose(w.Facts)
	if c, ok := d.Chosen(); !ok || c.Kind != diagnose.FromSurvivor || c.Member != "m1" {
		t.Errorf("chose %+v, want the member that lives", c)
	}
	mustForbidRestore(t, d)
	warned := false
	for _, c := range d.Candidates {
		for _, h := range c.Hazards {
			warned = warned || c.Kind == diagnose.FromSnapshot && h.Key == "finding."+string(diagnose.HazardWebhook)
		}
	}
	if !warned {
		t.Error("the webhook in the snapshot is not told with the candidate")
	}
	w.Gone("m1") // and were there nothing else, it is a finding before the restore
	if _, ok := find(diagnose.Diagnose(w.Facts), diagnose.HazardWebhook); !ok {
		t.Error("the webhook is no finding although the snapshot is to be restored")
	}
}

// Processes that only had to be started, and the largest db chosen for its
// revision although its log is the shortest.
func TestSeedLargestDB(t *testing.T) {
	w := seedLargestDB()
	d := diagnose.Diagnose(w.Facts)
	if c, ok := d.Chosen(); !ok || c.Log != "m3" {
		t.Errorf("chose %+v, want the longest log", c)
	}
	mustForbidRestore(t, d)
	w = stories.Control().Unvaulted()
	w.Dead("m1", "m2", "m3")
	if d = diagnose.Diagnose(w.Facts); d.Scenario != diagnose.Stopped || d.Next != "salvor recover" {
		t.Errorf("stopped processes give %s, %q", d.Scenario, d.Next)
	}
	mustForbidRestore(t, d)
}

// The same power cut with clocks that are right: certificates had expired long
// before, and only the restart showed it. The version is one that loses data on a
// power cut of all members.
func TestSeedPowerCutCertificates(t *testing.T) {
	w := stories.Control().Unvaulted()
	for _, n := range []string{"m1", "m2", "m3"} {
		w.Dead(n).Damaged(n, cluster.DamageTornTail)
		w.M(n).Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5, Version: "3.5.4"})
		w.M(n).Live = cluster.Unknown[cluster.LiveMember]("transport: authentication handshake failed: x509: certificate has expired or is not yet valid")
		for i := range w.M(n).Certificates {
			w.M(n).Certificates[i].Value.NotAfter = w.Facts.At.Add(-40 * 24 * time.Hour)
		}
	}
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.CertsExpired || d.Cause == nil || d.Cause.Code != diagnose.CertExpired || d.Level.Data != diagnose.D0 {
		t.Errorf("%s %s, cause %+v", d.Scenario, d.Level, d.Cause)
	}
	if _, ok := find(d, diagnose.ClockSkew); ok {
		t.Error("the clock is blamed, which is right")
	}
	if _, ok := find(d, diagnose.VersionHazard); !ok {
		t.Error("3.5.4 after a power cut of all, and nobody says that the members have to be compared")
	}
	mustForbidRestore(t, d)
}

// Had the disks been lost in truth: the file of 16:00, not that of 04:00.
func TestSeedTwoFiles(t *testing.T) {
	w := stories.Control().Unvaulted()
	w.Gone("m1", "m2", "m3")
	w.Snapshot(60)
	early, late := &w.Facts.Hosts[0].Snapshots[0], &w.Facts.Hosts[0].Snapshots[1]
	*late = *early
	early.Path, early.Modified, early.DB.Value.Revision = "/backup/etcd/etcd-snapshot-20240315.db", w.Facts.At.Add(-17*time.Hour), 60
	late.Path, late.Modified = "/backup/etcd/etcd-snapshot-20240315-2.db", w.Facts.At.Add(-5*time.Hour)
	if c, ok := diagnose.Diagnose(w.Facts).Chosen(); !ok || c.Path != late.Path {
		t.Errorf("chose %+v", c)
	}
	late.Trailer = cluster.TrailerWrong // unless it is broken, which its table does not show
	if c, ok := diagnose.Diagnose(w.Facts).Chosen(); !ok || c.Path != early.Path {
		t.Errorf("with the newer one flipped: %+v", c)
	}
}

// Two halves of a control plane that each name a leader of their own: the pods
// of kube-system were deleted by force for it.
func TestSeedSplit(t *testing.T) {
	w := stories.Control().Unvaulted()
	stories.Alone(w, "m3")
	w.Objects("m3").Leases.Value[0].Holder = "hm3_c"
	d := diagnose.Diagnose(w.Facts)
	f, ok := find(d, diagnose.LeadersDisagree)
	if !ok || len(f.CausedBy) == 0 || d.Cause.Code != diagnose.SingleMemberBoot || d.Scenario != diagnose.Impostor {
		t.Errorf("%s, cause %+v, leases %+v", d.Scenario, d.Cause, f)
	}
	mustForbidRestore(t, d)
}

// Most nodes go at the same time while etcd serves: nothing is put back.
func TestSeedManyNodes(t *testing.T) {
	w := stories.Control().Unvaulted()
	w.EachObjects(func(o *cluster.APIObjects) {
		for i := range o.Nodes.Value {
			o.Nodes.Value[i].Ready, o.Nodes.Value[i].Why = false, "NodeStatusUnknown: Kubelet stopped posting node status."
		}
	})
	d := diagnose.Diagnose(w.Facts)
	if d.Cause == nil || d.Cause.Code != diagnose.NodesDown || d.Level.Data != diagnose.D0 {
		t.Errorf("%s %s, cause %+v", d.Scenario, d.Level, d.Cause)
	}
	mustForbidRestore(t, d)
}
