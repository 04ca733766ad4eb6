package observe

import (
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// TestParkedManifests: what Salvor holds back is named with folder and case,
// and not called missing; what lies live again beside it is not held back.
func TestParkedManifests(t *testing.T) {
	m := newMaster(t, authority(t))
	live, kept := "/etc/kubernetes/manifests/kube-apiserver.yaml", "/etc/kubernetes/manifests.salvor/kube-apiserver.yaml"
	b, err := m.read(live)
	if err != nil {
		t.Fatal(err)
	}
	m.write(kept+".older-20261121T031502.000000Z", b)
	m.write(kept, b)
	if f := diagnosed(m); f[diagnose.HeldBack].Code != "" {
		t.Errorf("held back although it is live: %+v", f[diagnose.HeldBack])
	}
	m.rename(live, kept)
	m.write("/var/lib/salvor/cases/20261121-031502-prod-k3f9/journal.jsonl", nil)
	m.write("/var/lib/salvor/cases/20251121-031502-prod-k3f9/journal.jsonl", nil)
	k := m.facts().Node.Kubernetes.Value
	if len(k.Parked.Value) != 1 || k.Parked.Value[0].Path != kept || k.ParkedBy != "20261121-031502-prod-k3f9" {
		t.Errorf("parked: %+v by %q", k.Parked, k.ParkedBy)
	}
	m.write("/etc/systemd/system/etcd.service.d/90-salvor-fence.conf", nil)
	if n := m.facts().Node; len(n.Fences.Value) != 1 || n.Fences.Value[0] != "/etc/systemd/system/etcd.service.d/90-salvor-fence.conf" || n.FencedBy != k.ParkedBy {
		t.Errorf("fences: %+v by %q", n.Fences, n.FencedBy)
	}
	f := diagnosed(m)
	if f[diagnose.HeldBack].Code == "" || f[diagnose.ManifestMissing].Code != "" {
		t.Errorf("held back %+v, missing %+v", f[diagnose.HeldBack], f[diagnose.ManifestMissing])
	}
}
