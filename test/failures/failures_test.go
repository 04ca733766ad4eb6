package failures

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/etcds"
)

// TestAtRest breaks the files of one stopped cluster in every way; each way has
// a copy of its own.
func TestAtRest(t *testing.T) {
	l := newLab(t).up()
	l.put("m1", 30)
	l.kill("m1", "m2", "m3")
	whole := filepath.Join(l.dir, "whole")
	copyOf(t, l.member("m2").DataDir, whole)
	wal := func() string {
		files, err := filepath.Glob(filepath.Join(l.member("m2").WAL(), "*.wal"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no log: %v", err)
		}
		return files[len(files)-1]
	}
	db := l.member("m2").DB()
	write := func(path string, at int64, b []byte) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		l.must(err)
		defer f.Close()
		_, err = f.WriteAt(b, at)
		l.must(err)
	}
	used := func(path string) int64 { // where the log's preallocated zeros begin
		b, err := os.ReadFile(path)
		l.must(err)
		return int64(len(bytes.TrimRight(b, "\x00")))
	}
	for _, c := range []struct {
		name string
		do   func()
		want diagnose.Code
		not  []diagnose.Code
	}{
		{"nothing", func() {}, diagnose.MemberStopped, []diagnose.Code{diagnose.WALDamaged, diagnose.DBDamaged, diagnose.DataDirLost}},
		{"the last record torn", func() { // one that was on its way: what was synced before stays
			end := (used(wal()) + 7) / 8 * 8
			l.must(os.Truncate(wal(), end))
			write(wal(), end, append([]byte{200, 0, 0, 0, 0, 0, 0, 0}, "\x08\x02\x10\x01 and no more"...))
		}, diagnose.WALTornTail, []diagnose.Code{diagnose.WALDamaged}},
		{"a byte in the middle flipped", func() { write(wal(), used(wal())/2, []byte{0xff, 0xfe, 0xfd}) }, diagnose.WALDamaged, []diagnose.Code{diagnose.WALTornTail}},
		{"the log's end gone", func() { l.must(os.Truncate(wal(), used(wal())/2)) }, diagnose.WALBehindDB, nil},
		{"the log deleted, the db kept", func() { l.must(os.Remove(wal())) }, diagnose.WALMissing, nil},
		{"the db deleted", func() { l.must(os.Remove(db)) }, diagnose.SnapDBMissing, nil},
		{"the db cut off", func() { l.must(os.Truncate(db, 3*4096)) }, diagnose.DBTruncated, nil},
		{"pages of the db zeroed", func() { write(db, 2*4096, make([]byte, 20*4096)) }, diagnose.DBDamaged, nil},
		{"the data dir emptied", func() { l.must(os.RemoveAll(l.member("m2").DataDir)); l.must(os.Mkdir(l.member("m2").DataDir, 0o700)) }, diagnose.DataDirLost, nil},
		{"another program's files", func() {
			l.must(os.RemoveAll(l.member("m2").DataDir))
			l.must(os.Mkdir(l.member("m2").DataDir, 0o700))
			l.must(os.WriteFile(filepath.Join(l.member("m2").DataDir, "lost+found"), nil, 0o600))
		}, diagnose.DataDirForeign, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.t = t
			l.must(os.RemoveAll(l.member("m2").DataDir))
			copyOf(t, whole, l.member("m2").DataDir)
			c.do()
			if c.want == diagnose.WALTornTail {
				l.under(diagnose.MemberStopped) // etcd mends it itself
			}
			if d := l.shows(c.want, c.not...); d.Scenario != diagnose.Stopped || d.Level.Data != diagnose.D0 {
				t.Errorf("two sound disks of three give %s %s", d.Scenario, d.Level)
			}
		})
	}
	l.t = t
}

// TestQuorum: temporary and permanent losses are told apart by the disks.
func TestQuorum(t *testing.T) {
	l := newLab(t).up()
	l.kill("m2", "m3")
	d := l.under(diagnose.MemberStopped).shows(diagnose.QuorumLost, diagnose.QuorumGone)
	if d.Scenario != diagnose.Stopped || d.Level.Data != diagnose.D0 {
		t.Errorf("temporary: %s %s", d.Scenario, d.Level)
	}
	l.must(os.RemoveAll(l.member("m2").DataDir))
	l.must(os.RemoveAll(l.member("m3").DataDir))
	d = l.under(diagnose.DataDirLost).shows(diagnose.QuorumGone)
	if d.Scenario != diagnose.MajorityLost || d.Level.Data != diagnose.D1 {
		t.Errorf("permanent: %s %s", d.Scenario, d.Level)
	}
	l.kill("m1")
	l.must(os.RemoveAll(l.member("m1").DataDir))
	if d = l.under(diagnose.DataDirLost).shows(diagnose.AllMembersLost); d.Scenario != diagnose.AllLost || d.Level.Data != diagnose.D3 {
		t.Errorf("everything: %s %s", d.Scenario, d.Level)
	}
}

