package observe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// inSomeTime holds a look that always takes all of its time against what is
// wanted of it, with more time where a machine under load had too little: only
// what fails with much of it, too, is a fault. A look that has no end is one at
// once.
func inSomeTime(t *testing.T, look func(ctx context.Context) (wrong []string)) {
	t.Helper()
	var wrong []string
	for _, budget := range []time.Duration{3 * time.Second, 10 * time.Second, 40 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		done := make(chan []string, 1)
		go func() {
			wrong := look(ctx)
			if ctx.Err() != nil {
				wrong = append(wrong, "the answer comes after its time")
			}
			done <- wrong
		}()
		select {
		case wrong = <-done:
		case <-time.After(budget + 30*time.Second):
			t.Fatal("the answer hangs with the disk")
		}
		cancel()
		if len(wrong) == 0 {
			return
		}
	}
	t.Error(strings.Join(wrong, "\n"))
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
	inSomeTime(t, func(ctx context.Context) (wrong []string) {
		f := Host(ctx, cfg, "h", "test")
		is := func(ok bool, format string, args ...any) {
			if !ok {
				wrong = append(wrong, fmt.Sprintf(format, args...))
			}
		}
		got := f.Members[0]
		is(f.Reached.OK && got.Disk.OK && got.Process.OK && got.Space.OK,
			"what does not hang is lost: disk %+v, process %+v, space %+v", got.Disk, got.Process, got.Space)
		is(len(got.Certificates) == 1 && !got.Certificates[0].OK && got.Certificates[0].Why == late, "certificates: %+v", got.Certificates)
		is(len(f.Witnesses) == 1 && f.Witnesses[0].Revision.Why == late, "witnesses: %+v", f.Witnesses)
		is(len(f.Node.Logs) == 1 && f.Node.Logs[0].Signs.Why == late, "logs: %+v", f.Node.Logs)
		is(len(f.Snapshots) == 1 && !f.Snapshots[0].DB.OK && f.Snapshots[0].DB.Why != "", "snapshots: %+v", f.Snapshots)
		return wrong
	})
}

// TestEvidenceWithoutTheFileThatHangs: one file that cannot be read costs no
// other.
func TestEvidenceWithoutTheFileThatHangs(t *testing.T) {
	m := newMaster(t, authority(t))
	if err := os.RemoveAll(m.at("/etc/fstab")); err != nil {
		t.Fatal(err)
	}
	hanging(t, m.at("/etc/fstab"))
	inSomeTime(t, func(ctx context.Context) (wrong []string) {
		got := map[string]string{}
		for _, f := range m.evidence(ctx) {
			got[f.Name] = string(f.Data)
		}
		if got["fstab.txt"] != late+"\n" || got["mounts.txt"] == "" || len(got["files/etc/kubernetes/manifests/kube-apiserver.yaml"]) < 20 {
			wrong = append(wrong, fmt.Sprintf("fstab %q, mounts %q, of %d files", got["fstab.txt"], got["mounts.txt"], len(got)))
		}
		return wrong
	})
}

// TestCutOff: what had no time to answer says so, and not that it failed.
func TestCutOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := cluster.Member{Name: "m", Host: "h", DataDir: filepath.Join(t.TempDir(), "d"), ClientURLs: []string{"http://127.0.0.1:1"}}
	f := Host(ctx, cluster.Config{Hosts: []cluster.Host{{Name: "h", Via: cluster.ViaChild}}, Members: []cluster.Member{m}}, "h", "test")
	if got := f.Members[0]; got.Live.Why != cluster.CutOff || got.Disk.OK || got.Disk.Why != cluster.CutOff {
		t.Errorf("live %+v, disk %+v", got.Live, got.Disk)
	}
}
