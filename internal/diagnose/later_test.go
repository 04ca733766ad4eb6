package diagnose_test

import (
	"slices"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestLeaseLostIsOver: a line of a run that has ended says nothing once its
// component runs again and somebody renews the lease; each of the two alone does
// not take it back.
func TestLeaseLostIsOver(t *testing.T) {
	at := stories.Control().Facts.At
	lost := at.Add(-time.Hour)
	for name, c := range map[string]struct {
		then func(*stories.World)
		want bool
	}{
		"started anew, and the lease is renewed": {nothing, false},
		"not started since": {func(w *stories.World) {
			w.Kube("m2").Running.Value["kube-controller-manager"] = cluster.Seen{PID: 1, Since: lost.Add(-time.Hour)}
		}, true},
		"it has not run for longer than a kubelet waits": {func(w *stories.World) { delete(w.Kube("m2").Running.Value, "kube-controller-manager") }, false},
		"nobody renews": {func(w *stories.World) {
			w.EachObjects(func(o *cluster.APIObjects) { o.Leases.Value[0].Renewed = lost.Add(-time.Second) })
		}, true},
		"who leads is not known": {func(w *stories.World) {
			w.EachObjects(func(o *cluster.APIObjects) { o.Leases = cluster.Unknown[[]cluster.LeaseState]("forbidden") })
		}, true},
		"when it began is not known": {func(w *stories.World) {
			w.Kube("m2").Running = cluster.Unknown[map[string]cluster.Seen]("no /proc")
		}, true},
	} {
		w := stories.Control()
		w.SaidAt("m2", "kube-controller-manager", cluster.SaidLeaseLost, 1, lost)
		w.Kube("m2").Running.Value["kube-controller-manager"] = cluster.Seen{PID: 9, Since: lost.Add(time.Minute)}
		c.then(w)
		if _, ok := find(diagnose.Diagnose(w.Facts), diagnose.LeaseLost); ok != c.want {
			t.Errorf("%s: found %v", name, ok)
		}
	}
}

// TestLeaseLostAMomentAgo: a controller that ended because it lost its lease lies
// until the kubelet starts it again: that is no fault of its own. What does not
// run for another reason is.
func TestLeaseLostAMomentAgo(t *testing.T) {
	for name, c := range map[string]struct {
		ago  time.Duration
		want []diagnose.Code
	}{
		"two minutes ago": {2 * time.Minute, []diagnose.Code{diagnose.LeaseLost}},
		"an hour ago":     {time.Hour, nil},
	} {
		w := stories.Control()
		w.SaidAt("m2", "kube-controller-manager", cluster.SaidLeaseLost, 1, w.Facts.At.Add(-c.ago))
		delete(w.Kube("m2").Running.Value, "kube-controller-manager")
		d := diagnose.Diagnose(w.Facts)
		down, ok := find(d, diagnose.ControllersDown)
		if !ok || !slices.Equal(down.CausedBy, c.want) {
			t.Errorf("%s: %v, %+v, of %v", name, ok, down, codesOf(d))
		}
		want := diagnose.ControllersDown
		if c.want != nil {
			want = c.want[0]
		}
		if d.Cause == nil || d.Cause.Code != want {
			t.Errorf("%s: the cause is %+v", name, d.Cause)
		}
	}
}

// TestLeasesThatMoveOn: a lease that somebody else has taken over is no quarrel,
// and one in restored data, or where nobody elects, is none either.
func TestLeasesThatMoveOn(t *testing.T) {
	w := stories.Control()
	at := w.Facts.At
	w.Objects("m1").Leases.Value[0] = cluster.LeaseState{Name: "kube-controller-manager", Holder: "hm9_gone", Renewed: at.Add(-25 * time.Second)}
	if d := diagnose.Diagnose(w.Facts); has(d.Findings, diagnose.LeadersDisagree) || has(d.Findings, diagnose.LeaseUnrenewed) {
		t.Errorf("a lease that was taken over: %v", codesOf(d))
	}
	w = stories.Control()
	w.EachObjects(func(o *cluster.APIObjects) { o.Leases.Value[0].Renewed = at.Add(-24 * time.Hour) })
	for i, m := range w.Kube("m1").Manifests.Value {
		if m.Pod.Value.Name == "kube-controller-manager" {
			w.Kube("m1").Manifests.Value[i].Pod.Value.Command = []string{"kube-controller-manager", "--leader-elect=false"}
		}
	}
	if d := diagnose.Diagnose(w.Facts); has(d.Findings, diagnose.LeaseUnrenewed) {
		t.Error("a lease that nobody wants is missed")
	}
}

// TestDefragmentationIsNoFault: nothing is started, replaced or restored for it.
func TestDefragmentationIsNoFault(t *testing.T) {
	w := stories.Control()
	w.Dead("m2")
	w.M("m2").Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5})
	w.M("m2").Metrics.Value.Defragmenting = true
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.Degraded || d.Cause == nil || d.Cause.Code != diagnose.Defragmenting || d.Next == "salvor recover" {
		t.Errorf("%s, cause %+v, next %q", d.Scenario, d.Cause, d.Next)
	}
	// The log alone, while not even the metrics answer; once it is over, it is.
	w.M("m2").Metrics = cluster.Unknown[cluster.EtcdMetrics]("timeout")
	if d = diagnose.Diagnose(w.Facts); has(d.Findings, diagnose.Defragmenting) {
		t.Error("without a word of it")
	}
	w.SaidAt("m2", "etcd", cluster.SaidDefragBegun, 1, w.Facts.At.Add(-20*time.Second))
	if d = diagnose.Diagnose(w.Facts); !has(d.Findings, diagnose.Defragmenting) {
		t.Errorf("its log says so: %v", codesOf(d))
	}
	w.SaidAt("m2", "etcd", cluster.SaidDefragEnded, 1, w.Facts.At.Add(-10*time.Second))
	if d = diagnose.Diagnose(w.Facts); has(d.Findings, diagnose.Defragmenting) {
		t.Error("its log says that it is over")
	}
}