// TestWipedMember comes back in the three wrong ways that operators try.
func TestWipedMember(t *testing.T) {
	l := newLab(t).up()
	l.put("m1", 5)
	wipe := func() {
		l.kill("m3")
		l.must(os.RemoveAll(l.member("m3").DataDir))
		l.must(os.Truncate(l.member("m3").Run.Process.Log, 0))
	}
	wipe()
	l.shows(diagnose.DataDirLost)
	l.start("m3", "--initial-cluster-state=new")
	l.ended("m3")
	l.under(diagnose.DataDirLost).shows(diagnose.AlreadyBootstrapped, diagnose.WALDamaged, diagnose.WALMissing, diagnose.DBDamaged)
	// A leader that was elected in between sends the whole log and the member
	// lives: on a busy machine it may take some tries.
	for try := 0; ; try++ {
		wipe()
		l.start("m3", "--initial-cluster-state=existing")
		if l.ends("m3", 5*time.Second) {
			l.shows(diagnose.WipedRejoin)
			break
		}
		if try == 5 {
			t.Error("a wiped member under its old identity lives, six times")
			break
		}
	}
	wipe()
	l.start("m3", "--initial-cluster=m3="+l.member("m3").PeerURLs[0])
	l.await("m3")
	if d := l.shows(diagnose.SingleMemberBoot); d.Scenario != diagnose.Impostor {
		t.Errorf("a cluster of one: %s", d.Scenario)
	}
}

// TestMembership: learners, removals.
func TestMembership(t *testing.T) {
	l := newLab(t).up("--max-learners=2")
	time.Sleep(6 * time.Second) // etcd refuses changes until its members have known one another for 5 s
	if out, err := l.ctl("m1", "member", "add", "m4", "--learner", "--peer-urls=http://127.0.0.1:1"); err != nil {
		t.Fatal(out)
	}
	l.shows(diagnose.LearnerUnstarted)
	// One learner more than a member is told to accept.
	l.mustCtl("m1", "member", "add", "m5", "--learner", "--peer-urls=http://127.0.0.1:2")
	l.await("m3")
	time.Sleep(300 * time.Millisecond) // until m3 has written it into its db
	l.kill("m3")
	l.start("m3", "--max-learners=1")
	l.ended("m3")
	l.under(diagnose.LearnerUnstarted).shows(diagnose.EtcdTooManyLearners)
	l.start("m3", "--max-learners=2")
	l.await("m3")
	l.serving(3)
	time.Sleep(6 * time.Second)
	out, err := l.ctl("m1", "member", "list")
	l.must(err)
	id := regexp.MustCompile(`(?m)^([0-9a-f]+), started, m3,`).FindStringSubmatch(out)
	if id == nil {
		t.Fatal(out)
	}
	if out, err := l.ctl("m1", "member", "remove", id[1]); err != nil {
		t.Fatal(out)
	}
	l.ended("m3")
	l.shows(diagnose.MemberRemoved, diagnose.DataDirLost)
}

// TestRefusesToStart: flags, ports, names.
func TestRefusesToStart(t *testing.T) {
	l := newLab(t).up()
	again := func(flags ...string) {
		l.kill("m3")
		l.must(os.Truncate(l.member("m3").Run.Process.Log, 0))
		l.start("m3", flags...)
		l.ended("m3")
	}
	again("--experimental-nonsense=true")
	l.shows(diagnose.EtcdBadFlag)
	again("--listen-client-urls=" + l.member("m1").ClientURLs[0])
	l.shows(diagnose.PortInUse, diagnose.EtcdBadFlag)
	again("--data-dir="+l.member("m3").DataDir+"x", "--name=default")
	l.shows(diagnose.MemberNameUnknown, diagnose.PortInUse)
}

// TestQuota fills a small quota, once with air and once with data.
func TestQuota(t *testing.T) {
	l := newLab(t)
	for i := range l.cfg.Members {
		l.start(l.cfg.Members[i].Name, "--quota-backend-bytes=4194304")
	}
	l.await("m1")
	value := strings.Repeat("x", 100<<10)
	for i := range 60 {
		if out, err := l.ctl("m1", "put", "big", value+string(rune('a'+i%26))); err != nil {
			if !strings.Contains(out, "space exceeded") {
				t.Fatal(out)
			}
			break
		}
	}
	if d := l.shows(diagnose.NoSpaceAlarm); d.Scenario != diagnose.NoSpace || d.Cause.Code != diagnose.NoSpaceAlarm {
		t.Errorf("%s %+v", d.Scenario, d.Cause)
	}
}

