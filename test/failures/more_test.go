package failures

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/etcds"
)

// eventually is shows for what needs a moment.
func (l *lab) eventually(want diagnose.Code, not ...diagnose.Code) {
	l.t.Helper()
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if found(l.diagnose(), want) {
			break
		}
	}
	l.shows(want, not...)
}

func found(d diagnose.Diagnosis, c diagnose.Code) bool {
	for _, f := range d.Findings {
		if f.Code == c {
			return true
		}
	}
	return false
}

// mustCtl is ctl for a command that must do.
func (l *lab) mustCtl(n string, args ...string) string {
	l.t.Helper()
	out, err := l.ctl(n, append(args, "--command-timeout=12s")...)
	if err != nil {
		l.t.Fatalf("etcdctl %v: %v: %s", args, err, out)
	}
	return out
}

// idOf is a member's ID as etcdctl prints it.
func (l *lab) idOf(n string) string {
	l.t.Helper()
	for _, line := range strings.Split(l.mustCtl("m1", "member", "list"), "\n") {
		if fields := strings.Split(line, ", "); len(fields) > 2 && fields[2] == n {
			return fields[0]
		}
	}
	l.t.Fatalf("no member %s", n)
	return ""
}

// anew wipes a member's data dir and its log.
func (l *lab) anew(n string) {
	l.t.Helper()
	l.kill(n)
	l.must(os.RemoveAll(l.member(n).DataDir))
	l.must(os.Truncate(l.member(n).Run.Process.Log, 0))
}

// of has members run a version of etcd.
func (l *lab) of(version string, names ...string) *lab {
	l.t.Helper()
	program := etcds.Path(l.t, version)
	for _, n := range names {
		for i := range l.cfg.Members {
			if m := &l.cfg.Members[i]; m.Name == n {
				m.Run.Process.Command = append([]string{program}, m.Run.Process.Command[1:]...)
			}
		}
	}
	return l
}

// TestLists: what a list of members says and the configuration does not.
func TestLists(t *testing.T) {
	l := newLab(t).up()
	time.Sleep(6 * time.Second) // etcd refuses changes until its members have known one another for 5 s
	l.mustCtl("m1", "member", "update", l.idOf("m3"), "--peer-urls=http://127.0.0.1:1")
	l.shows(diagnose.PeerURLDrift)
	l.mustCtl("m1", "member", "update", l.idOf("m3"), "--peer-urls="+l.member("m3").PeerURLs[0])
	// A new member in the place of one that was removed waits as a learner.
	l.mustCtl("m1", "member", "remove", l.idOf("m3"))
	l.ended("m3")
	l.anew("m3")
	l.await("m1") // m3 may have led
	l.mustCtl("m1", "member", "add", "m3", "--learner", "--peer-urls="+l.member("m3").PeerURLs[0])
	l.start("m3", "--initial-cluster-state=existing")
	l.eventually(diagnose.LearnerWaiting, diagnose.LearnerUnstarted)
	l.mustCtl("m1", "member", "add", "m4", "--peer-urls=http://127.0.0.1:1")
	l.shows(diagnose.VoterNotConfigured)
}

// TestForeignCluster: a member that was given another cluster's identity.
func TestForeignCluster(t *testing.T) {
	l := newLab(t).up()
	l.put("m1", 3)
	first := filepath.Join(l.dir, "first.db")
	l.mustCtl("m1", "snapshot", "save", first)
	names := l.names("m3")
	for i := range names {
		names[i] = strings.Replace(names[i], "token=failures", "token=another", 1)
	}
	l.restore("m3", first, names...)
	l.start("m3")
	l.eventually(diagnose.ClusterIDMismatch, diagnose.SingleMemberBoot)
}

// TestRewound: everything was restored from an older snapshot, and a newer one
// of the same cluster shows it.
func TestRewound(t *testing.T) {
	l := newLab(t).up()
	first, place := filepath.Join(l.dir, "first.db"), filepath.Join(l.dir, "backups")
	l.must(os.Mkdir(place, 0o700))
	l.mustCtl("m1", "snapshot", "save", first)
	l.put("m1", 40)
	l.mustCtl("m1", "snapshot", "save", filepath.Join(place, "second.db"))
	l.kill("m1", "m2", "m3")
	for _, n := range []string{"m1", "m2", "m3"} {
		l.restore(n, first, l.names(n)...)
	}
	l.up()
	l.cfg.Snapshots = []cluster.SnapshotPlace{{Host: "m1", Path: place}}
	l.shows(diagnose.HistoryRewound)
}