// TestWebhookConditions: a webhook that may let everything pass is less sure.
func TestWebhookConditions(t *testing.T) {
	for conditions, want := range map[bool]diagnose.Confidence{false: diagnose.Certain, true: diagnose.Likely} {
		w := stories.Control()
		w.EachObjects(func(o *cluster.APIObjects) {
			o.Closed.Value[0].Backend, o.Closed.Value[0].Conditions = false, conditions
		})
		f, _ := find(diagnose.Diagnose(w.Facts), diagnose.HookBackendDown)
		if f.Confidence != want || (len(f.Against) > 0) != conditions {
			t.Errorf("conditions %v: %+v", conditions, f)
		}
		w = stories.Control()
		w.Restore().Webhooks = []cluster.Webhook{{Object: "x", Name: "y", Service: "a/b", Hits: []string{"pods"}, Conditions: conditions}}
		if f, _ = find(diagnose.Diagnose(w.Facts), diagnose.HazardWebhook); f.Confidence != want {
			t.Errorf("in data, conditions %v: %+v", conditions, f)
		}
	}
}

// TestBackupIncomplete: keys count wherever among the places they lie; a vault
// has its own, and only what the cluster has is wanted.
func TestBackupIncomplete(t *testing.T) {
	lacking := func() *stories.World {
		w := stories.Control()
		w.Facts.Hosts[0].Node.Places[0].Parts = cluster.Is([]string{})
		return w
	}
	found := func(w *stories.World) bool {
		return has(diagnose.Diagnose(w.Facts).Findings, diagnose.BackupIncomplete)
	}
	if !found(lacking()) {
		t.Fatal("snapshots alone are called a backup")
	}
	w := lacking()
	w.Facts.Config.Vault = &cluster.Vault{}
	if found(w) {
		t.Error("with a vault")
	}
	w = lacking()
	w.Facts.Hosts[0].Node.Places[0].Parts = cluster.Known[[]string]{}
	if found(w) {
		t.Error("never looked")
	}
	w = lacking()
	w.Facts.Config.Snapshots = append(w.Facts.Config.Snapshots, cluster.SnapshotPlace{Host: "hm2", Path: "/keys"})
	w.Facts.Hosts[1].Node.Places = []cluster.BackupPlace{{Path: "/keys", Files: cluster.Is(4),
		Parts: cluster.Is([]string{cluster.PartAuthority, cluster.PartEtcdAuthority, cluster.PartAccounts, cluster.PartEncryption})}}
	if found(w) {
		t.Error("the keys lie in another place")
	}
	w = lacking()
	for _, n := range []string{"m1", "m2", "m3"} {
		w.Kube(n).Identity, w.Kube(n).Encrypt = nil, cluster.Known[cluster.EncryptionFacts]{}
	}
	if found(w) {
		t.Error("nothing of the kind is on the machines")
	}
	w = stories.Control()
	w.Facts.Backups = cluster.Is([]cluster.BackupFacts{{ID: "b1", Created: w.Facts.At, Here: []string{"disk"}, Missing: []string{"cp-1: sa.key"}}})
	if f, ok := find(diagnose.Diagnose(w.Facts), diagnose.BackupIncomplete); !ok || f.Subject != "vault:b1" {
		t.Errorf("a backup whose manifest names what is missing: %+v", f)
	}
}

// TestCPUExplainsElections: a machine that is busy is no fault by itself; it is
// the cause when leaders change for it.
func TestCPUExplainsElections(t *testing.T) {
	w := stories.Control()
	w.Said("m2", "etcd", cluster.SaidLateHeartbeat, 40)
	w.Node("m2").Pressure.Value.CPU.Value.Some = 91
	if d := diagnose.Diagnose(w.Facts); d.Cause != nil || d.Scenario != diagnose.Healthy || !has(d.Findings, diagnose.CPUStarved) {
		t.Errorf("%s, cause %+v", d.Scenario, d.Cause)
	}
	w.M("m2").Metrics.Value.LeaderChanges = 900
	if d := diagnose.Diagnose(w.Facts); d.Cause == nil || d.Cause.Code != diagnose.CPUStarved || !has(d.Findings, diagnose.LeaderUnstable) {
		t.Errorf("cause %+v", d.Cause)
	}
}
