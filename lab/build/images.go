package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// Repository is the image repository of the lab; nothing is ever pulled from
// it, all images are imported.
const Repository = "lab.salvor.invalid"

// pause is the tag that this kubeadm gives the sandbox image.
const pause = "3.10.2"

// Image names a container image of the lab.
func Image(name, tag string) string { return Repository + "/" + name + ":" + tag }

// images are the container images of a machine. etcd is left out when its
// version is empty.
func (b *Builder) images(ctx context.Context, etcd string) ([]image, error) {
	kube := "v" + Kubernetes
	want := []struct{ name, tag string }{
		{"pause", pause}, {"web", own}, {"coredns", "v" + CoreDNS},
		{"kube-apiserver", kube}, {"kube-controller-manager", kube}, {"kube-scheduler", kube}, {"kube-proxy", kube},
	}
	var all []image
	for _, w := range want {
		path, err := b.Program(ctx, w.name)
		if err != nil {
			return nil, err
		}
		m := image{name: Image(w.name, w.tag), entrypoint: []string{"/usr/local/bin/" + w.name},
			files: map[string]string{"usr/local/bin/" + w.name: path}}
		if w.name == "kube-proxy" {
			if err := b.addNetfilter(ctx, m.files); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
	}
	if etcd == "" {
		return all, nil
	}
	m := image{name: Image("etcd", etcd), files: map[string]string{}}
	for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
		path, err := b.EtcdProgram(ctx, etcd, name)
		if err != nil {
			return nil, err
		}
		m.files["usr/local/bin/"+name] = path
	}
	return append(all, m), nil
}

// addNetfilter adds Debian's iptables and conntrack, with their libraries,
// which kube-proxy calls.
func (b *Builder) addNetfilter(ctx context.Context, files map[string]string) error {
	system, err := b.system(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		files["usr/sbin/"+name] = filepath.Join(system, "usr/sbin/xtables-nft-multi")
	}
	files["usr/sbin/conntrack"] = filepath.Join(system, "usr/sbin/conntrack")
	modules := "/usr/lib/x86_64-linux-gnu/xtables"
	plugins, err := filepath.Glob(filepath.Join(system, modules, "*.so"))
	if err != nil || len(plugins) == 0 {
		return fmt.Errorf("find the modules of iptables in %s%s", system, modules)
	}
	for _, path := range plugins {
		files[strings.TrimPrefix(modules, "/")+"/"+filepath.Base(path)] = path
	}
	linked := []string{"chroot", system, "ldd", "/usr/sbin/xtables-nft-multi", "/usr/sbin/conntrack"}
	for _, path := range plugins {
		linked = append(linked, strings.TrimPrefix(path, system))
	}
	out, err := proc.Cmd{Args: linked}.Output(ctx)
	if err != nil {
		return err
	}
	for _, word := range strings.Fields(string(out)) {
		if !strings.HasPrefix(word, "/") || strings.HasSuffix(word, ":") {
			continue
		}
		if files[strings.TrimPrefix(word, "/")], err = inside(system, word); err != nil {
			return err
		}
	}
	return nil
}

// inside follows the symbolic links of a path within a root file system.
func inside(root, path string) (string, error) {
	for range 40 {
		at := filepath.Join(root, path)
		dir, err := filepath.EvalSymlinks(filepath.Dir(at)) // the links of Debian's merged /usr are relative
		if err != nil {
			return "", err
		}
		at = filepath.Join(dir, filepath.Base(at))
		target, err := os.Readlink(at)
		if err != nil {
			return at, nil //nolint:nilerr // not a link: this is the file
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(strings.TrimPrefix(dir, root), target)
		}
		path = target
	}
	return "", fmt.Errorf("follow %s: too many links", path)
}

// WebImage is the image of the lab's workload: it answers HTTP on port 8080
// with its host's name.
func WebImage() string { return Image("web", own) }
