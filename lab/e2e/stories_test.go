package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/lab/state"
)

// silence stops what starts etcd on machines, and etcd itself by SIGKILL.
func (b *bench) silence(machines ...string) {
	b.Helper()
	unit := "kubelet"
	if b.layout == "external" {
		unit = "etcd"
	}
	for _, m := range machines {
		if out, err := b.on(m, "systemctl stop "+unit+"; for p in $(pidof etcd); do kill -9 $p; done; sleep 0.3; ! pidof etcd"); err != nil {
			b.Fatalf("silence %s: %v: %s", m, err, out)
		}
	}
}

// loses empties machines' data dirs for good: nothing there starts an etcd
// again before somebody acts.
func (b *bench) loses(machines ...string) {
	b.Helper()
	b.silence(machines...)
	for _, m := range machines {
		if out, err := b.on(m, "find /var/lib/etcd -mindepth 1 -delete"); err != nil {
			b.Fatalf("wipe %s: %v: %s", m, err, out)
		}
	}
}

func TestStopped(t *testing.T) {
	b := newBench(t)
	b.silence(b.planes()...)
	b.ledger.close()
	b.init()
	b.sees("stopped")
	b.recover()
	b.whole()
}

// TestMemberLost: the API is there all the time.
func TestMemberLost(t *testing.T) {
	b := newBench(t)
	b.loses(b.planes()[1])
	b.init()
	b.sees("member-lost")
	b.recover()
	b.ledger.close()
	b.whole()
	if gap := b.ledger.gap(); gap > 10*time.Second {
		t.Errorf("the API took no write for %s", gap)
	}
}

func TestMajorityLost(t *testing.T) {
	b := newBench(t)
	b.loses(b.planes()[1:]...)
	b.ledger.close()
	b.init()
	b.sees("majority-lost")
	b.recover()
	b.whole()
}

// TestPowerCut: all machines lose their power; one comes back with a torn log
// and one with a damaged db.
func TestPowerCut(t *testing.T) {
	b := newBench(t)
	p := b.planes()
	b.silence(p...)
	b.ledger.close()
	b.breaks("power-cut", p...)
	b.breaks("tear-wal", p[1])
	b.breaks("flip-db", p[2])
	b.run("lab", append([]string{"power", "on"}, p...)...)
	b.init()
	d := b.diagnose()
	t.Logf("seen: %s", d.Summary.En)
	begin := time.Now()
	if _, said, err := b.try("salvor", "recover", "--yes", "--accept-loss", "unknown"); err == nil {
		b.split(begin)
	} else {
		// A flipped value shows only when etcd compares it with its peers': then
		// the member does not start, and the next look knows.
		t.Logf("the first attempt: %v: %s", err, last(said, 3))
		b.recover()
	}
	b.whole()
}

// TestAllLost: what was written after the snapshot is lost, and nothing else;
// salvor has said so before.
func TestAllLost(t *testing.T) {
	b := newBench(t)
	const folder = "/var/backups/etcd"
	b.snapshot(b.planes()[0], folder)
	b.ledger.mu.Lock()
	kept := append([]string(nil), b.ledger.names...)
	b.ledger.mu.Unlock()
	time.Sleep(2 * time.Second)
	b.loses(b.planes()...)
	b.ledger.close()
	b.init(folder)
	b.sees("all-lost")
	b.recover()
	b.nodesReady(2 * time.Minute)
	lost, err := b.ledger.lost()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lost {
		for _, k := range kept {
			if name == k {
				t.Errorf("%s is lost, and the snapshot held it", name)
			}
		}
	}
	t.Logf("%d of %d objects were written after the snapshot and are lost", len(lost), len(b.ledger.names))
	b.grows()
}

// snapshot takes one of a living member, from this box, and puts it on its
// machine.
func (b *bench) snapshot(host, folder string) {
	b.Helper()
	m, err := b.lab.Find(host)
	if err != nil {
		b.Fatal(err)
	}
	root := state.Site().Root(m)
	pki := root + "/etc/kubernetes/pki/etcd/"
	files := cluster.TLS{CA: pki + "ca.crt", Cert: pki + "healthcheck-client.crt", Key: pki + "healthcheck-client.key"}
	if b.layout == "external" {
		pki = root + "/etc/ssl/etcd/ssl/"
		files = cluster.TLS{CA: pki + "ca.pem", Cert: pki + "admin-" + host + ".pem", Key: pki + "admin-" + host + "-key.pem"}
	}
	c, err := etcd.Dial(b.ctx, []string{"https://" + m.Addr + ":2379"}, files)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	local := filepath.Join(b.dir, "snapshot", "s.db")
	if err := os.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		b.Fatal(err)
	}
	if _, err := c.SaveSnapshot(b.ctx, local, nil); err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(root+folder), os.MkdirAll(root+folder, 0o700)); err != nil {
		b.Fatal(err)
	}
	if err := os.CopyFS(root+folder, os.DirFS(filepath.Dir(local))); err != nil {
		b.Fatal(err)
	}
}

