package diagnose_test

import (
	"slices"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestAnotherPodsImageKeepsNoMember: a member can be started as long as the runtime
// has the images of its own pod.
func TestAnotherPodsImageKeepsNoMember(t *testing.T) {
	for _, c := range []struct {
		pod  string
		want diagnose.Scenario
	}{{"kube-scheduler", diagnose.Stopped}, {"etcd", diagnose.Blocked}, {cluster.SandboxImage, diagnose.Blocked}} {
		w := stories.Control().Dead("m1", "m2", "m3")
		for _, n := range []string{"m1", "m2", "m3"} {
			for _, pod := range []string{"etcd", "kube-scheduler"} {
				delete(w.Kube(n).Running.Value, pod)
			}
			images := slices.Clone(w.Kube(n).Images.Value)
			for i := range images {
				images[i].Present = !slices.Contains(images[i].For, c.pod)
			}
			w.Kube(n).Images.Value = images
		}
		d := diagnose.Diagnose(w.Facts)
		if !has(d.Findings, diagnose.ImageMissing) || d.Scenario != c.want {
			t.Errorf("without the image of %s: %s, %v", c.pod, d.Scenario, codesOf(d))
		}
	}
}

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
