package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// PodFile is what a static pod's manifest says, as far as a diagnosis needs it.
type PodFile struct {
	Name, Namespace string
	Image           string
	// Command is the first container's command followed by its arguments.
	Command []string
	// HostPaths maps the path of each mount of the first container to the
	// host's path.
	HostPaths map[string]string
}

// podFile is the part of a v1 Pod that ReadPodFile wants (k8s.io/api/core/v1).
type podFile struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		Containers []struct {
			Image        string   `yaml:"image"`
			Command      []string `yaml:"command"`
			Args         []string `yaml:"args"`
			VolumeMounts []struct {
				Name      string `yaml:"name"`
				MountPath string `yaml:"mountPath"`
			} `yaml:"volumeMounts"`
		} `yaml:"containers"`
		Volumes []struct {
			Name     string `yaml:"name"`
			HostPath struct {
				Path string `yaml:"path"`
			} `yaml:"hostPath"`
		} `yaml:"volumes"`
	} `yaml:"spec"`
}

// ReadPodFile reads a file of the kubelet's staticPodPath. The kubelet takes
// YAML and JSON and exactly one document
// (k8s.io/kubernetes pkg/kubelet/config/common.go: tryDecodeSinglePod).
func ReadPodFile(b []byte) (PodFile, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return PodFile{}, errors.New("read static pod: the file is empty")
	}
	var f podFile
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&f); err != nil {
		return PodFile{}, fmt.Errorf("read static pod: %w", err)
	}
	var second any
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return PodFile{}, errors.New("read static pod: more than one document, or a second one that cannot be read")
	}
	switch {
	case f.Kind != "Pod" || f.APIVersion != "v1":
		return PodFile{}, fmt.Errorf("read static pod: it is a %q of %q, not a v1 Pod", f.Kind, f.APIVersion)
	case f.Metadata.Name == "":
		return PodFile{}, errors.New("read static pod: it has no name")
	case len(f.Spec.Containers) == 0:
		return PodFile{}, errors.New("read static pod: it has no container")
	}
	c := f.Spec.Containers[0]
	p := PodFile{Name: f.Metadata.Name, Namespace: f.Metadata.Namespace, Image: c.Image,
		Command: append(append([]string{}, c.Command...), c.Args...), HostPaths: map[string]string{}}
	for _, m := range c.VolumeMounts {
		for _, v := range f.Spec.Volumes {
			if v.Name == m.Name && v.HostPath.Path != "" {
				p.HostPaths[filepath.Clean(m.MountPath)] = filepath.Clean(v.HostPath.Path)
			}
		}
	}
	return p, nil
}

// OnHost gives the host's path of a path inside the pod; false when no
// hostPath carries it.
func (p PodFile) OnHost(path string) (string, bool) {
	path = filepath.Clean(path)
	best, host := "", ""
	for inside, on := range p.HostPaths {
		if (path == inside || strings.HasPrefix(path, strings.TrimSuffix(inside, "/")+"/")) && len(inside) > len(best) {
			best, host = inside, on
		}
	}
	if best == "" {
		return "", false
	}
	return filepath.Join(host, strings.TrimPrefix(path, best)), true
}

// FileFlags are the values of flags that name a file or a folder to be read:
// --…-file, --…-cafile, --…-certfile, --…-keyfile, --…-config, --kubeconfig and
// etcd's --cert-file family.
func (p PodFile) FileFlags() []string {
	var out []string
	for _, a := range p.Command {
		name, value, ok := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !ok || !strings.HasPrefix(a, "--") || !filepath.IsAbs(value) {
			continue
		}
		for _, end := range []string{"-file", "file", "-config", "kubeconfig", "-client-certificate", "-client-key"} {
			if strings.HasSuffix(name, end) && !strings.Contains(name, "log") {
				out = append(out, value)
				break
			}
		}
	}
	return out
}
