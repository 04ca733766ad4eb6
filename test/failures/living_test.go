package failures

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/host/ssh"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
)

// alone leaves a lab one member.
func (l *lab) alone() *lab {
	l.cfg.Hosts, l.cfg.Members = l.cfg.Hosts[:1], l.cfg.Members[:1]
	return l
}

// everywhere runs etcdctl against all members.
func (l *lab) everywhere(args ...string) string {
	l.t.Helper()
	var all []string
	for _, m := range l.cfg.Members {
		all = append(all, m.ClientURLs[0])
	}
	out, err := exec.Command(etcds.Program(l.t, etcds.V3_7, "etcdctl"), append(args, "--endpoints="+strings.Join(all, ","), "--command-timeout=12s")...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("etcdctl %v: %v: %s", args, err, out)
	}
	return string(out)
}

// leader is the member that leads.
func (l *lab) leader() string {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, h := range l.facts().Hosts {
			for _, m := range h.Members {
				if m.Live.OK && m.Live.Value.Leader != 0 && m.Live.Value.Leader == m.Live.Value.MemberID {
					return m.Name
				}
			}
		}
	}
	l.t.Fatal("nobody leads")
	return ""
}

// TestUnsteady: a cluster that serves, and not well.
func TestUnsteady(t *testing.T) {
	l := newLab(t).up()
	// Two names that lead to one member.
	own := l.cfg.Members[1].ClientURLs
	l.cfg.Members[1].ClientURLs = l.cfg.Members[0].ClientURLs
	l.shows(diagnose.MembersDisagree)
	l.cfg.Members[1].ClientURLs = own
	// A leader that comes late, as on a machine with too little CPU.
	slow := l.leader()
	for range 12 {
		l.must(l.run[slow].Process.Signal(syscall.SIGSTOP))
		time.Sleep(200 * time.Millisecond)
		l.must(l.run[slow].Process.Signal(syscall.SIGCONT))
		time.Sleep(150 * time.Millisecond)
	}
	l.await("m1")
	l.under("").eventually(diagnose.LateHeartbeats)
	// The leader changes again and again.
	for i := range 10 {
		l.everywhere("move-leader", l.idOf([]string{"m1", "m2", "m3"}[i%3]))
	}
	l.with(diagnose.LateHeartbeats).eventually(diagnose.LeaderUnstable)
	// A member that may not read its own files, and a cluster without a spare.
	l.kill("m3")
	l.must(os.Truncate(l.member("m3").Run.Process.Log, 0))
	l.unprivileged("m3")
	l.ended("m3")
	l.with(diagnose.NoSpareMember).shows(diagnose.EtcdPermission, diagnose.DiskReadOnly)
}

// unprivileged starts a member that has no right to its data dir: as root it is
// another user's, and the right to read everything is given up.
func (l *lab) unprivileged(n string) {
	l.t.Helper()
	args := append([]string{l.member(n).Run.Process.Command[0]}, l.flags(n)...)
	if os.Getuid() != 0 {
		l.must(os.Chmod(l.member(n).DataDir, 0o500))
		l.t.Cleanup(func() { _ = os.Chmod(l.member(n).DataDir, 0o700) })
	} else {
		l.must(os.Chown(l.member(n).DataDir, 65534, 65534))
		args = append([]string{"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"}, args...)
	}
	l.begin(n, exec.Command(args[0], args[1:]...))
}

// TestFewFiles: a member that may open too few files to start, and one whose
// files are taken up by connections.
func TestFewFiles(t *testing.T) {
	l := newLab(t).up()
	again := func(limit string) {
		l.kill("m3")
		l.must(os.Truncate(l.member("m3").Run.Process.Log, 0))
		l.begin("m3", exec.Command("sh", append([]string{"-c", "ulimit -n " + limit + `; exec "$@"`, "sh", l.member("m3").Run.Process.Command[0]}, l.flags("m3")...)...))
	}
	again("24")
	l.ended("m3")
	l.await("m1") // m3 may have led
	l.as("start").shows(diagnose.TooManyOpenFiles)
	again("200")
	l.await("m3")
	var taken []net.Conn
	defer func() {
		for _, c := range taken {
			_ = c.Close()
		}
	}()
	for range 220 {
		c, err := net.Dial("tcp", strings.TrimPrefix(l.member("m3").PeerURLs[0], "http://"))
		l.must(err)
		taken = append(taken, c)
	}
	l.eventually(diagnose.TooManyOpenFiles)
}

// TestIsolated cuts one member off from its peers, and then all.
func TestIsolated(t *testing.T) {
	l := newLab(t)
	between := l.apart()
	l.up()
	l.await("m3")
	id := l.idOf("m3")
	between.drop(func(from, to string) bool { return from == id || to == "m3" })
	l.eventually(diagnose.MemberIsolated)
	between.drop(func(string, string) bool { return true })
	l.with(diagnose.QuorumLost).eventually(diagnose.NoQuorumThoughLive)
}

