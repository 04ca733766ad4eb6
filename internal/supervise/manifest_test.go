package supervise

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
)

const etcdManifest = `# kubeadm wrote this
apiVersion: v1
kind: Pod
metadata:
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --initial-cluster=cp-1=https://10.0.0.1:2380 # only itself
    - --name=cp-1
    image: etcd:3
    name: etcd
`

func manifestFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "manifests")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		n, _, _ := strings.Cut(e.Name(), ".older-")
		out = append(out, n)
	}
	return strings.Join(out, " ")
}

// TestParkTakesEverythingThatDefinesThePod: a kubelet reads every file of the
// folder, a backup in place too.
func TestParkTakesEverythingThatDefinesThePod(t *testing.T) {
	other := strings.Replace(etcdManifest, "name: etcd\n  namespace", "name: other\n  namespace", 1)
	dir := manifestFolder(t, map[string]string{"etcd.yaml": etcdManifest, "etcd.yaml.bak": etcdManifest, "other.yaml": other, ".etcd.swp": etcdManifest, "broken.yaml": "{"})
	c := Component{Run: cluster.Component{StaticPod: filepath.Join(dir, "etcd.yaml")}, Program: "etcd"}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is harmless
		if err := s.park(c.podName(s)); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); got != ".etcd.swp broken.yaml other.yaml" {
			t.Errorf("the kubelet's folder holds %q", got)
		}
		if got := names(t, dir+".salvor"); got != "etcd.yaml etcd.yaml.bak" {
			t.Errorf("the folder beside it holds %q", got)
		}
	}
	if p, err := c.Place(); p != PlaceParked || err != nil {
		t.Errorf("place %s, %v", p, err)
	}
	if err := c.putBack(s, Override{}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != ".etcd.swp broken.yaml etcd.yaml other.yaml" {
		t.Errorf("afterwards the kubelet's folder holds %q", got)
	}
	b, err := os.ReadFile(filepath.Join(dir, "etcd.yaml"))
	if err != nil || string(b) != etcdManifest {
		t.Errorf("the manifest is not what it was: %v\n%s", err, b)
	}
}

// TestNothingThatIsParkedIsReplaced: somebody writes a new manifest while an
// older one is parked.
func TestNothingThatIsParkedIsReplaced(t *testing.T) {
	dir := manifestFolder(t, map[string]string{"etcd.yaml": etcdManifest})
	s, err := newShelf(filepath.Join(dir, "etcd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := podName{"kube-system", "etcd"}
	if err := s.park(p); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.live(), []byte(etcdManifest+"# newer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.park(p); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s.kept); got != "etcd.yaml etcd.yaml" {
		t.Errorf("kept are %q, want both", got)
	}
	b, err := os.ReadFile(s.parked())
	if err != nil || !strings.HasSuffix(string(b), "# newer\n") {
		t.Errorf("the newest is not the one that returns: %v", err)
	}
}

func TestAnOverrideMakesANewManifest(t *testing.T) {
	dir := manifestFolder(t, map[string]string{"etcd.yaml": etcdManifest})
	c := Component{Run: cluster.Component{StaticPod: filepath.Join(dir, "etcd.yaml")}, Program: "etcd"}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		t.Fatal(err)
	}
	o := Override{InitialCluster: "cp-1=https://10.0.0.1:2380,cp-2=https://10.0.0.2:2380"}
	for range 2 { // the second time there is nothing to do
		if err := c.putBack(s, o); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(s.live())
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for _, want := range []string{"# kubeadm wrote this", "--initial-cluster=" + o.InitialCluster, "--initial-cluster-state=existing", "--data-dir=/var/lib/etcd", "image: etcd:3"} {
			if strings.Count(text, want) != 1 {
				t.Errorf("%q stands there %d times:\n%s", want, strings.Count(text, want), text)
			}
		}
		for line := range strings.Lines(etcdManifest) {
			if !strings.Contains(line, "--initial-cluster=") && !strings.Contains(text, line) {
				t.Errorf("%q is not as it was:\n%s", line, text)
			}
		}
		if strings.Contains(text, "cp-1=https://10.0.0.1:2380 #") {
			t.Errorf("the old list is still there:\n%s", text)
		}
		if got := names(t, s.kept); got != "etcd.yaml" {
			t.Errorf("kept are %q, want the old one", got)
		}
	}
	old, err := filepath.Glob(s.parked() + ".older-*")
	if err != nil || len(old) != 1 {
		t.Fatalf("%v, %v", old, err)
	}
	if b, err := os.ReadFile(old[0]); err != nil || string(b) != etcdManifest {
		t.Errorf("the old manifest is not what it was: %v", err)
	}
	if info, err := os.Stat(s.live()); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want that of the old one", info.Mode(), err)
	}
}