// TestMachineDead: two disks are lost and one of those machines stays dead. The
// cluster comes back without it, and takes it in when it is there again.
func TestMachineDead(t *testing.T) {
	b := newBench(t)
	p := b.planes()
	b.loses(p[1:]...)
	b.ledger.close()
	b.breaks("power-cut", p[2])
	b.init()
	begin := time.Now()
	b.diagnose()
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("diagnose took %s", took)
	}
	b.recover("--gone", p[2])
	b.ledger.check()
	b.run("lab", "power", "on", p[2])
	b.init() // what was assumed of the dead machine is known now
	// A unit starts etcd on the empty disk, which founds a cluster of its own; a
	// kubelet's may not have got so far.
	b.sees("member-lost", "impostor")
	b.recover()
	b.whole()
}

// TestResumed: the coordinator is killed at three moments, and another one goes
// on with nothing but what it finds on the machines.
func TestResumed(t *testing.T) {
	b := newBench(t)
	b.loses(b.planes()[1:]...)
	b.ledger.close()
	b.init()
	b.sees("majority-lost")
	begin := time.Now()
	b.killAt("fence-component", "recover", "--yes", "--accept-loss", "unknown")
	b.capture(fault{want: diagnose.HeldBack})
	for _, moment := range []string{"put-in-place", "await-api"} {
		b.forget()
		b.killAt(moment, "resume")
	}
	b.forget()
	b.run("salvor", "resume")
	b.split(begin)
	b.whole()
}

// TestPartitioned: a machine loses its network to the others in the middle of
// the recovery. Nothing is proven without it, so the run stops; healed, it goes
// on.
func TestPartitioned(t *testing.T) {
	b := newBench(t)
	p := b.planes()
	b.loses(p[1:]...)
	b.ledger.close()
	b.init()
	b.sees("majority-lost")
	begin := time.Now()
	cmd, out, said := b.command("salvor", "recover", "--yes", "--accept-loss", "unknown")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for cut := false; !cut; {
		select {
		case err := <-ended:
			t.Fatalf("recover ended before the partition: %v\n%s%s", err, last(out.String(), 30), last(said.String(), 30))
		case <-time.After(20 * time.Millisecond):
			cut = b.has("put-in-place")
		}
	}
	b.breaks("partition", p[2])
	err := <-ended
	t.Logf("with %s cut off: %v: %s", p[2], err, last(said.String(), 2))
	b.run("lab", "heal", "partition")
	if err != nil {
		b.run("salvor", "resume")
	}
	b.split(begin)
	b.whole()
}