// TestAuth locks everybody out; every health check stays green.
func TestAuth(t *testing.T) {
	l := newLab(t).up()
	for _, args := range [][]string{{"user", "add", "root", "--no-password"}, {"user", "grant-role", "root", "root"}, {"auth", "enable"}} {
		if out, err := l.ctl("m1", args...); err != nil {
			t.Fatalf("%v: %s", args, out)
		}
	}
	d := l.shows(diagnose.AuthLockout)
	if d.Scenario != diagnose.Degraded {
		t.Errorf("%s %s", d.Scenario, d.Level)
	}
}

// restore makes data dirs of a snapshot, as etcdutl does it.
func (l *lab) restore(n, snapshot string, args ...string) {
	l.t.Helper()
	l.kill(n)
	l.must(os.RemoveAll(l.member(n).DataDir))
	out, err := exec.Command(etcds.Program(l.t, etcds.V3_7, "etcdutl"), append([]string{"snapshot", "restore", snapshot, "--data-dir=" + l.member(n).DataDir}, args...)...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
}

func (l *lab) names(n string) []string {
	return []string{"--name=" + n, "--initial-cluster=" + cluster.InitialCluster(l.cfg.Members), "--initial-cluster-token=failures", "--initial-advertise-peer-urls=" + l.member(n).PeerURLs[0]}
}

// TestWrongRestores restores in the three ways that end badly.
func TestWrongRestores(t *testing.T) {
	l := newLab(t).up()
	l.put("m1", 3)
	first, second := filepath.Join(l.dir, "first.db"), filepath.Join(l.dir, "second.db")
	save := func(to string) {
		if out, err := l.ctl("m1", "snapshot", "save", to); err != nil {
			t.Fatal(out)
		}
	}
	save(first)
	l.put("m1", 5)
	save(second)

	// Each member from its own backup: one of them is older. Nobody raises an alarm.
	l.restore("m1", second, l.names("m1")...)
	l.restore("m2", second, l.names("m2")...)
	l.restore("m3", first, l.names("m3")...)
	l.up()
	d := l.shows(diagnose.Diverged, diagnose.CorruptAlarm)
	if d.Scenario == diagnose.Healthy {
		t.Error("members that differ count as healthy")
	}

	// The old token: a member that was left out still has the same cluster ID.
	l.put("m1", 40)
	l.kill("m1", "m2", "m3")
	l.restore("m1", first, l.names("m1")...)
	l.restore("m2", first, l.names("m2")...)
	l.start("m1")
	l.start("m2")
	l.await("m1")
	l.shows(diagnose.SameIDOtherHistory)

	// Without names: each is a cluster of its own.
	for _, n := range []string{"m1", "m2", "m3"} {
		l.restore(n, first)
	}
	l.shows(diagnose.RestoredAlone)
}

// TestDisks fills a disk and takes the right to write away: it takes a file
// system of its own.
func TestDisks(t *testing.T) {
	l := newLab(t)
	dir := l.member("m3").DataDir
	l.must(os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200m"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	l.up()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	l.must(err)
	for block := make([]byte, 1<<20); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	l.must(f.Close())
	l.kill("m3")
	d := l.shows(diagnose.DiskFull, diagnose.DiskReadOnly)
	for _, m := range d.Members {
		if m.Name == "m3" && m.State != diagnose.StateHeld {
			t.Errorf("m3 is %s", m.State)
		}
	}
	l.must(os.Remove(ballast))
	l.must(syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=200m"))
	l.shows(diagnose.DiskReadOnly, diagnose.DiskFull)
	l.must(syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=200m"))
	l.start("m3")
	l.await("m3")
	if d := l.diagnose(); d.Scenario != diagnose.Healthy {
		t.Errorf("with room again: %s %v", d.Scenario, d.Findings)
	}
}

// TestHealthy: a real cluster in order has nothing to be found.
func TestHealthy(t *testing.T) {
	l := newLab(t).up()
	facts := l.facts()
	d := diagnose.Diagnose(facts)
	if d.Scenario != diagnose.Healthy || len(grave(d)) > 0 || len(d.Unjudged) > 0 {
		t.Errorf("%s %v %v", d.Scenario, d.Findings, d.Unjudged)
	}
	l.keep("", "", facts)
}