// TestARewrittenManifestReturns: a rollback brings back the manifest from before
// the case, whatever was written since and however often it is tried.
func TestARewrittenManifestReturns(t *testing.T) {
	dir := manifestFolder(t, map[string]string{"etcd.yaml": etcdManifest})
	c := Component{Run: cluster.Component{StaticPod: filepath.Join(dir, "etcd.yaml")}, Program: "etcd"}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"cp-1=https://10.0.0.1:2380", "cp-1=https://10.0.0.1:2380,cp-2=https://10.0.0.2:2380"} {
		if err := c.putBack(s, Override{InitialCluster: list, Case: "case-1"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		of   string
		park bool
		want bool
	}{{"case-0", false, false}, {"case-1", true, true}, {"case-1", false, true}} {
		if step.park {
			if err := s.park(c.podName(s)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.putBack(s, Override{Original: step.of}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(s.live())
		if err != nil || (string(b) == etcdManifest) != step.want || exists(s.parked()) {
			t.Errorf("%s: the old one is back: %v, want %v (%v); one is parked: %v", step.of, string(b) == etcdManifest, step.want, err, exists(s.parked()))
		}
	}
}

func TestAManifestThatIsNowhereIsAnError(t *testing.T) {
	dir := manifestFolder(t, nil)
	c := Component{Run: cluster.Component{StaticPod: filepath.Join(dir, "etcd.yaml")}, Program: "etcd"}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.putBack(s, Override{}); !errors.Is(err, ErrNoManifest) {
		t.Errorf("got %v, want ErrNoManifest", err)
	}
}

// TestHoldWithADeadRuntime: nobody can be asked to stop the pod, so the process
// itself is ended after its manifest is out.
func TestHoldWithADeadRuntime(t *testing.T) {
	m := member(t, filepath.Join(t.TempDir(), "m1"))
	if _, err := Start(t.Context(), m, Override{}); err != nil {
		t.Fatal(err)
	}
	dir := manifestFolder(t, map[string]string{"etcd.yaml": etcdManifest})
	m.Run.StaticPod = filepath.Join(dir, "etcd.yaml")
	c := OfMember(m, cluster.Node{Host: "cp-1", CRI: filepath.Join(dir, "none.sock")})
	if held, err := c.Held(t.Context()); held || err != nil {
		t.Errorf("held %v, %v before it was", held, err)
	}
	for range 2 {
		if err := c.Hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f, err := find(m); err != nil || f.Running {
			t.Errorf("process %d runs, %v", f.PID, err)
		}
		if held, err := c.Held(t.Context()); !held || err != nil {
			t.Errorf("held %v, %v", held, err)
		}
	}
}

// TestHoldLeavesStrangersAlone: a backup job has the member's files open.
func TestHoldLeavesStrangersAlone(t *testing.T) {
	m := member(t, filepath.Join(t.TempDir(), "m1"))
	p, err := Start(t.Context(), m, Override{})
	if err != nil {
		t.Fatal(err)
	}
	dir := manifestFolder(t, map[string]string{"etcd.yaml": etcdManifest})
	m.Run = cluster.Supervisor{StaticPod: filepath.Join(dir, "etcd.yaml")}
	c := OfMember(m, cluster.Node{Host: "cp-1", CRI: filepath.Join(dir, "none.sock")})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := c.Hold(ctx); err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("got %v, want an error that says that the process is left alone", err)
	}
	if !alive(p.PID, p.Since) {
		t.Error("the stranger was killed")
	}
	_ = syscall.Kill(p.PID, syscall.SIGKILL)
}

// TestASilentRuntimeIsNoAnswer: with a damaged database containerd accepts
// connections and never answers.
func TestASilentRuntimeIsNoAnswer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "c.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	begin := time.Now()
	if k := sandboxOf(t.Context(), socket, cri.Pod{Name: "etcd-cp-1"}); k.OK {
		t.Errorf("a silent runtime was taken for an answer: %+v", k)
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}