// TestAir: a db that is mostly air after what filled it was deleted.
func TestAir(t *testing.T) {
	l := newLab(t).alone().up("--max-request-bytes=33554432")
	value := strings.Repeat("x", 4<<20)
	for i := range 28 {
		cmd := exec.Command(etcds.Program(t, etcds.V3_7, "etcdctl"), "--endpoints="+l.member("m1").ClientURLs[0], "--max-request-bytes=33554432", "--command-timeout=30s", "put", "big-"+strconv.Itoa(i))
		cmd.Stdin = strings.NewReader(value)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	l.mustCtl("m1", "del", "--prefix", "big-")
	revision := regexp.MustCompile(`"revision":(\d+)`).FindStringSubmatch(l.mustCtl("m1", "get", "k", "-w=json"))
	l.mustCtl("m1", "compact", revision[1], "--physical")
	if found(l.diagnose(), diagnose.DiskSlow) {
		l.under(diagnose.DiskSlow) // so much at once on a busy machine
	} else {
		l.under("")
	}
	l.eventually(diagnose.Fragmented)
}

// TestUnreachable: a machine that refuses every connection, and one that is
// given up.
func TestUnreachable(t *testing.T) {
	l := newLab(t).up()
	l.kill("m3")
	h := &l.cfg.Hosts[2]
	port := ports.Free(t)
	h.Via, h.Address = cluster.ViaSSH, "root@127.0.0.1:"+strconv.Itoa(port)
	transport, err := ssh.New(ssh.Options{Name: h.Name, Address: ssh.Address{User: "root", Host: "127.0.0.1", Port: port},
		KnownHosts: []string{l.file("known_hosts")}, Keys: &ssh.Keys{Home: l.dir}, Binary: ssh.ThisBinary()})
	l.must(err)
	_, refused := transport.Start(context.Background(), "host", "serve")
	if refused == nil {
		t.Fatal("a port at which nobody listens takes a session")
	}
	l.down = map[string]error{h.Name: refused}
	l.await("m1") // m3 may have led
	l.shows(diagnose.HostUnreachable)
	l.kill("m1", "m2")
	l.under(diagnose.MemberStopped).as("all").shows(diagnose.HostUnreachable)
	h.Gone = true
	l.shows(diagnose.HostGivenUp, diagnose.HostUnreachable)
}

// TestOlderProgram: data of a newer etcd, and no program that could read it.
func TestOlderProgram(t *testing.T) {
	l := newLab(t).alone().up()
	l.put("m1", 3)
	l.snapshotAndLose()
	l.of(etcds.V3_5, "m1")
	l.under(diagnose.DataDirLost).shows(diagnose.HazardNewer)
}

// TestShortData: a snapshot that ends before what a watcher has seen.
func TestShortData(t *testing.T) {
	l := newLab(t).alone().up()
	place := l.file("backups")
	l.must(os.Mkdir(place, 0o700))
	l.mustCtl("m1", "snapshot", "save", place+"/s.db")
	l.put("m1", 30)
	revision := regexp.MustCompile(`"revision":(\d+)`).FindStringSubmatch(l.mustCtl("m1", "get", "k", "-w=json"))[1]
	l.must(os.WriteFile(l.file("watcher.json"), []byte(`{"revision":`+revision+`,"at":"`+time.Now().UTC().Format(time.RFC3339)+`"}`), 0o600))
	l.kill("m1")
	l.must(os.RemoveAll(l.member("m1").DataDir))
	l.cfg.Snapshots = []cluster.SnapshotPlace{{Host: "m1", Path: place}}
	l.cfg.Witnesses = []cluster.WitnessPlace{{Host: "m1", Path: l.file("watcher.json")}}
	l.under(diagnose.DataDirLost).shows(diagnose.HazardRevision)
}

// TestOldStore: data of the second kind of etcd's API, which no etcd of today
// reads.
func TestOldStore(t *testing.T) {
	l := newLab(t).alone().of(etcds.V3_5, "m1")
	flags := []string{"--enable-v2", "--snapshot-count=10"}
	l.up(flags...)
	form := strings.NewReader("value=old")
	req, err := http.NewRequest(http.MethodPut, l.member("m1").ClientURLs[0]+"/v2/keys/app", form)
	l.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	l.must(err)
	l.must(res.Body.Close())
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("etcd 3.5 does not take a value over its old API: %s", res.Status)
	}
	l.put("m1", 30)
	l.kill("m1")
	l.must(os.Truncate(l.member("m1").Run.Process.Log, 0))
	l.of(etcds.V3_6, "m1").start("m1")
	l.ended("m1")
	l.shows(diagnose.EtcdOldStore)
}

// snapshotAndLose saves a snapshot of m1 and loses everything else.
func (l *lab) snapshotAndLose() {
	l.t.Helper()
	place := l.file("backups")
	l.must(os.MkdirAll(place, 0o700))
	l.mustCtl("m1", "snapshot", "save", place+"/s.db")
	for _, m := range l.cfg.Members {
		l.kill(m.Name)
		l.must(os.RemoveAll(m.DataDir))
	}
	l.cfg.Snapshots = []cluster.SnapshotPlace{{Host: "m1", Path: place}}
}
