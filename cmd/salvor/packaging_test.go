package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestPodManifest reads the agent's DaemonSet strictly, and holds what it says
// against what an agent needs and against its own command line.
func TestPodManifest(t *testing.T) {
	text, err := os.ReadFile("../../packaging/salvor-agent.yaml")
	check(t, err)
	d := decodeDaemonSet(t, text)
	pod := d.Spec.Template.Spec
	if d.APIVersion != "apps/v1" || d.Kind != "DaemonSet" || len(pod.Containers) != 1 {
		t.Fatalf("%s %s with %d containers", d.APIVersion, d.Kind, len(pod.Containers))
	}
	for k, v := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[k] != v {
			t.Errorf("the pods lack the label %s of the selector: the API server refuses that", k)
		}
	}
	if !pod.HostNetwork || pod.DNSPolicy != corev1.DNSDefault {
		t.Errorf("host network %v, DNS %s: it would depend on what it is to save", pod.HostNetwork, pod.DNSPolicy)
	}
	if _, ok := pod.NodeSelector["node-role.kubernetes.io/control-plane"]; !ok {
		t.Errorf("node selector %v", pod.NodeSelector)
	}
	c := pod.Containers[0]
	wellFormed(t, c.Command[1:])
	if s := c.SecurityContext; s.Privileged != nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Errorf("security context %+v", s)
	}
	if c.LivenessProbe != nil {
		t.Error("a backup that fails would kill the agent")
	}
	for _, e := range c.Env {
		if e.Name != "TMPDIR" {
			t.Errorf("%s in the environment: secrets lie in files", e.Name)
		}
	}
	mounts(t, pod, c)
}

// mounts demands that what an agent reads is where it is on the node, read-only,
// and that only its own folder can be written to.
func mounts(t *testing.T, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	volumes := map[string]corev1.HostPathVolumeSource{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = *v.HostPath
	}
	missing := []string{"/etc/salvor", "/etc/kubernetes", "/etc/ssl", "/etc/systemd/system", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/salvor"}
	for _, m := range c.VolumeMounts {
		v, ok := volumes[m.Name]
		if !ok || v.Path != m.MountPath || m.SubPath != "" {
			t.Errorf("%s is %s of the node", m.MountPath, v.Path)
		}
		if made := *v.Type == corev1.HostPathDirectoryOrCreate; m.ReadOnly == made || made != (m.MountPath == "/var/lib/salvor") {
			t.Errorf("%s: read-only %v, type %s", m.MountPath, m.ReadOnly, *v.Type)
		}
		missing = slices.DeleteFunc(missing, func(p string) bool { return p == m.MountPath })
		delete(volumes, m.Name)
	}
	if len(missing)+len(volumes) > 0 {
		t.Errorf("not mounted: %v; not used: %v", missing, volumes)
	}
}

// decodeDaemonSet reads the one document of a file; unknown fields are errors.
func decodeDaemonSet(t *testing.T, text []byte) appsv1.DaemonSet {
	t.Helper()
	var doc any
	in := yaml.NewDecoder(bytes.NewReader(text))
	check(t, in.Decode(&doc))
	if err := in.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Fatalf("a second document: %v", err)
	}
	b, err := json.Marshal(doc)
	check(t, err)
	var d appsv1.DaemonSet
	strict := json.NewDecoder(bytes.NewReader(b))
	strict.DisallowUnknownFields()
	check(t, strict.Decode(&d))
	return d
}

// wellFormed tells whether salvor knows a command line with all its flags.
func wellFormed(t *testing.T, line []string) {
	t.Helper()
	a := &app{version: version}
	c, rest, err := a.root().Find(line)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err != nil || c.Name() != "agent" || c.Flag("config").Value.String() != "/etc/salvor/salvor.yaml" {
		t.Errorf("%v: %v", line, err)
	}
}

// TestUnit holds the unit's command line against the program's.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("../../packaging/salvor-agent.service")
	check(t, err)
	line := regexp.MustCompile(`(?m)^ExecStart=(\S+) (.+)$`).FindSubmatch(text)
	if line == nil || string(line[1]) != "/usr/local/bin/salvor" {
		t.Fatalf("no command line: %q", line)
	}
	wellFormed(t, strings.Fields(string(line[2])))
}
