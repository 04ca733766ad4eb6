package observe

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestContainersOfARuntime asks a real containerd how real containers ended: by an
// exit code after a time, by the kernel for want of memory, and one that runs again
// after it has ended; and for images that it has and has not.
func TestContainersOfARuntime(t *testing.T) {
	c := startContainerd(t)
	pod := c.sandbox("etcd-h1")
	scheduler := c.sandbox("kube-scheduler-h1")
	ends := []string{c.run(pod, "etcd", 0, 0, "1"), c.run(pod, "etcd", 1, 0, "2"), c.run(c.sandbox("kube-apiserver-h1"), "kube-apiserver", 4, 12<<20, "eat"),
		c.run(scheduler, "kube-scheduler", 0, 0, "3"), c.run(scheduler, "no-component", 0, 0, "1")}
	c.run(scheduler, "kube-scheduler", 1, 0, "stay")
	for _, id := range ends {
		c.await(id)
	}
	got, err := containerRuns(t.Context(), c.socket)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []struct {
		component, source, state string
		restarts, exit           int
		reason                   string
		least                    float64
	}{
		{"etcd", "cri:etcd-h1", "exited", 1, 2, "Error", 0.4},
		{"kube-apiserver", "cri:kube-apiserver-h1", "exited", 4, 137, "OOMKilled", 0},
		{"kube-scheduler", "cri:kube-scheduler-h1", "running", 1, 3, "Error", 0.4},
	} {
		r := got[i]
		e := r.Last.Value
		if r.Component != want.component || r.Source != want.source || r.State != want.state || r.Restarts != want.restarts || !r.Last.OK ||
			e.Exit != want.exit || e.Reason != want.reason || e.Seconds < want.least || e.Seconds > 30 || time.Since(e.Ended) > time.Minute || !e.Ended.After(e.Started) {
			t.Errorf("%+v, not %+v", r, want)
		}
	}
	manifests := []cluster.Manifest{{Pod: cluster.Is(cluster.StaticPod{Name: "etcd", Image: c.image})},
		{Pod: cluster.Is(cluster.StaticPod{Name: "kube-apiserver", Image: "salvor.test/absent:1"})}, {Pod: cluster.Unknown[cluster.StaticPod]("broken")}}
	images, err := machine{root: c.dir}.imagesAt(t.Context(), c.socket, manifests)
	if err != nil || fmt.Sprint(images) != fmt.Sprintf("[{%s [etcd sandbox] true} {salvor.test/absent:1 [kube-apiserver] false}]", c.image) {
		t.Errorf("images %v, %v", images, err)
	}
}

// containerd is a real one in a folder of its own, with one image.
type containerd struct {
	t                  *testing.T
	dir, socket, image string
	runtime            cri.RuntimeServiceClient
	configs            map[string]*cri.PodSandboxConfig
}

// programs are the lab's containerd and a runc; the test is skipped without them.
func programs(t *testing.T) (bin, runc string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil || os.Getuid() != 0 {
		t.Skip("only root may run a container runtime")
	}
	found, _ := filepath.Glob(filepath.Join(cache, "salvor", "lab", "bin", "containerd-*", "*", "ctr"))
	roots, _ := filepath.Glob(filepath.Join(cache, "salvor", "lab", "root-*", "usr", "sbin", "runc"))
	if len(found) == 0 || len(roots) == 0 || exec.Command(roots[0], "--version").Run() != nil {
		t.Skip("there is no containerd of the lab here")
	}
	return filepath.Dir(found[0]), roots[0]
}

func startContainerd(t *testing.T) *containerd {
	t.Helper()
	bin, runc := programs(t)
	dir := t.TempDir()
	c := &containerd{t: t, dir: dir, socket: filepath.Join(dir, "sock"), image: "salvor.test/ends:1", configs: map[string]*cri.PodSandboxConfig{}}
	config := fmt.Sprintf("version = 3\nroot = '%[1]s/root'\nstate = '%[1]s/state'\n[grpc]\n  address = '%[2]s'\n[ttrpc]\n  address = '%[2]s.ttrpc'\n"+
		"[plugins.'io.containerd.cri.v1.images']\n  snapshotter = 'native'\n  [plugins.'io.containerd.cri.v1.images'.pinned_images]\n    sandbox = '%[3]s'\n"+
		"[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n  [plugins.'io.containerd.cri.v1.runtime'.cni]\n  bin_dirs = ['%[1]s/none']\n  conf_dir = '%[1]s/none'\n", dir, c.socket, c.image)
	c.write("etc/containerd/config.toml", config)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "containerd"), "--config", filepath.Join(dir, "etc/containerd/config.toml"))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+filepath.Dir(runc)+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("unix://"+c.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c.runtime = cri.NewRuntimeServiceClient(conn)
	t.Cleanup(func() {
		c.removeAll()
		_ = conn.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", b[max(0, len(b)-3000):])
		}
	})
	c.importImage(filepath.Join(bin, "ctr"))
	return c
}

