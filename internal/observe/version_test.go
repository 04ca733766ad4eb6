package observe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

func TestImageVersion(t *testing.T) {
	for image, want := range map[string]string{
		"registry.k8s.io/etcd:3.5.21-0": "3.5.21", "quay.io:443/coreos/etcd:v3.6.16": "3.6.16", "etcd:3.7.3@sha256:abc": "3.7.3",
		"host:5000/etcd": "", "etcd": "", "etcd:latest": "", "etcd@sha256:abc": "",
	} {
		if got := tagVersion(image); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "etcd.yaml")
	manifest := "apiVersion: v1\nkind: Pod\nmetadata: {name: etcd, namespace: kube-system}\nspec: {containers: [{name: etcd, image: 'registry.k8s.io/etcd:3.5.21-0', command: [etcd]}]}\n"
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := imageVersion(cluster.Member{Run: cluster.Supervisor{StaticPod: path}}); got != "3.5.21" {
		t.Errorf("the manifest asks for %q", got)
	}
	if got := imageVersion(cluster.Member{}); got != "" {
		t.Errorf("without a manifest: %q", got)
	}
}
