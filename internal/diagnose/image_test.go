package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestAPodThatRunsHasItsImage: the line of another pod, or an old one, does not
// keep a member from being started.
func TestAPodThatRunsHasItsImage(t *testing.T) {
	w := stories.Control().Dead("m2")
	w.Said("m2", "kubelet", cluster.SaidImage, 2)
	signs := w.Node("m2").Logs
	for i := range signs {
		for j := range signs[i].Signs.Value {
			signs[i].Signs.Value[j].Sample = `pod="kube-system/kube-apiserver-hm2"`
		}
	}
	delete(w.Kube("m2").Running.Value, "etcd")
	d := diagnose.Diagnose(w.Facts)
	if has(d.Findings, diagnose.ImageMissing) || d.Scenario != diagnose.Stopped {
		t.Errorf("the image of a pod that runs counts as missing: %s", d.Scenario)
	}
	delete(w.Kube("m2").Running.Value, "kube-apiserver")
	if d := diagnose.Diagnose(w.Facts); !has(d.Findings, diagnose.ImageMissing) {
		t.Error("the image of a pod that does not run is not missed")
	}
}
