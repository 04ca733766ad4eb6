package observe

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
)

// trio is a cluster of three etcd processes, each on a host of its own.
type trio struct {
	t       *testing.T
	cfg     cluster.Config
	program string
	initial string
	procs   [3]*exec.Cmd
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	c := &trio{t: t, program: etcds.Path(t, etcds.V3_7)}
	dir := t.TempDir()
	var initial []string
	for i := range c.procs {
		name, peer := fmt.Sprintf("m%d", i+1), fmt.Sprintf("http://127.0.0.1:%d", ports.Free(t))
		c.cfg.Hosts = append(c.cfg.Hosts, cluster.Host{Name: "h" + name[1:], Via: cluster.ViaChild})
		c.cfg.Members = append(c.cfg.Members, cluster.Member{Name: name, Host: "h" + name[1:], DataDir: filepath.Join(dir, name),
			ClientURLs: []string{fmt.Sprintf("http://127.0.0.1:%d", ports.Free(t))}, PeerURLs: []string{peer},
			Run: cluster.Supervisor{Process: &cluster.Process{Command: []string{c.program}}}})
		initial = append(initial, name+"="+peer)
	}
	c.initial = strings.Join(initial, ",")
	for i := range c.procs {
		c.start(i)
		t.Cleanup(func() { c.kill(i) })
	}
	return c
}

func (c *trio) start(i int) {
	c.t.Helper()
	m := c.cfg.Members[i]
	c.procs[i] = exec.Command(c.program, "--name="+m.Name, "--data-dir="+m.DataDir, "--listen-client-urls="+m.ClientURLs[0], "--advertise-client-urls="+m.ClientURLs[0],
		"--listen-peer-urls="+m.PeerURLs[0], "--initial-advertise-peer-urls="+m.PeerURLs[0], "--initial-cluster="+c.initial, "--unsafe-no-fsync", "--logger=zap", "--log-outputs=/dev/null")
	if err := c.procs[i].Start(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *trio) kill(i int) {
	if p := c.procs[i]; p != nil {
		_ = p.Process.Signal(syscall.SIGKILL)
		_ = p.Wait()
		c.procs[i] = nil
	}
}

// look observes the third member's host.
func (c *trio) look() cluster.MemberFacts {
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	return Host(ctx, c.cfg, "h3", "test").Members[0]
}

// TestRunningWithoutQuorum: of a member that serves, nothing but the head of its
// db is read; of one that lost its quorum and runs on, or that was started and
// finds none, the db is looked at for damage and hazards as if it were at rest.
func TestRunningWithoutQuorum(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	client, err := clientv3.New(clientv3.Config{Endpoints: c.cfg.Members[2].ClientURLs, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const objects = 30
	for i := range objects {
		if _, err := client.Put(ctx, fmt.Sprintf("/registry/configmaps/default/c%d", i), `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}}`); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the last batch comes to the disk
		f := c.look()
		if !f.Live.OK || !f.Disk.OK || !f.Disk.Value.DB.OK {
			t.Fatalf("live %+v, disk %+v", f.Live, f.Disk)
		}
		if db := f.Disk.Value.DB.Value; db.InUse != 0 || f.Hazards.OK || f.Hazards.Why != "" {
			t.Fatalf("the db of a member that serves is read whole: %+v, hazards %+v", db, f.Hazards)
		} else if db.Revision == 1+objects {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what was acknowledged does not come to the disk")
		}
	}
	c.kill(0)
	c.kill(1)
	want := func(what string, live bool) {
		t.Helper()
		began := time.Now()
		f := c.look()
		if f.Live.OK != live || !f.Process.OK || !f.Process.Value.Running {
			t.Fatalf("%s: live %+v, process %+v", what, f.Live, f.Process)
		}
		if !f.Disk.OK || !f.Disk.Value.DB.OK || f.Disk.Value.DB.Value.InUse == 0 || len(f.Disk.Value.Damage) > 0 {
			t.Errorf("%s: its pages are not read: %+v", what, f.Disk)
		}
		if !f.Hazards.OK || f.Hazards.Value.Objects != objects {
			t.Errorf("%s: hazards %+v", what, f.Hazards)
		}
		if h := f.Health; live && (len(h) != 1 || !h[0].Ready.OK || h[0].Ready.Value.OK || !h[0].Live.Value.OK || h[0].Ready.Value.Passed == 0) {
			t.Errorf("%s: its own health: %+v", what, h)
		}
		t.Logf("%s: %.1f s", what, time.Since(began).Seconds())
	}
	want("runs on without a quorum", true)
	c.kill(2)
	c.start(2)
	for end := time.Now().Add(20 * time.Second); !process(ctx, c.cfg.Members[2]).Value.Running || !held(c.cfg.Members[2].DB()); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not started")
		}
	}
	want("was started without a quorum", false)
}

// held tells whether a process holds a db.
func held(path string) bool {
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer func() { _ = syscall.Close(fd) }()
	return syscall.Flock(fd, syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}
