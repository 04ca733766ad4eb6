package diagnose_test

import (
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// alike is one row of the matrix of look-alikes: the same symptom, and facts
// that decide which of several classes it is.
type alike struct {
	name    string
	symptom func(*stories.World)
	// decide gives the deciding facts; the class that must come out, and those
	// that must not.
	cases []decided
}

type decided struct {
	fact func(*stories.World)
	want diagnose.Code
	not  []diagnose.Code
}

func nothing(*stories.World) {}

// TestLookAlikes: the deciding fact flips the verdict.
func TestLookAlikes(t *testing.T) {
	at := stories.Control().Facts.At
	expire := func(w *stories.World) {
		w.Dead("m2")
		w.M("m2").Process = cluster.Is(cluster.ProcessFacts{Running: true, PID: 5})
		w.M("m2").Certificates[1].Value.NotAfter = at.Add(-time.Minute)
	}
	down := func(w *stories.World) {
		w.API("m2").Layer, w.API("m2").Why = cluster.LayerNone, "connection refused"
		w.API("m2").Ready = cluster.Unknown[cluster.APIHealth]("not reached")
	}
	checkAlike(t, []alike{
		{"etcd ends with discovery failed", func(w *stories.World) { w.Dead("m2") }, []decided{
			{func(w *stories.World) { w.Gone("m2").Said("m2", "etcd", cluster.SaidBootstrapped, 1) }, diagnose.AlreadyBootstrapped, []diagnose.Code{diagnose.WALDamaged, diagnose.PortInUse}},
			// Its own log lies there: a volume was away and is back, or it may not read it.
			{func(w *stories.World) { w.Said("m2", "etcd", cluster.SaidBootstrapped, 1) }, diagnose.MemberStopped, []diagnose.Code{diagnose.AlreadyBootstrapped, diagnose.EtcdPermission}},
			{func(w *stories.World) {
				w.Said("m2", "etcd", cluster.SaidBootstrapped, 1)
				w.M("m2").Disk.Value.Barred = "/d/m2/member/wal is drwx------ of root, and etcd runs as etcd"
			}, diagnose.EtcdPermission, []diagnose.Code{diagnose.AlreadyBootstrapped}},
			{func(w *stories.World) { w.Said("m2", "etcd", cluster.SaidTLSFile, 1) }, diagnose.EtcdTLSFile, []diagnose.Code{diagnose.AlreadyBootstrapped, diagnose.EtcdPermission}},
			{func(w *stories.World) { w.Damaged("m2", cluster.DamageWAL) }, diagnose.WALDamaged, []diagnose.Code{diagnose.AlreadyBootstrapped, diagnose.WALTornTail}},
			{func(w *stories.World) { w.Damaged("m2", cluster.DamageTornTail) }, diagnose.WALTornTail, []diagnose.Code{diagnose.WALDamaged}},
			{func(w *stories.World) { w.Said("m2", "etcd", cluster.SaidPortInUse, 1) }, diagnose.PortInUse, []diagnose.Code{diagnose.AlreadyBootstrapped}}}},
		{"apply request took too long", func(w *stories.World) { w.Said("m1", "etcd", cluster.SaidSlowApply, 50) }, []decided{
			{func(w *stories.World) { w.Dead("m2", "m3").Alone("m1") }, diagnose.QuorumLost, []diagnose.Code{diagnose.DiskSlow}},
			{func(w *stories.World) { w.M("m1").Metrics.Value.FsyncP99 = 4 }, diagnose.DiskSlow, []diagnose.Code{diagnose.QuorumLost}},
			{func(w *stories.World) { w.Dead("m1").Damaged("m1", cluster.DamageBehind) }, diagnose.WALBehindDB, []diagnose.Code{diagnose.DiskSlow}}}},
		{"x509: certificate has expired", expire, []decided{
			{nothing, diagnose.CertExpired, []diagnose.Code{diagnose.ClockSkew, diagnose.CertNotYetValid}},
			{func(w *stories.World) { // by its own clock it has expired, by all others' not
				w.M("m2").Certificates[1].Value.NotAfter = at.Add(24 * time.Hour)
				w.Facts.Hosts[1].Reached.Value.Clock = at.AddDate(1, 0, 0)
			}, diagnose.ClockSkew, nil},
			{func(w *stories.World) { // after a power cut, in the past
				w.M("m2").Certificates[1].Value.NotAfter = at.Add(24 * time.Hour)
				w.Facts.Hosts[1].Reached.Value.Clock = at.AddDate(-6, 0, 0)
			}, diagnose.ClockSkew, []diagnose.Code{diagnose.CertExpired}}}},
		{"the API server restarts all the time", down, []decided{
			{func(w *stories.World) { w.Said("m2", "kube-apiserver", cluster.SaidBadFlag, 5) }, diagnose.APIBadFlag, []diagnose.Code{diagnose.APIEtcdUnreachable}},
			{func(w *stories.World) { w.Said("m2", "kube-apiserver", cluster.SaidEtcdUnreachable, 5) }, diagnose.APIEtcdUnreachable, []diagnose.Code{diagnose.APIBadFlag}},
			{func(w *stories.World) { w.Said("m2", "kernel", cluster.SaidOOM, 1) }, diagnose.OutOfMemory, []diagnose.Code{diagnose.APIBadFlag, diagnose.APIEtcdUnreachable}},
			{func(w *stories.World) { w.Outdated("apiserver-etcd-client", "m2") }, diagnose.APIEtcdClientExpired, []diagnose.Code{diagnose.APIBadFlag}}}},
		{"401 Unauthorized", nothing, []decided{
			{func(w *stories.World) { w.Outdated("kubeconfig", "m2") }, diagnose.KubeconfigExpired, []diagnose.Code{diagnose.SAKeyDiffers}},
			{func(w *stories.World) {
				w.Finger("m2", "service-account-public").Digest = cluster.Is("another-digest-there")
			}, diagnose.SAKeyDiffers, []diagnose.Code{diagnose.KubeconfigExpired}}}},
		{"pods are not created, the API is fine", nothing, []decided{
			{func(w *stories.World) { w.Said("m1", "kube-controller-manager", cluster.SaidWebhook, 9) }, diagnose.WebhookDeadlock, []diagnose.Code{diagnose.NoSpaceAlarm, diagnose.ControllersDown}},
			{func(w *stories.World) { nospace(w) }, diagnose.NoSpaceAlarm, []diagnose.Code{diagnose.WebhookDeadlock, diagnose.ControllersDown}},
			{func(w *stories.World) { delete(w.Kube("m2").Running.Value, "kube-scheduler") }, diagnose.ControllersDown, []diagnose.Code{diagnose.WebhookDeadlock}}}},
		{"bbolt panics", func(w *stories.World) { w.Dead("m2") }, []decided{
			{func(w *stories.World) { w.Damaged("m2", cluster.DamageDB) }, diagnose.DBDamaged, []diagnose.Code{diagnose.RuntimeDBDamaged}},
			{func(w *stories.World) {
				w.Said("m2", "containerd", cluster.SaidRuntimeDB, 3)
				w.Kube("m2").Runtime.Value.Answers = cluster.Is(false)
			}, diagnose.RuntimeDBDamaged, []diagnose.Code{diagnose.DBDamaged}}}},
		{"the load balancer's address is dead", func(w *stories.World) {
			for _, n := range []string{"m1", "m2", "m3"} {
				w.Balancer(n).Layer = cluster.LayerNone
				w.Balancer(n).Ready = cluster.Unknown[cluster.APIHealth]("not reached")
			}
		}, []decided{
			{nothing, diagnose.BalancerDown, []diagnose.Code{diagnose.APIDown}},
			{func(w *stories.World) {
				for _, n := range []string{"m1", "m2", "m3"} {
					w.API(n).Layer, w.API(n).Ready = cluster.LayerNone, cluster.Unknown[cluster.APIHealth]("not reached")
				}
			}, diagnose.APIDown, []diagnose.Code{diagnose.BalancerDown}}}},
		{"the load balancer shows another's certificate", func(w *stories.World) { w.Outer().Certificate.Value.Issuer = "CN=another" }, []decided{
			{nothing, diagnose.BalancerOther, []diagnose.Code{diagnose.BalancerDown}},
			{func(w *stories.World) { // the kubelets' port, from everywhere
				for _, n := range []string{"m1", "m2", "m3"} {
					w.Balancer(n).Certificate, w.Balancer(n).Ready = w.Outer().Certificate, cluster.Is(cluster.APIHealth{Status: 404})
				}
				w.Outer().Ready = cluster.Is(cluster.APIHealth{Status: 404})
			}, diagnose.BalancerDown, []diagnose.Code{diagnose.BalancerUnready}}}},
		{"a member's data dir is empty", func(w *stories.World) { w.Gone("m2") }, []decided{
			{nothing, diagnose.DataDirLost, []diagnose.Code{diagnose.DataDirUnmounted}},
			{func(w *stories.World) { w.M("m2").Mount.Value.Expected = "/d/m2" }, diagnose.DataDirUnmounted, nil}}},
		{"an etcd begins over an empty folder", func(w *stories.World) {
			w.Dead("m2").Said("m2", "etcd", cluster.SaidWiped, 3)
			d := &w.M("m2").Disk.Value
			d.DB.Value.ConsistentIndex, d.DB.Value.Revision = 0, 1
		}, []decided{
			{nothing, diagnose.WipedRejoin, []diagnose.Code{diagnose.DataDirUnmounted}},
			{func(w *stories.World) { w.M("m2").Mount.Value.Expected = "/d/m2" }, diagnose.DataDirUnmounted, nil}}},
		{"answers differ by member", nothing, []decided{
			{func(w *stories.World) {
				w.M("m2").Live.Value.HashKV.Value.Hash, w.M("m2").Live.Value.CommonHash.Value.Hash = 9, 9
			}, diagnose.Diverged, []diagnose.Code{diagnose.SingleMemberBoot}},
			{func(w *stories.World) { stories.Alone(w, "m3") }, diagnose.SingleMemberBoot, []diagnose.Code{diagnose.Diverged}}}},
	})
}

// checkAlike wants in each case its class, and none of those that look alike.
func checkAlike(t *testing.T, rows []alike) {
	t.Helper()
	for _, a := range rows {
		for _, c := range a.cases {
			w := stories.Control()
			a.symptom(w)
			c.fact(w)
			d := diagnose.Diagnose(w.Facts)
			if _, ok := find(d, c.want); !ok {
				t.Errorf("%s: %s is not found: %v", a.name, c.want, codesOf(d))
			}
			for _, n := range c.not {
				if _, ok := find(d, n); ok {
					t.Errorf("%s (%s): %s is found too", a.name, c.want, n)
				}
			}
		}
	}
}

func codesOf(d diagnose.Diagnosis) []diagnose.Code {
	var out []diagnose.Code
	for _, f := range d.Findings {
		out = append(out, f.Code)
	}
	return out
}

func nospace(w *stories.World) {
	for _, n := range []string{"m1", "m2", "m3"} {
		w.M(n).Live.Value.Alarms = cluster.Is([]cluster.Alarm{{MemberID: '1', Type: "NOSPACE"}})
	}
}

// TestMisleadingTexts: what a text claims without proof decides nothing.
func TestMisleadingTexts(t *testing.T) {
	for name, c := range map[string]struct {
		say func(*stories.World)
		not diagnose.Code
	}{
		"likely from slow disk, with a fast disk": {func(w *stories.World) { w.Said("m1", "etcd", cluster.SaidLateHeartbeat, 99) }, diagnose.DiskSlow},
		"an alert of expiry for a certificate that is not valid yet": {func(w *stories.World) {
			w.Said("m1", "etcd", cluster.SaidAlertExpired, 99)
			w.M("m2").Certificates[1].Value.NotBefore = w.Facts.At.Add(time.Hour)
		}, diagnose.CertExpired},
		"already bootstrapped, of a member that serves": {func(w *stories.World) { w.Said("m1", "etcd", cluster.SaidBootstrapped, 1) }, diagnose.AlreadyBootstrapped},
		"database space exceeded, with no alarm":        {func(w *stories.World) { w.Said("m1", "kube-apiserver", cluster.SaidNoSpaceQuota, 1) }, diagnose.NoSpaceAlarm},
		"no space left, with room": {func(w *stories.World) {
			w.Dead("m1").Said("m1", "etcd", cluster.SaidDiskFull, 1)
		}, diagnose.DiskFull},
		"etcd unreachable, of an API server that is ready": {func(w *stories.World) { w.Said("m1", "kube-apiserver", cluster.SaidEtcdUnreachable, 1) }, diagnose.APIEtcdUnreachable},
		"a few conflicts": {func(w *stories.World) { w.Said("m1", "kube-controller-manager", cluster.SaidObjectModified, 3) }, diagnose.ControllersFight},
		"a webhook that failed three hours ago": {func(w *stories.World) {
			w.SaidAt("m1", "kube-apiserver", cluster.SaidWebhook, 3, w.Facts.At.Add(-3*time.Hour))
		}, diagnose.WebhookDeadlock},
	} {
		w := stories.Control()
		c.say(w)
		if d := diagnose.Diagnose(w.Facts); has(d.Findings, c.not) {
			t.Errorf("%s: %s was believed", name, c.not)
		}
	}
	// An impostor calls itself healthy; a quota alarm leaves /readyz green.
	w := stories.Control()
	stories.Alone(w, "m3")
	if d := diagnose.Diagnose(w.Facts); d.Scenario != diagnose.Impostor {
		t.Errorf("a cluster of one that is healthy gives %s", d.Scenario)
	}
	w = stories.Control()
	nospace(w)
	if d := diagnose.Diagnose(w.Facts); d.Scenario != diagnose.NoSpace || !w.API("m1").Ready.Value.OK {
		t.Errorf("a quota alarm behind a green /readyz gives %s", d.Scenario)
	}
}

// TestConfidence: old lines make a cause only possible, and say so.
func TestConfidence(t *testing.T) {
	for minutes, want := range map[int]diagnose.Confidence{1: diagnose.Likely, 60: diagnose.Possible} {
		w := stories.Control()
		w.SaidAt("m1", "kube-apiserver", cluster.SaidWebhook, 3, w.Facts.At.Add(-time.Duration(minutes)*time.Minute))
		f, ok := find(diagnose.Diagnose(w.Facts), diagnose.WebhookDeadlock)
		if !ok || f.Confidence != want || (want == diagnose.Possible) != (len(f.Against) > 0) {
			t.Errorf("%d minutes old: %+v, want %s", minutes, f, want)
		}
	}
}

// TestRightAdvice: what each weakness of the past got wrong.
func TestRightAdvice(t *testing.T) {
	allowed, forbidden := allows, forbids
	w := stories.Control()
	nospace(w)
	w.M("m1").Live.Value.DBInUse = 2<<30 - 1
	if d := diagnose.Diagnose(w.Facts); allowed(d, diagnose.ActCompact) || !allowed(d, diagnose.ActRaiseQuota) {
		t.Errorf("a quota full of live data: %v", d.Allowed)
	}
	w = stories.Control()
	w.Facts.Hosts[1].Reached.Value.Clock = w.Facts.At.AddDate(-6, 0, 0)
	if d := diagnose.Diagnose(w.Facts); !forbidden(d, diagnose.ActRenewCerts) || allowed(d, diagnose.ActRenewCerts) || !allowed(d, diagnose.ActSetClock) {
		t.Errorf("a wrong clock: %v %v", d.Allowed, d.Forbidden)
	}
	w = stories.Control()
	w.Gone("m1", "m2", "m3")
	for _, n := range []string{"m2", "m3"} {
		w.M(n).Mount.Value.Expected = "/d"
	}
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.Blocked || !forbidden(d, diagnose.ActRebuild) || !forbidden(d, diagnose.ActRestore) || allowed(d, diagnose.ActRestore) {
		t.Errorf("two volumes that are not mounted: %s %v", d.Scenario, d.Forbidden)
	}
	// One full disk of three stopped members does not keep the others down.
	w = stories.Control()
	w.Dead("m1", "m2", "m3")
	w.M("m1").WALSpace.Value.FreeBytes = 0
	if d = diagnose.Diagnose(w.Facts); d.Scenario != diagnose.Stopped || d.Members[0].State != diagnose.StateHeld {
		t.Errorf("one full WAL disk: %s %v", d.Scenario, d.Members)
	}
	w.M("m2").Space.Value.FreeBytes = 0
	if d = diagnose.Diagnose(w.Facts); d.Scenario != diagnose.Blocked {
		t.Errorf("two full disks of three: %s", d.Scenario)
	}
	// A kubelet that cannot start keeps its static pods down: no restore.
	w = stories.Control()
	w.Dead("m1", "m2", "m3")
	for _, n := range []string{"m1", "m2", "m3"} {
		w.Outdated("kubelet-client", n)
		w.Kube(n).Kubelet.Value.Process, w.Kube(n).Kubelet.Value.Answers = cluster.Is(false), cluster.Is(false)
	}
	d = diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.Blocked || d.Cause == nil || d.Cause.Code != diagnose.KubeletCertExpired || !forbidden(d, diagnose.ActRestore) {
		t.Errorf("kubelets' certificates expired: %s %+v", d.Scenario, d.Cause)
	}
}
