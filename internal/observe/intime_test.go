package observe

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// hanging makes a file of which nobody can open an end until the test is over,
// as on a disk that does not answer.
func hanging(t *testing.T, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the readers go
		if fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
			_ = syscall.Close(fd)
		}
	})
	return path
}

// TestAHangingDiskHidesOnlyItself: a look at a machine ends in time, with all
// that could be seen.
func TestAHangingDiskHidesOnlyItself(t *testing.T) {
	dir := t.TempDir()
	places := filepath.Join(dir, "b")
	if err := os.Mkdir(places, 0o700); err != nil {
		t.Fatal(err)
	}
	m := cluster.Member{Name: "m", Host: "h", DataDir: filepath.Join(dir, "d"), ClientURLs: []string{"http://127.0.0.1:1"},
		Certificates: cluster.MemberCertificates{Server: hanging(t, filepath.Join(dir, "server.crt"))},
		Run:          cluster.Supervisor{Process: &cluster.Process{Log: hanging(t, filepath.Join(dir, "log"))}}}
	cfg := cluster.Config{Hosts: []cluster.Host{{Name: "h", Via: cluster.ViaChild}}, Members: []cluster.Member{m},
		Snapshots: []cluster.SnapshotPlace{{Host: "h", Path: hanging(t, filepath.Join(places, "s.db"))}},
		Witnesses: []cluster.WitnessPlace{{Host: "h", Path: hanging(t, filepath.Join(dir, "witness"))}}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	done := make(chan cluster.HostFacts, 1)
	go func() { done <- Host(ctx, cfg, "h", "test") }()
	select {
	case f := <-done:
		if ctx.Err() != nil {
			t.Error("the answer comes after its time")
		}
		got := f.Members[0]
		if !f.Reached.OK || !got.Disk.OK || !got.Process.OK || !got.Space.OK {
			t.Errorf("what does not hang is lost: disk %+v, process %+v, space %+v", got.Disk, got.Process, got.Space)
		}
		if len(got.Certificates) != 1 || got.Certificates[0].OK || got.Certificates[0].Why != late {
			t.Errorf("certificates: %+v", got.Certificates)
		}
		if len(f.Witnesses) != 1 || f.Witnesses[0].Revision.Why != late {
			t.Errorf("witnesses: %+v", f.Witnesses)
		}
		if len(f.Node.Logs) != 1 || f.Node.Logs[0].Signs.Why != late {
			t.Errorf("logs: %+v", f.Node.Logs)
		}
		if len(f.Snapshots) != 1 || f.Snapshots[0].DB.OK || f.Snapshots[0].DB.Why == "" {
			t.Errorf("snapshots: %+v", f.Snapshots)
		}
	case <-time.After(6 * time.Second):
		t.Fatal("the answer hangs with the disk")
	}
}

// TestEvidenceWithoutTheFileThatHangs: one file that cannot be read costs no
// other.
func TestEvidenceWithoutTheFileThatHangs(t *testing.T) {
	m := newMaster(t, authority(t))
	if err := os.RemoveAll(m.at("/etc/fstab")); err != nil {
		t.Fatal(err)
	}
	hanging(t, m.at("/etc/fstab"))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	done := make(chan []EvidenceFile, 1)
	go func() { done <- m.evidence(ctx) }()
	select {
	case files := <-done:
		got := map[string]string{}
		for _, f := range files {
			got[f.Name] = string(f.Data)
		}
		if got["fstab.txt"] != late+"\n" || got["mounts.txt"] == "" || len(got["files/etc/kubernetes/manifests/kube-apiserver.yaml"]) < 20 {
			t.Errorf("fstab %q, mounts %q, of %d files", got["fstab.txt"], got["mounts.txt"], len(files))
		}
	case <-time.After(6 * time.Second):
		t.Fatal("the evidence hangs with one file")
	}
}
