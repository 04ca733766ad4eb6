package diagnose_test

import (
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
