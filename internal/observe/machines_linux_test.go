package observe

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/captured"
	"github.com/salvor-project/salvor/test/etcds"
)

// TestRealFullRuntime fills the file system below a machine's containers: no API
// server is started there.
func TestRealFullRuntime(t *testing.T) {
	t.Parallel()
	c := newControl(t)
	c.manifest("kube-apiserver", "kube-apiserver", "--secure-port="+strconv.Itoa(c.port))
	dir := filepath.Join(c.root, "var/lib/containerd")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	c.write("/var/lib/containerd/layer", make([]byte, 12<<20))
	c.whenEtcd(func(m cluster.MemberFacts) bool { return m.Live.OK && m.Live.Value.Linearizable.Value })
	c.keepAs(captured.Fixture{Code: diagnose.NodeDiskFull, Cause: diagnose.NodeDiskFull, Also: []diagnose.Code{diagnose.APIDown}, Facts: c.whole("")})
}

// TestRealAddress starts an etcd at an address that the machine does not have any
// more.
func TestRealAddress(t *testing.T) {
	t.Parallel()
	c := newControl(t)
	c.manifest("kube-apiserver", "kube-apiserver", "--secure-port="+strconv.Itoa(c.port))
	c.whenEtcd(func(m cluster.MemberFacts) bool { return m.Live.OK && m.Live.Value.Linearizable.Value })
	c.kill("etcd")
	c.peer = "http://203.0.113.9:2380"
	c.run("etcd", "/var/log/etcd.log", etcds.Path(t, etcds.V3_7), "--data-dir="+filepath.Join(c.root, "var/lib/etcd"), "--listen-peer-urls="+c.peer)
	if err := c.procs["etcd"].Wait(); err == nil {
		t.Fatal("etcd listens at an address of another machine")
	}
	delete(c.procs, "etcd")
	log, err := os.ReadFile(filepath.Join(c.root, "var/log/etcd.log"))
	if err != nil || !strings.Contains(string(log), "cannot assign requested address") {
		t.Fatalf("%v: %s", err, log)
	}
	c.keep(diagnose.AddressNotHere, diagnose.AddressNotHere)
}

// whenEtcd waits for a state of the etcd as it is observed.
func (c *control) whenEtcd(ok func(cluster.MemberFacts) bool) {
	c.t.Helper()
	var m cluster.MemberFacts
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if m = c.whole("").Hosts[0].Members[0]; ok(m) {
			return
		}
	}
	c.t.Fatalf("not within 40 s: %+v", m)
}