// forget takes away what the operator's machine knows of cases: the next
// coordinator is another machine.
func (b *bench) forget() {
	b.Helper()
	if out, err := exec.Command("rm", "-rf", b.dir+"/.local").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// killAt runs salvor and kills it as soon as it has done a step of a kind.
func (b *bench) killAt(kind string, args ...string) {
	b.Helper()
	cmd, out, said := b.command("salvor", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			b.Fatalf("salvor %s ended by itself before %s: %v\n%s%s", args[0], kind, err, last(out.String(), 30), last(said.String(), 30))
		case <-time.After(20 * time.Millisecond):
		}
		if b.has(kind) {
			break
		}
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-ended
	b.Logf("salvor %s was killed at %s", args[0], kind)
}

// has tells whether the newest case's journal knows that a step was begun.
func (b *bench) has(kind string) bool {
	out, err := exec.Command("bash", "-c", fmt.Sprintf(`cat %s/.local/state/salvor/cases/*/journal.jsonl 2>/dev/null`, b.dir)).Output()
	return err == nil && strings.Contains(string(out), `"event":"started"`) && strings.Contains(string(out), `"step":"`+kind)
}

// TestLateMember: a machine is dead while the others are rebuilt, and returns
// with its old data. It can neither join nor serve, until it is taken in anew.
func TestLateMember(t *testing.T) {
	b := newBench(t)
	p := b.planes()
	b.ledger.close()
	b.breaks("power-cut", p[2])
	b.loses(p[1])
	b.init()
	b.sees("majority-lost", "unreachable")
	b.recover("--gone", p[2])
	b.run("lab", "power", "on", p[2])
	b.until(time.Minute, "the old member is up", func() error {
		if out, err := b.on(p[2], "pidof etcd"); err != nil {
			return fmt.Errorf("%s: %w", out, err)
		}
		return nil
	})
	time.Sleep(10 * time.Second)
	b.ledger.check()
	b.init() // what was assumed of the dead machine is known now
	b.recover()
	b.whole()
}

// hidesDisks takes machines' data dirs away as a lost disk does, but so that they
// can be found again.
func (b *bench) hidesDisks(machines ...string) {
	b.Helper()
	b.silence(machines...)
	for _, m := range machines {
		if out, err := b.on(m, "mkdir /var/lib/etcd-found && mv /var/lib/etcd/member /var/lib/etcd-found/"); err != nil {
			b.Fatalf("hide %s: %v: %s", m, err, out)
		}
	}
}

// state0 is what a rollback has to bring back on a machine: the manifests, the
// units and whose data it is.
func (b *bench) state0(machine string) string {
	b.Helper()
	out, err := b.on(machine, "cd /etc/kubernetes/manifests && sha256sum *; ls -AR /etc/systemd/system; stat -c %i /var/lib/etcd/member/snap/db /var/lib/etcd/member/wal")
	if err != nil {
		b.Fatalf("look at %s: %v: %s", machine, err, out)
	}
	return out
}

// TestRolledBack: the coordinator is killed with everything held back and the new
// data in place on some machines. A rollback brings back what there was; with
// the disks found, that is the cluster as it was before.
func TestRolledBack(t *testing.T) {
	b := newBench(t)
	p := b.planes()
	was := b.state0(p[0])
	b.hidesDisks(p[1:]...)
	b.ledger.close()
	b.init()
	b.sees("majority-lost")
	b.killAt("put-in-place", "recover", "--yes", "--accept-loss", "unknown")
	b.run("salvor", "rollback", b.newest(), "--yes", "--accept-loss", "unknown")
	if now := b.state0(p[0]); now != was {
		t.Errorf("%s is not what it was:\n%s\nbut\n%s", p[0], was, now)
	}
	b.unfenced()
	for _, m := range p[1:] {
		b.silence(m)
		if out, err := b.on(m, "rm -rf /var/lib/etcd/member && mkdir -p /var/lib/etcd && mv /var/lib/etcd-found/member /var/lib/etcd/ && rmdir /var/lib/etcd-found"); err != nil {
			t.Fatalf("the disk of %s is found: %v: %s", m, err, out)
		}
	}
	b.silence(p[0]) // nobody has told the others from a crash
	b.sees("stopped")
	b.recover()
	b.unfenced()
	b.whole()
}

// newest is the newest case's name.
func (b *bench) newest() string {
	b.Helper()
	all, err := filepath.Glob(b.dir + "/.local/state/salvor/cases/*/journal.jsonl")
	if err != nil || len(all) == 0 {
		b.Fatalf("there is no case (%v)", err)
	}
	slices.Sort(all)
	return filepath.Base(filepath.Dir(all[len(all)-1]))
}

// fenced demands that what is held back on a machine cannot be brought back by
// what usually does: its service manager, its kubelet, a person.
func (b *bench) fenced(machine string) {
	b.Helper()
	line := "systemctl restart kubelet; sleep 6; ! pidof etcd kube-apiserver"
	if b.layout == "external" {
		line = "systemctl daemon-reload; systemctl start etcd && exit 1; " + line
	}
	if out, err := b.on(machine, line); err != nil {
		b.Errorf("what is held back on %s runs again: %v: %s", machine, err, out)
	}
}

// unfenced demands that nothing keeps any unit from being started.
func (b *bench) unfenced() {
	b.Helper()
	for _, m := range b.planes() {
		if out, err := b.on(m, "! ls /etc/systemd/system/*.d/90-salvor-fence.conf /run/systemd/system/*.d/90-salvor-fence.conf 2>/dev/null"); err != nil {
			b.Errorf("%s still holds units back: %v: %s", m, err, out)
		}
	}
}

// TestFenceHolds: the coordinator dies while everything is held back; one machine
// loses its power and returns. Nothing of it runs before somebody goes on: with
// kubeadm the manifests are out, with units a drop-in keeps them from starting.
func TestFenceHolds(t *testing.T) {
	b := newBench(t)
	p := b.planes()
	b.loses(p[1:]...)
	b.ledger.close()
	b.init()
	b.sees("majority-lost")
	b.killAt("salvage", "recover", "--yes", "--accept-loss", "unknown")
	b.fenced(p[0])
	b.breaks("power-cut", p[1])
	b.run("lab", "power", "on", p[1])
	b.until(time.Minute, "the machine is up", func() error {
		_, err := b.on(p[1], "systemctl is-active kubelet")
		return err
	})
	b.fenced(p[1])
	b.run("salvor", "resume")
	b.unfenced()
	b.whole()
}