// TestOldFiles: files that were put back from an older copy.
func TestOldFiles(t *testing.T) {
	l := newLab(t).up("--snapshot-count=10")
	old := filepath.Join(l.dir, "old")
	l.kill("m3")
	copyOf(t, l.member("m3").DataDir, old)
	// The leader that knows how far m3 had come must still lead: m3 did not,
	// and the others stay.
	for try := 0; ; try++ {
		l.start("m3", "--snapshot-count=10")
		l.await("m3")
		l.put("m1", 30)
		l.kill("m3")
		l.must(os.RemoveAll(l.member("m3").DataDir))
		copyOf(t, old, l.member("m3").DataDir)
		l.must(os.Truncate(l.member("m3").Run.Process.Log, 0))
		l.start("m3", "--snapshot-count=10")
		if l.ends("m3", 5*time.Second) {
			l.shows(diagnose.LogLostEntries, diagnose.WipedRejoin)
			break
		}
		if try == 5 {
			t.Error("a member whose log was put back from an older copy lives, six times")
			break
		}
	}
	// An old db under a newer log that begins after it.
	l.kill("m2")
	db := filepath.Join(old, "member", "snap", "db")
	data, err := os.ReadFile(db)
	l.must(err)
	l.must(os.WriteFile(l.member("m2").DB(), data, 0o600))
	l.kill("m1")
	l.shows(diagnose.DBBehindLog)
}

// TestStands: processes that are there and do not work.
func TestStands(t *testing.T) {
	l := newLab(t).up()
	l.must(l.run["m3"].Process.Signal(syscall.SIGSTOP))
	d := l.shows(diagnose.MemberStuck)
	if want := fmt.Sprintf("`kill -CONT %d`", l.run["m3"].Process.Pid); !strings.Contains(fmt.Sprint(d.Findings), want) {
		t.Errorf("nothing says %s: %v", want, d.Findings)
	}
	l.must(l.run["m3"].Process.Signal(syscall.SIGCONT))
	l.serving(3)
}

// TestFullOfData fills the quota with what is in use. The quota is large enough
// that the pages which a write has just left do not matter.
func TestFullOfData(t *testing.T) {
	l := newLab(t).up("--quota-backend-bytes=16777216")
	value := strings.Repeat("x", 100<<10)
	for i := range 200 {
		if i < 110 || !found(l.diagnose(), diagnose.NearQuota) {
			l.mustCtl("m1", "put", "near-"+strconv.Itoa(i), value)
			continue
		}
		l.shows(diagnose.NearQuota, diagnose.NoSpaceAlarm)
		break
	}
	for i := range 200 {
		if out, err := l.ctl("m1", "put", "full-"+strconv.Itoa(i), value); err != nil {
			if !strings.Contains(out, "space exceeded") {
				t.Fatal(out)
			}
			break
		}
	}
	l.under(diagnose.NoSpaceAlarm).eventually(diagnose.QuotaFullOfData)
	// Put back, it would be as full.
	for i := range l.cfg.Members {
		p := l.cfg.Members[i].Run.Process
		p.Command = append(p.Command, "--quota-backend-bytes=16777216")
	}
	l.snapshotAndLose()
	l.under(diagnose.DataDirLost).shows(diagnose.HazardQuota)
}

// TestCorruptAlarm: members that differ, and an etcd that is told to look. It
// only sees what differs at the same revision.
func TestCorruptAlarm(t *testing.T) {
	l := newLab(t).up()
	base, one, other := filepath.Join(l.dir, "base.db"), filepath.Join(l.dir, "one.db"), filepath.Join(l.dir, "other.db")
	l.put("m1", 3)
	l.mustCtl("m1", "snapshot", "save", base)
	l.mustCtl("m1", "put", "key", "one value")
	l.mustCtl("m1", "snapshot", "save", one)
	out, err := exec.Command(etcds.Program(t, etcds.V3_7, "etcdutl"), "snapshot", "restore", base, "--data-dir="+l.member("m1").DataDir+"-other").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.kill("m1", "m2", "m3")
	l.start("m1", "--data-dir="+l.member("m1").DataDir+"-other", "--name=default", "--force-new-cluster")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := l.ctl("m1", "put", "key", "another value")
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(out)
		}
	}
	l.mustCtl("m1", "snapshot", "save", other)
	for n, s := range map[string]string{"m1": one, "m2": one, "m3": other} {
		l.restore(n, s, l.names(n)...)
	}
	l.up("--corrupt-check-time=1s")
	l.eventually(diagnose.CorruptAlarm)
}

// TestVersions: releases that are dangerous, and releases that are mixed.
func TestVersions(t *testing.T) {
	l := newLab(t).of(etcds.V3_5_4, "m1", "m2", "m3").up()
	l.eventually(diagnose.VersionHazard)
	l.kill("m1", "m2", "m3")
	l.of(etcds.V3_5_21, "m1", "m2", "m3").up()
	l.under("").with(diagnose.VersionRace).eventually(diagnose.VersionZombies, diagnose.VersionHazard)
	l.kill("m3")
	l.of(etcds.V3_6, "m3").start("m3")
	l.serving(3)
	l.eventually(diagnose.VersionsMixed)
	for _, n := range []string{"m1", "m2"} {
		l.kill(n)
		l.of(etcds.V3_6, n).start(n)
	}
	l.serving(3)
	for end := time.Now().Add(30 * time.Second); !strings.Contains(l.mustCtl("m1", "endpoint", "status"), "3.6.0") && time.Now().Before(end); {
		time.Sleep(200 * time.Millisecond) // all of them have to agree on the new version first
	}
	l.kill("m3")
	l.must(os.Truncate(l.member("m3").Run.Process.Log, 0))
	l.of(etcds.V3_5_21, "m3").start("m3")
	l.ended("m3")
	l.shows(diagnose.EtcdDowngrade)
}
