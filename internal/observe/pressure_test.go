package observe

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestPressureOfThisMachine reads what the kernel says here.
func TestPressureOfThisMachine(t *testing.T) {
	p := machine{}.pressure(context.Background())
	if !p.OK {
		t.Fatal(p.Why)
	}
	if _, err := os.Stat("/proc/pressure/cpu"); err == nil {
		for name, k := range map[string]cluster.Known[cluster.Pressure]{"cpu": p.Value.CPU, "io": p.Value.IO, "memory": p.Value.Memory} {
			if !k.OK || k.Value.Some < k.Value.Full || k.Value.Some > 100 {
				t.Errorf("%s: %+v", name, k)
			}
		}
	} else if p.Value.CPU.OK || p.Value.CPU.Why == "" {
		t.Errorf("a kernel without pressure: %+v", p.Value.CPU)
	}
	if s := p.Value.Steal; !s.OK || s.Value < 0 || s.Value > 100 {
		t.Errorf("steal: %+v", s)
	}
}

// TestPressureOfFiles reads what kernels wrote: with psi and without, and control
// groups of both versions.
func TestPressureOfFiles(t *testing.T) {
	m := machine{root: t.TempDir()}
	write := func(name, text string) {
		path := m.at(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p := m.psi("cpu"); p.OK || !strings.Contains(p.Why, "psi=1") {
		t.Errorf("no such file: %+v", p)
	}
	write("/proc/pressure/memory", "some avg10=76.85 avg60=49.42 avg300=26.64 total=19478726941\nfull avg10=0.00 avg60=11.00 avg300=0.00 total=0\n")
	if p := m.psi("memory"); !p.OK || p.Value != (cluster.Pressure{Some: 49.42, Full: 11}) {
		t.Errorf("memory: %+v", p)
	}
	write("/proc/pressure/io", "some nonsense\n")
	if p := m.psi("io"); p.OK {
		t.Errorf("nonsense: %+v", p)
	}
	// The quota stands at the pod's group, above the container's own.
	write("/proc/7/cgroup", "0::/kubepods/pod1/etcd\n")
	write("/sys/fs/cgroup/kubepods/pod1/etcd/cpu.stat", "usage_usec 10\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n")
	write("/sys/fs/cgroup/kubepods/pod1/cpu.stat", "usage_usec 10\nnr_periods 200\nnr_throttled 90\nthrottled_usec 4000000\n")
	if share, err := m.throttled(7); err != nil || share != 45 {
		t.Errorf("version 2: %g %v", share, err)
	}
	write("/proc/8/cgroup", "4:memory:/x\n2:cpu,cpuacct:/etcd\n1:name=systemd:/y\n")
	write("/sys/fs/cgroup/cpu,cpuacct/etcd/cpu.stat", "nr_periods 10\nnr_throttled 1\nthrottled_time 5\n")
	if share, err := m.throttled(8); err != nil || share != 10 {
		t.Errorf("version 1: %g %v", share, err)
	}
	write("/proc/9/cgroup", "4:memory:/x\n")
	if _, err := m.throttled(9); err == nil {
		t.Error("no group of CPU time, and yet known")
	}
}

// TestParts finds keys beside snapshots: as files, in other names, in archives;
// what cannot be looked into is not taken for nothing.
func TestParts(t *testing.T) {
	all := []string{cluster.PartAuthority, cluster.PartEtcdAuthority, cluster.PartAccounts, cluster.PartEncryption}
	config := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
	pki := map[string]string{"pki/ca.key": "k", "pki/etcd/ca.key": "k", "pki/sa.key": "k", "pki/ca.crt": "c", "enc/any.yaml": config}
	archive := func(packed bool) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, text := range pki {
			if err := w.WriteHeader(&tar.Header{Name: "etc/kubernetes/" + name, Mode: 0o600, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !packed {
			return b.String()
		}
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		if _, err := g.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		return z.String()
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		fails bool
	}{
		"snapshots alone":           {map[string]string{"s.db": "x", "old/s.db.gz": "x"}, []string{}, false},
		"files":                     {pki, all, false},
		"flat names":                {map[string]string{"ca.key": "k", "etcd-ca.key": "k", "sa.key": "k"}, all[:3], false},
		"a tar":                     {map[string]string{"kubernetes.tar": archive(false)}, all, false},
		"a packed tar":              {map[string]string{"2026/kubernetes.tar.gz": archive(true)}, all, false},
		"a packed tar cut off":      {map[string]string{"k.tgz": archive(true)[:60]}, nil, true},
		"an archive that is sealed": {map[string]string{"ca.key": "k", "rest.tar.age": "age-encryption.org/v1"}, nil, true},
		"certificates only":         {map[string]string{"pki/ca.crt": "c", "admin.yaml": "kind: Config"}, []string{}, false},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m := machine{host: "h", cfg: cluster.Config{Snapshots: []cluster.SnapshotPlace{{Host: "h", Path: dir}}}}
		got := m.places(context.Background())[0].Parts
		if got.OK == c.fails || !c.fails && !reflect.DeepEqual(got.Value, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