func (c *containerd) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *containerd) must(cmd *exec.Cmd) {
	c.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %v: %s", cmd.Args, err, out)
	}
}

// importImage builds the program that the containers run, and an image of it.
func (c *containerd) importImage(ctr string) {
	c.t.Helper()
	program, archive := filepath.Join(c.dir, "ends"), filepath.Join(c.dir, "image.tar")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "./testdata/ends")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.must(build)
	b, err := os.ReadFile(program)
	if err != nil {
		c.t.Fatal(err)
	}
	layer := c.tar(map[string][]byte{"ends": b})
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{"Entrypoint": []string{"/ends", "stay"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum(layer)}}})
	if err != nil {
		c.t.Fatal(err)
	}
	manifest := fmt.Sprintf(`[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]`, sum(config), c.image)
	if err := os.WriteFile(archive, c.tar(map[string][]byte{sum(config) + ".json": config, "manifest.json": []byte(manifest), "layer.tar": layer}), 0o600); err != nil {
		c.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); exec.Command(ctr, "-a", c.socket, "version").Run() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatal("containerd does not answer")
		}
	}
	c.must(exec.Command(ctr, "-a", c.socket, "-n", "k8s.io", "images", "import", "--local", "--snapshotter", "native", "--label", "io.cri-containerd.image=managed", archive))
}

func (c *containerd) tar(files map[string][]byte) []byte {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "tar")
	f, err := os.Create(path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for name, b := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(b)), Typeflag: tar.TypeReg}); err != nil {
			c.t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// limit bounds one question to the runtime, also of the cleaning up.
func (c *containerd) limit() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	time.AfterFunc(31*time.Second, cancel)
	return ctx
}

// sandbox starts a static pod of kube-system, in the machine's own network.
func (c *containerd) sandbox(name string) string {
	c.t.Helper()
	conf := &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "kube-system", Uid: name}, LogDirectory: c.dir,
		Labels: map[string]string{"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "kube-system"},
		Linux: &cri.LinuxPodSandboxConfig{CgroupParent: c.group(), SecurityContext: &cri.LinuxSandboxSecurityContext{
			NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE}}}}
	r, err := c.runtime.RunPodSandbox(c.limit(), &cri.RunPodSandboxRequest{Config: conf})
	if err != nil {
		c.t.Fatal(err)
	}
	c.configs[r.PodSandboxId] = conf
	return r.PodSandboxId
}

// group is a control group of this test's own, so that what it leaves can be found.
func (c *containerd) group() string { return fmt.Sprintf("/salvor-test-%d", os.Getpid()) }

// run starts a container; memory is its limit in bytes, 0 for none.
func (c *containerd) run(pod, name string, attempt uint32, memory int64, arg string) string {
	c.t.Helper()
	conf := &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: name, Attempt: attempt}, Image: &cri.ImageSpec{Image: c.image}, Command: []string{"/ends", arg},
		Labels: map[string]string{"io.kubernetes.pod.name": c.configs[pod].Metadata.Name, "io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.container.name": name},
		Linux:  &cri.LinuxContainerConfig{Resources: &cri.LinuxContainerResources{MemoryLimitInBytes: memory}}}
	r, err := c.runtime.CreateContainer(c.limit(), &cri.CreateContainerRequest{PodSandboxId: pod, Config: conf, SandboxConfig: c.configs[pod]})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.runtime.StartContainer(c.limit(), &cri.StartContainerRequest{ContainerId: r.ContainerId}); err != nil {
		c.t.Fatal(err)
	}
	return r.ContainerId
}

func (c *containerd) await(id string) {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := c.runtime.ContainerStatus(c.limit(), &cri.ContainerStatusRequest{ContainerId: id})
		if err == nil && r.Status.State == cri.ContainerState_CONTAINER_EXITED {
			return
		}
		if err != nil || time.Now().After(end) {
			c.t.Fatalf("container %s does not end: %v", id, err)
		}
	}
}

func (c *containerd) removeAll() {
	for id := range c.configs {
		if _, err := c.runtime.StopPodSandbox(c.limit(), &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
			c.t.Error(err)
		}
		if _, err := c.runtime.RemovePodSandbox(c.limit(), &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
			c.t.Error(err)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup"} {
		found, _ := filepath.Glob(pattern + c.group())
		for _, dir := range found {
			_ = os.Remove(dir)
		}
	}
}
