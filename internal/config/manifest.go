package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pod is what a static pod's manifest says that the configuration needs
// (k8s.io/api/core/v1, Pod).
type pod struct {
	file, name string
	// command is the first container's, with its arguments.
	command []string
	// mounts maps paths inside to the host's.
	mounts map[string]string
}

func readPod(path string) (pod, error) {
	info, err := os.Stat(path)
	if err != nil {
		return pod{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return pod{}, errors.New("it is no manifest")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return pod{}, err
	}
	var f struct {
		Kind     string `yaml:"kind"`
		Metadata struct {
			Name string `yaml:"name"`
		} `yaml:"metadata"`
		Spec struct {
			Containers []struct {
				Command []string `yaml:"command"`
				Args    []string `yaml:"args"`
				Mounts  []struct {
					Name string `yaml:"name"`
					Path string `yaml:"mountPath"`
				} `yaml:"volumeMounts"`
			} `yaml:"containers"`
			Volumes []struct {
				Name string `yaml:"name"`
				Host struct {
					Path string `yaml:"path"`
				} `yaml:"hostPath"`
			} `yaml:"volumes"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return pod{}, err
	}
	if f.Kind != "Pod" || len(f.Spec.Containers) == 0 {
		return pod{}, fmt.Errorf("it is a %q, not a pod with a container", f.Kind)
	}
	c := f.Spec.Containers[0]
	p := pod{file: path, name: f.Metadata.Name, command: append(append([]string{}, c.Command...), c.Args...), mounts: map[string]string{}}
	for _, m := range c.Mounts {
		for _, v := range f.Spec.Volumes {
			if v.Name == m.Name && v.Host.Path != "" {
				p.mounts[filepath.Clean(m.Path)] = filepath.Clean(v.Host.Path)
			}
		}
	}
	return p, nil
}

// program is the name of what the pod runs.
func (p pod) program() string {
	if len(p.command) == 0 {
		return ""
	}
	return filepath.Base(p.command[0])
}

// outside gives the host's path of a path inside the pod; the same where no
// mount carries it.
func (p pod) outside(path string) string {
	path = filepath.Clean(path)
	best := ""
	for in := range p.mounts {
		if (path == in || within(path, in)) && len(in) > len(best) {
			best = in
		}
	}
	if best == "" {
		return path
	}
	return filepath.Join(p.mounts[best], strings.TrimPrefix(path, best))
}

// settings are the flags with their paths as the host knows them.
func (p pod) settings() settings {
	s := fromFlags(p.command[1:])
	for name, value := range s {
		if filepath.IsAbs(value) {
			s[name] = p.outside(value)
		}
	}
	return s
}
