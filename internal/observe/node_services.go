package observe

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
	"github.com/salvor-project/salvor/internal/pki"
)

// kubelet tells the state of the kubelet: its unit, its process, and whether
// its health port answers.
func (m machine) kubelet(ctx context.Context) cluster.Known[cluster.ServiceFacts] {
	unit := "kubelet"
	if n, ok := m.cfg.Node(m.host); ok {
		unit = strings.TrimSuffix(n.Unit(), ".service")
	}
	s := m.service(ctx, unit, "kubelet")
	s.Endpoint = "127.0.0.1:10248"
	s.Answers = m.answers(ctx, "tcp", s.Endpoint)
	return cluster.Is(s)
}

// runtime tells the state of the container runtime.
func (m machine) runtime(ctx context.Context) cluster.Known[cluster.ServiceFacts] {
	socket, unit := m.runtimeSocket()
	s := m.service(ctx, unit, unit)
	s.Endpoint = socket
	if s.Answers = m.answers(ctx, "unix", m.at(socket)); s.Answers.OK && s.Answers.Value {
		s.Answers = speaksCRI(ctx, m.at(socket))
	}
	return cluster.Is(s)
}

// speaksCRI tells whether a runtime answers a kubelet's first question: one whose
// database is damaged accepts connections, and its service is active.
func speaksCRI(ctx context.Context, socket string) cluster.Known[bool] {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := cri.Dial(ctx, socket)
	if err != nil {
		return cluster.Known[bool]{OK: true, Why: err.Error()}
	}
	_ = c.Close()
	return cluster.Is(true)
}

// runtimeSocket is what the kubelet is told to use, or containerd's default.
func (m machine) runtimeSocket() (socket, unit string) {
	socket = cluster.DefaultCRI
	if n, ok := m.cfg.Node(m.host); ok && n.CRI != "" {
		return n.Socket(), unitOf(n.Socket())
	}
	for _, file := range []string{kubeletDir + "/kubeadm-flags.env", kubeletDir + "/config.yaml", kubeletDir + "/instance-config.yaml"} {
		b, err := m.read(file)
		if err != nil {
			continue
		}
		for _, word := range strings.FieldsFunc(string(b), func(r rune) bool { return strings.ContainsRune(" \t\n\"'=", r) }) {
			if s, ok := strings.CutPrefix(word, "unix://"); ok {
				socket = s
			}
		}
	}
	return socket, unitOf(socket)
}

// unitOf is the service that listens on a runtime's socket.
func unitOf(socket string) string {
	switch {
	case strings.Contains(socket, "crio"):
		return "crio"
	case strings.Contains(socket, "docker"):
		return "docker"
	}
	return "containerd"
}

func (m machine) answers(ctx context.Context, network, address string) cluster.Known[bool] {
	if !m.real() {
		return cluster.Unknown[bool]("these are the files of a machine that does not run")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	switch {
	case err == nil:
		_ = conn.Close()
		return cluster.Is(true)
	case errors.Is(err, fs.ErrPermission):
		return cluster.Unknown[bool]("%v", err)
	}
	return cluster.Known[bool]{OK: true, Why: err.Error()}
}

func (m machine) service(ctx context.Context, unit, process string) cluster.ServiceFacts {
	s := cluster.ServiceFacts{Unit: unit}
	if running, err := m.running(); err != nil {
		s.Process = cluster.Unknown[bool]("%v", err)
	} else {
		_, is := running[process]
		s.Process = cluster.Is(is)
	}
	if !m.real() {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--no-pager", "--property=LoadState,ActiveState,SubState", unit+".service").Output()
	if err != nil {
		return s // no systemd: the process tells
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "LoadState":
			s.Load = value
		case "ActiveState":
			s.Active = value
		case "SubState":
			s.Sub = value
		}
	}
	return s
}

// known are the processes of a control plane.
func known(name string) bool {
	switch name {
	case "kubelet", "containerd", "crio", "dockerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
		"haproxy", "keepalived", "kube-vip", "kube-controller", "nginx":
		return true
	}
	return false
}

// running finds the processes of a control plane in /proc.
func (m machine) running() (map[string]cluster.Seen, error) {
	if !m.real() {
		return nil, errors.New("these are the files of a machine that does not run")
	}
	proc := m.at("/proc")
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	out := map[string]cluster.Seen{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err != nil || len(b) == 0 {
			continue
		}
		first, _, _ := strings.Cut(string(b), "\x00")
		name := filepath.Base(first)
		if _, seen := out[name]; !known(name) || seen {
			continue
		}
		p := cluster.Seen{PID: pid}
		if cluster.IsComponent(name) {
			p.Command = RedactArgs(strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"))
		}
		if info, err := os.Stat(filepath.Join(proc, e.Name())); err == nil {
			p.Since = info.ModTime().UTC()
		}
		out[name] = p
	}
	return out, nil
}

// restarts gives, for each static pod's container, the highest number of its
// log files: the kubelet names them by the count of restarts.
func (m machine) restarts() (map[string]string, error) {
	pods, err := os.ReadDir(m.at(podLogDir))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, p := range pods {
		parts := strings.SplitN(p.Name(), "_", 3)
		if len(parts) != 3 || parts[0] != "kube-system" {
			continue
		}
		containers, err := os.ReadDir(filepath.Join(m.at(podLogDir), p.Name()))
		if err != nil {
			continue
		}
		for _, c := range containers {
			if n, ok := newestLog(filepath.Join(m.at(podLogDir), p.Name(), c.Name())); ok && known(c.Name()) {
				out[c.Name()] = strconv.Itoa(n)
			}
		}
	}
	return out, nil
}

// newestLog is the highest N of the files N.log in a container's log folder.
func newestLog(dir string) (int, bool) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, false
	}
	best, found := 0, false
	for _, f := range files {
		if n, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".log")); err == nil && strings.HasSuffix(f.Name(), ".log") {
			best, found = max(best, n), true
		}
	}
	return best, found
}

// servedByComponents asks the ports of the machine's own components for the
// certificate that they show. A port that does not answer shows none: whether its
// component runs is told elsewhere.
func (m machine) servedByComponents(ctx context.Context) []cluster.KubeCertificate {
	if !m.real() {
		return nil
	}
	ports := []struct{ role, url string }{{"kubelet", "https://127.0.0.1:10250"}, {"kube-controller-manager", "https://127.0.0.1:10257"}, {"kube-scheduler", "https://127.0.0.1:10259"}}
	found := make([]cluster.Known[cluster.Certificate], len(ports))
	var wg sync.WaitGroup
	for i, p := range ports {
		wg.Go(func() {
			found[i] = got(ctx, func() (cluster.Certificate, error) { return pki.Served(ctx, p.url, p.role) })
		})
	}
	wg.Wait()
	var out []cluster.KubeCertificate
	for i, p := range ports {
		if found[i].OK {
			out = append(out, cluster.KubeCertificate{Role: p.role, Path: found[i].Value.Source, Certificate: found[i]})
		}
	}
	return out
}
