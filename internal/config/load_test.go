package config

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/salvor-project/salvor/internal/cluster"
)

func TestLoadNamesEveryProblemWithItsLine(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, p := range a.Files {
				parts[p.Name] = string(p.Data)
			}
			path := filepath.Join(t.TempDir(), "salvor.yaml")
			if err := os.WriteFile(path, []byte(parts["salvor.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = Load(path)
			if err == nil {
				t.Fatal("the file was accepted")
			}
			got := strings.Split(strings.ReplaceAll(err.Error(), path, "salvor.yaml"), "\n")
			want := strings.Split(strings.TrimSpace(parts["errors"]), "\n")
			slices.SortStableFunc(got, byLine)
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func byLine(a, b string) int {
	line := func(s string) int {
		n, _ := strconv.Atoi(strings.Split(s, ":")[1])
		return n
	}
	return cmp.Compare(line(a), line(b))
}

// full uses every field of the configuration.
func full() cluster.Config {
	return cluster.Config{
		Cluster: "prod",
		Hosts: []cluster.Host{{Name: "a", Via: "local", StateDir: "/var/lib/salvor"}, {Name: "b", Via: "child", StateDir: "/srv/b"}, {
			Name: "c", Via: "ssh", Address: "ops@10.0.0.3:2222", Jump: []string{"bastion", "ops@[fd00::1]:22"},
			Identities: []string{"~/.ssh/id_a", "/k"}, KnownHosts: "/etc/hosts-a", Sudo: true,
		}},
		Members: []cluster.Member{
			{
				Name: "etcd-1", Host: "a", DataDir: "/var/lib/etcd-1", WALDir: "/fast/wal-1",
				ClientURLs: []string{"https://10.0.0.1:2379"}, PeerURLs: []string{"https://10.0.0.1:2380"},
				Run:          cluster.Supervisor{Systemd: "etcd.service"},
				Certificates: cluster.MemberCertificates{Server: "/pki/s.crt", Peer: "/pki/p.crt", CA: "/pki/ca.crt", PeerCA: "/pki/pca.crt"},
			},
			{
				Name: "etcd-2", Host: "b", DataDir: "/var/lib/etcd-2",
				ClientURLs: []string{"https://10.0.0.2:2379", "https://127.0.0.1:2379"}, PeerURLs: []string{"https://10.0.0.2:2380"},
				Run: cluster.Supervisor{Process: &cluster.Process{
					Command: []string{"/usr/bin/etcd", "--name=etcd-2", "--data-dir", "/var/lib/etcd-2", "--initial-cluster",
						"etcd-1=https://10.0.0.1:2380,etcd-2=https://10.0.0.2:2380", "--quota-backend-bytes", "8589934592", "--pre-vote", "true"},
					Env: []string{"GOGC=400", "ETCD_ENABLE_V2=true"}, Dir: "/", Log: "/var/log/etcd-2.log",
				}},
			},
			{
				Name: "etcd-3", Host: "c", DataDir: "/var/lib/etcd-3", ClientURLs: []string{"https://10.0.0.3:2379"}, PeerURLs: []string{"https://10.0.0.3:2380"},
				Run: cluster.Supervisor{StaticPod: "/etc/kubernetes/manifests/etcd.yaml"},
			},
		},
		Client: cluster.TLS{CA: "/pki/ca.crt", Cert: "/pki/c.crt", Key: "/pki/c.key"},
		Kubernetes: cluster.ControlPlane{LoadBalancer: "https://lb.example", Nodes: []cluster.Node{
			{
				Host: "c", Name: "cp-3", Kubelet: "kubelet@x.service", CRI: "/run/crio/crio.sock", Kubeconfig: "/etc/kubernetes/admin.conf", API: "https://10.0.0.3:6443",
				APIServer:         cluster.Component{StaticPod: "/etc/kubernetes/manifests/kube-apiserver.yaml"},
				ControllerManager: cluster.Component{StaticPod: "/etc/kubernetes/manifests/kube-controller-manager.yaml"},
				Scheduler:         cluster.Component{Systemd: "kube-scheduler.service"},
			},
			{Host: "b"},
		}},
		Snapshots:  []cluster.SnapshotPlace{{Host: "a", Path: "/backup"}},
		Witnesses:  []cluster.WitnessPlace{{Host: "a", Path: "/var/lib/witness.json"}},
		Objectives: cluster.Objectives{RTO: cluster.Duration(15 * time.Minute), RPO: cluster.Duration(90 * time.Second)},
	}
}

func TestWhatSaveWritesLoadReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "salvor.yaml")
	if _, err := Save(path, full(), SaveOptions{Notes: []string{"etcd-9 is elsewhere: a note so long that it has to be broken into two lines of comment"}}); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(full(), got); d != "" {
		t.Errorf("-saved +loaded:\n%s", d)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	text, want := read(t, path), read(t, "testdata/full.yaml")
	if d := gocmp.Diff(want, text); d != "" {
		t.Errorf("testdata/full.yaml (-want +got):\n%s", d)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSaveNeverLosesAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "salvor.yaml")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(path, full(), SaveOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("error %v, want ErrExists", err)
	}
	if got := read(t, path); got != "mine" {
		t.Errorf("the file now holds %q", got)
	}
	kept, err := Save(path, full(), SaveOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, kept); got != "mine" {
		t.Errorf("the kept file holds %q", got)
	}
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v, %v: want the file and the kept one", left, err)
	}
}

func TestFindTriesThePlacesInOrder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("SALVOR_CONFIG", "")
	if p, err := Find(); err == nil && p != "/etc/salvor/salvor.yaml" || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %q, %v", p, err)
	}
	if err := os.WriteFile("salvor.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := Find(); p != "salvor.yaml" || err != nil {
		t.Errorf("%q, %v; want salvor.yaml", p, err)
	}
	t.Setenv("SALVOR_CONFIG", filepath.Join(dir, "other.yaml"))
	if _, err := Find(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "SALVOR_CONFIG") {
		t.Errorf("error %v; want one about $SALVOR_CONFIG", err)
	}
}

func TestValidateAcceptsAFullConfiguration(t *testing.T) {
	if err := Validate(full()); err != nil {
		t.Error(err)
	}
}
