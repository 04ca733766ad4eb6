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
	// Who held it back is told by a journal, not by who was here last.
	write := func(name, journal string) {
		m.write("/var/lib/salvor/cases/"+name+"/plan.json", []byte(`{"steps":[{"id":"fence@1","host":"cp-1","kind":"fence-component","do":{"role":"kube-apiserver"}},
			{"id":"fence@2","host":"cp-2","kind":"fence-component","do":{"role":"kube-apiserver"}},
			{"id":"stop@1","host":"cp-1","kind":"stop-member","do":{"member":"cp-1"}},
			{"id":"free@1","host":"cp-1","kind":"release-component","do":{"role":"kube-apiserver"}}]}`))
		m.write("/var/lib/salvor/cases/"+name+"/journal.jsonl", []byte(journal))
	}
	const began, done, freed = `{"event":"started","step":"fence@1"}` + "\n", `{"event":"done","step":"fence@1"}` + "\n", `{"event":"done","step":"free@1"}` + "\n"
	by := func() string { return m.facts().Node.Kubernetes.Value.ParkedBy }
	if got := by(); got != "" {
		t.Errorf("without a case: held by %q", got)
	}
	write("20251121-031502-prod-k3f9", began+done)
	write("20261121-031502-prod-k3f9", began)
	write("20261122-031502-prod-k3f9", `{"event":"done","step":"fence@2"}`+"\n"+"cut off")
	m.write("/var/lib/salvor/cases/20261123-031502-prod-k3f9/journal.jsonl", nil)
	if got := by(); got != "20261121-031502-prod-k3f9" {
		t.Errorf("held by %q", got)
	}
	write("20261121-031502-prod-k3f9", began+done+freed)
	if got := by(); got != "" {
		t.Errorf("the newest that touched it let it go, and yet it is held by %q", got)
	}
	write("20261121-031502-prod-k3f9", began+done+`{"event":"done","step":"stop@1"}`)
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
