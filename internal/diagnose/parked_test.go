package diagnose_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestManifestsGoneFromAllMasters: no other machine shows that a manifest is
// missing, but the configuration does.
func TestManifestsGoneFromAllMasters(t *testing.T) {
	w := stories.Control()
	for _, n := range []string{"m1", "m2", "m3"} {
		k := w.Kube(n)
		k.Manifests.Value = k.Manifests.Value[:3]
		w.Facts.Config.Kubernetes.Nodes = append(w.Facts.Config.Kubernetes.Nodes, cluster.Node{Host: "h" + n})
	}
	if d := diagnose.Diagnose(w.Facts); has(d.Findings, diagnose.ManifestMissing) {
		t.Error("missed although nothing says that it ought to be there")
	}
	for i := range w.Facts.Config.Kubernetes.Nodes {
		w.Facts.Config.Kubernetes.Nodes[i].Scheduler.StaticPod = "/etc/kubernetes/manifests/kube-scheduler.yaml"
	}
	d := diagnose.Diagnose(w.Facts)
	n := 0
	for _, f := range d.Findings {
		if f.Code == diagnose.ManifestMissing {
			n++
		}
	}
	if n != 3 || d.Scenario == diagnose.Healthy {
		t.Errorf("%d found missing, want 3: %s", n, d.Scenario)
	}
}

// TestAnOpenCaseIsEndedFirst: whatever else is found, the case that holds pods
// back comes first.
func TestAnOpenCaseIsEndedFirst(t *testing.T) {
	w := stories.Control().Dead("m1", "m2", "m3")
	for _, n := range []string{"m1", "m2", "m3"} {
		k := w.Kube(n)
		kept := k.Manifests.Value[0]
		kept.Path = "/etc/kubernetes/manifests.salvor/etcd.yaml"
		k.Manifests.Value, k.Parked = k.Manifests.Value[1:], cluster.Is([]cluster.Manifest{kept})
		delete(k.Running.Value, "etcd")
	}
	opened(t, w.Facts)

	// The same with units.
	w = stories.Serving().Dead("m1", "m2", "m3")
	for i := range w.Facts.Hosts {
		w.Facts.Hosts[i].Node.Fences = cluster.Is([]string{"/etc/systemd/system/etcd.service.d/90-salvor-fence.conf"})
	}
	if f := opened(t, w.Facts); f.Subject != "hm1" || !strings.Contains(f.Text.String(), "keeps etcd.service on hm1") {
		t.Errorf("%+v", f)
	}
}

func opened(t *testing.T, f cluster.Facts) diagnose.Finding {
	t.Helper()
	d := diagnose.Diagnose(f)
	if d.Next != "salvor resume" || d.Cause == nil || d.Cause.Code != diagnose.HeldBack || has(d.Findings, diagnose.ManifestMissing) {
		t.Fatalf("next %q, cause %+v, %s", d.Next, d.Cause, d.Scenario)
	}
	return d.Findings[slices.IndexFunc(d.Findings, func(f diagnose.Finding) bool { return f.Code == diagnose.HeldBack })]
}
