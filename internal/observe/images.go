package observe

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
)

// images asks the runtime, as the kubelet does before it pulls, for the image of
// each static pod here and for that of their sandboxes. Without manifests there is
// nothing to ask for.
func (m machine) images(ctx context.Context, manifests cluster.Known[[]cluster.Manifest]) cluster.Known[[]cluster.Image] {
	if !m.real() || len(manifests.Value) == 0 {
		return cluster.Known[[]cluster.Image]{}
	}
	socket, _ := m.runtimeSocket()
	return cluster.From(m.imagesAt(ctx, socket, manifests.Value))
}

func (m machine) imagesAt(ctx context.Context, socket string, manifests []cluster.Manifest) ([]cluster.Image, error) {
	c, err := cri.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := []cluster.Image{}
	add := func(name, pod string) {
		if i := slices.IndexFunc(out, func(x cluster.Image) bool { return x.Name == name }); i >= 0 {
			out[i].For = append(out[i].For, pod)
		} else if name != "" {
			out = append(out, cluster.Image{Name: name, For: []string{pod}})
		}
	}
	for _, f := range manifests {
		add(f.Pod.Value.Image, f.Pod.Value.Name)
	}
	sandbox := c.SandboxImage(ctx)
	if sandbox == "" {
		sandbox = m.configuredSandbox()
	}
	add(sandbox, cluster.SandboxImage)
	for i := range out {
		if out[i].Present, err = c.HasImage(ctx, out[i].Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sandboxForm finds the image of sandboxes in the configuration of containerd 2
// ("sandbox" among the pinned images), containerd 1 ("sandbox_image") and CRI-O
// ("pause_image").
var sandboxForm = regexp.MustCompile(`(?m)^\s*(?:sandbox|sandbox_image|pause_image)\s*=\s*["']([^"'\s]+)["']`)

// configuredSandbox is what the runtime's own files name; empty when they leave it
// to the runtime, whose default nobody else knows.
func (m machine) configuredSandbox() string {
	found := ""
	for _, pattern := range []string{"/etc/containerd/config.toml", "/etc/containerd/conf.d/*.toml", "/etc/crio/crio.conf", "/etc/crio/crio.conf.d/*.conf"} {
		files, err := filepath.Glob(m.at(pattern))
		if err != nil {
			continue
		}
		for _, f := range files {
			if b, err := m.read(m.outside(f)); err == nil {
				if at := sandboxForm.FindSubmatch(b); at != nil {
					found = string(at[1])
				}
			}
		}
	}
	return found
}
