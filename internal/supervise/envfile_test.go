package supervise

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestEnvironmentFileOfKubespray: only the two lines change, the file stays what
// it was otherwise, and the old one is kept.
func TestEnvironmentFileOfKubespray(t *testing.T) {
	const was = "# Environment file for etcd v3.5.21\nETCD_DATA_DIR=/var/lib/etcd\nETCD_INITIAL_CLUSTER_STATE=new\nETCD_INITIAL_CLUSTER_TOKEN=k8s_etcd\n\n" +
		"ETCD_INITIAL_CLUSTER=\"etcd1=https://10.0.0.1:2380\"\nETCD_NAME=etcd1\n"
	const want = "# Environment file for etcd v3.5.21\nETCD_DATA_DIR=/var/lib/etcd\nETCD_INITIAL_CLUSTER_STATE=existing\nETCD_INITIAL_CLUSTER_TOKEN=k8s_etcd\n\n" +
		"ETCD_INITIAL_CLUSTER=\"etcd1=https://10.0.0.1:2380,etcd2=https://10.0.0.2:2380\"\nETCD_NAME=etcd1\n"
	dir := t.TempDir()
	path, link := filepath.Join(dir, "etcd.env"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte(was), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	o := Override{InitialCluster: "etcd1=https://10.0.0.1:2380,etcd2=https://10.0.0.2:2380", Case: "case-1"}
	for _, first := range []bool{true, false} {
		if changed, err := o.keep(link); changed != first || err != nil {
			t.Fatalf("changed %v, want %v (%v)", changed, first, err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != want {
			t.Fatalf("%v\n%s", err, b)
		}
	}
	if b, err := os.ReadFile(path + ".salvor-case-1"); err != nil || string(b) != was {
		t.Errorf("the old file is not kept: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 3 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestEnvironmentFilesThatSayNothing(t *testing.T) {
	o := Override{InitialCluster: "a=http://x"}
	for text, want := range map[string]string{
		"ETCD_NAME=a\n#ETCD_INITIAL_CLUSTER=b\n": "",
		"":                                       "",
		"ETCD_INITIAL_CLUSTER=b":                 "ETCD_INITIAL_CLUSTER=a=http://x\nETCD_INITIAL_CLUSTER_STATE=existing\n",
	} {
		next, differs := o.environment(text)
		if differs != (want != "") || differs && next != want {
			t.Errorf("%q: %v, %q", text, differs, next)
		}
	}
	if changed, err := o.keep(filepath.Join(t.TempDir(), "none")); changed || err != nil {
		t.Errorf("a file that is not there: %v, %v", changed, err)
	}
	u := parseShow("EnvironmentFiles=/etc/etcd.env (ignore_errors=yes)\nEnvironmentFiles=/run/systemd/system/etcd.service.d/90-salvor.env (ignore_errors=no)\n")
	if got := envFiles(u); !slices.Equal(got, []string{"/etc/etcd.env"}) {
		t.Errorf("got %v", got)
	}
}
