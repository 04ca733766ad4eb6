package supervise

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFenceIsAFile that names itself, lasts, is found, and goes without a trace.
func TestFenceIsAFile(t *testing.T) {
	root := t.TempDir()
	roots := []string{filepath.Join(root, "etc/systemd/system"), filepath.Join(root, "run/systemd/system")}
	const unit = "etcd.service"
	if fencedIn(roots, unit) != "" {
		t.Fatal("fenced by nothing")
	}
	own := filepath.Join(roots[1], "kube-apiserver.service.d", "10-own.conf")
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := raise(roots, unit); err != nil {
			t.Fatal(err)
		}
	}
	path := fencedIn(roots, unit)
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "\n[Unit]\nAssertPathExists=!"+path+"\n") {
		t.Errorf("%s: %q, %v", path, b, err)
	}
	if found, err := Fences(root); err != nil || !slices.Equal(found, []string{"/etc/systemd/system/etcd.service.d/" + fenceConf}) {
		t.Errorf("found %v, %v", found, err)
	}
	if had, err := lower(roots, unit); !had || err != nil || exists(filepath.Dir(path)) {
		t.Errorf("lowered: %v, %v", had, err)
	}
	if had, err := lower(roots, unit); had || err != nil {
		t.Errorf("lowered twice: %v, %v", had, err)
	}
	// /etc cannot be written: the machine's memory has to do. What others put
	// beside it stays.
	if err := os.RemoveAll(roots[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(roots[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const other = "kube-apiserver.service"
	if err := raise(roots, other); err != nil || fencedIn(roots, other) != filepath.Join(filepath.Dir(own), fenceConf) {
		t.Errorf("without /etc: %v", err)
	}
	if had, err := lower(roots, other); !had || err != nil || !exists(own) {
		t.Errorf("lowered: %v, %v, and the other drop-in is there: %v", had, err, exists(own))
	}
	if got := fenceText("/etc/systemd/system/etcd@50%.service.d/x"); !strings.Contains(got, "50%%.service.d") {
		t.Errorf("a percent sign is no specifier: %s", got)
	}
}
