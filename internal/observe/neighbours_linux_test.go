package observe

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestNeighbours reads the table of a network of its own, in which one neighbour
// answers, one has just not answered, and one was entered by hand: against a pair
// of veth devices in two network namespaces.
func TestNeighbours(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make a network namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no program ip")
	}
	runtime.LockOSThread() // ends with the test, and its namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("a network namespace cannot be made here: %v", err)
	}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	other := exec.Command("unshare", "--net", "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	mine, _ := os.Readlink("/proc/thread-self/ns/net")
	pid := "/proc/" + strconv.Itoa(other.Process.Pid)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if theirs, err := os.Readlink(pid + "/ns/net"); err == nil && theirs != mine {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the other namespace is not made")
		}
	}
	ip("link", "add", "here", "type", "veth", "peer", "name", "there", "address", "02:00:00:00:00:07", "netns", strconv.Itoa(other.Process.Pid))
	ip("address", "add", "10.77.0.1/24", "dev", "here")
	ip("link", "set", "here", "up")
	in := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("nsenter", append([]string{"--net=" + pid + "/ns/net", "ip"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	in("address", "add", "10.77.0.2/24", "dev", "there")
	in("link", "set", "lo", "up")
	in("link", "set", "there", "up")
	ip("neigh", "add", "10.77.0.4", "lladdr", "02:00:00:00:00:04", "dev", "here", "nud", "stale")
	for _, a := range []string{"10.77.0.2:9", "10.77.0.3:9"} { // nothing listens; 10.77.0.3 is nobody
		if c, err := net.DialTimeout("tcp", a, 300*time.Millisecond); err == nil {
			_ = c.Close()
		}
	}
	cfg := cluster.Config{Hosts: []cluster.Host{{Name: "h2", Address: "root@10.77.0.2"}, {Name: "h3", Address: "10.77.0.3"}},
		Members:    []cluster.Member{{Name: "m4", PeerURLs: []string{"https://10.77.0.4:2380"}}},
		Kubernetes: cluster.ControlPlane{LoadBalancer: "https://10.77.0.9:6443"}}
	got, err := machine{cfg: cfg}.neighbours(cluster.KubernetesFacts{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Address != "10.77.0.2" || got[0].Hardware != "02:00:00:00:00:07" || got[0].Device != "here" || !got[0].Confirmed || got[0].Seconds > 10 ||
		got[1].Address != "10.77.0.4" || got[1].Hardware != "02:00:00:00:00:04" || got[1].Confirmed {
		t.Errorf("%+v", got)
	}
	if other, err := (machine{}).neighbours(cluster.KubernetesFacts{}); err != nil || len(other) > 0 {
		t.Errorf("what is no address of the cluster is told: %+v %v", other, err)
	}
	own, err := hardware()
	if err != nil || len(own) != 1 || slices.Contains(own, "02:00:00:00:00:07") {
		t.Errorf("own interfaces %v %v", own, err)
	}
}

// TestBrokenNeighbours: what the kernel does not send is not read.
func TestBrokenNeighbours(t *testing.T) {
	whole := make([]byte, unix.SizeofNdMsg+8)
	whole[8] = unix.NUD_REACHABLE
	whole[unix.SizeofNdMsg], whole[unix.SizeofNdMsg+2] = 8, unix.NDA_DST
	for n := range len(whole) + 1 {
		if _, _, ok := parseNeighbour(whole[:n]); ok {
			t.Errorf("%d bytes make a neighbour without a hardware address", n)
		}
	}
}
