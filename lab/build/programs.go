package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// The pinned versions; the modules that hold them are in lab/modules and
// test/etcds.
const (
	Kubernetes = "1.36.3"
	Containerd = "2.4.2"
	CoreDNS    = "1.14.7"
	Etcd       = "3.7.3" // of the kubeadm layout, unless told otherwise
	EtcdOld    = "3.5.21"
	own        = "1" // of the lab's own programs; count up to have them built again
)

// program says how one program is built.
type program struct {
	cache   string // the folder under the cache, without the toolchain
	dir     string // the module's folder in the checkout
	pkg     string
	ldflags string
	tags    string
}

// programs is everything that is built from modules but etcd.
func programs() map[string]program {
	const meta = "k8s.io/component-base/version"
	minor := strings.Split(Kubernetes, ".")[1]
	kube := fmt.Sprintf("-s -w -X %[1]s.gitVersion=v%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=%[3]s -X %[1]s.gitTreeState=clean", meta, Kubernetes, minor)
	all := map[string]program{
		"coredns": {cache: "coredns-" + CoreDNS, dir: "lab/modules/coredns", pkg: "github.com/coredns/coredns", ldflags: "-s -w"},
		"pause":   {cache: "own-" + own, dir: ".", pkg: "./lab/build/pause", ldflags: "-s -w"},
		"web":     {cache: "own-" + own, dir: ".", pkg: "./lab/build/web", ldflags: "-s -w"},
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet"} {
		all[name] = program{cache: "kubernetes-" + Kubernetes, dir: "lab/modules/kubernetes", pkg: "k8s.io/kubernetes/cmd/" + name, ldflags: kube}
	}
	const ctrd = "github.com/containerd/containerd/v2/"
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		all[name] = program{cache: "containerd-" + Containerd, dir: "lab/modules/containerd", pkg: ctrd + "cmd/" + name,
			ldflags: "-s -w -X " + ctrd + "version.Version=v" + Containerd, tags: "no_btrfs,no_devmapper,no_zfs"}
	}
	return all
}

// Program builds a program and gives its path.
func (b *Builder) Program(ctx context.Context, name string) (string, error) {
	p, ok := programs()[name]
	if !ok {
		return "", fmt.Errorf("%q is no program of the lab", name)
	}
	path := filepath.Join(b.Cache, "lab", "bin", p.cache, runtime.Version(), name)
	return path, b.compile(ctx, p, name, path)
}

// EtcdProgram is Program for etcd, etcdctl and etcdutl of a version. The old
// versions share modules and cache with the tests' oracles (test/etcds).
func (b *Builder) EtcdProgram(ctx context.Context, version, name string) (string, error) {
	pkg := map[string]string{"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}[name]
	if pkg == "" {
		return "", fmt.Errorf("%q is no program of etcd", name)
	}
	p := program{pkg: "go.etcd.io/etcd/" + pkg + "/v3"}
	path := filepath.Join(b.Cache, "etcds", version, runtime.Version(), name)
	if version == Etcd {
		p.dir, p.ldflags = "lab/modules/etcd-3.7", "-s -w"
		path = filepath.Join(b.Cache, "lab", "bin", "etcd-"+version, runtime.Version(), name)
	} else {
		p.dir = filepath.Join("test", "etcds", "v"+version)
	}
	if _, err := os.Stat(filepath.Join(b.Tree, p.dir, "go.mod")); err != nil {
		return "", fmt.Errorf("etcd %s has no module: take one of %s", version, strings.Join(b.EtcdVersions(), ", "))
	}
	return path, b.compile(ctx, p, name+" "+version, path)
}

// EtcdVersions are the versions that can be built, oldest first.
func (b *Builder) EtcdVersions() []string {
	found, _ := filepath.Glob(filepath.Join(b.Tree, "test", "etcds", "v*", "go.mod"))
	all := []string{Etcd}
	for _, path := range found {
		all = append(all, strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "v"))
	}
	sort.Slice(all, func(i, j int) bool { return older(all[i], all[j]) })
	return all
}

// older compares two versions of three numbers.
func older(a, b string) bool {
	var x, y [3]int
	_, _ = fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2])
	_, _ = fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

// compile builds one static program, one package at a time and at low
// priority: the machine has other things to do.
func (b *Builder) compile(ctx context.Context, p program, what, path string) error {
	return b.once(ctx, path, "build "+what, func(ctx context.Context, part string) error {
		_, err := proc.Cmd{
			Args: []string{"nice", "-n", "10", "go", "build", "-p", "1", "-trimpath", "-buildvcs=false",
				"-tags", p.tags, "-ldflags", p.ldflags, "-o", part, p.pkg},
			Dir: filepath.Join(b.Tree, p.dir),
			Env: []string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="},
		}.Output(ctx)
		return err
	})
}
