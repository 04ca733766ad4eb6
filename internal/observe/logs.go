package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// scanTail is how much of a log's end is looked at, in bytes.
const scanTail = 1 << 20

// sampleLength bounds the sample of a sign.
const sampleLength = 300

// logs reads the end of every log there is: the members' own, the services'
// journals, and the pods' files with those of their previous runs.
func (m machine) logs(ctx context.Context, k cluster.Known[cluster.KubernetesFacts]) []cluster.LogFacts {
	var out []cluster.LogFacts
	for _, c := range m.cfg.Members {
		if c.Host == m.host && c.Run.Systemd != "" && m.real() {
			out = append(out, journal(ctx, "etcd", c.Name, c.Run.Systemd))
		}
	}
	if k.OK && k.Value.Present {
		if m.real() {
			_, unit := m.runtimeSocket()
			out = append(out, journal(ctx, "kubelet", "", "kubelet"), journal(ctx, "containerd", "", unit))
		}
		out = append(out, m.podLogs()...)
	}
	return out
}

// memberLog reads the log of a member that is an ordinary process.
func memberLog(m cluster.Member) cluster.LogFacts {
	f := cluster.LogFacts{Component: "etcd", Member: m.Name, Source: m.Run.Process.Log}
	b, err := tailBytes(f.Source, scanTail)
	if err != nil {
		f.Signs = cluster.Unknown[[]cluster.Sign]("%v", err)
		return f
	}
	scan(&f, b)
	return f
}

// lateLog is a log that could not be read in time.
func lateLog(component, member, source string) cluster.LogFacts {
	return cluster.LogFacts{Component: component, Member: member, Source: source, Signs: cluster.Unknown[[]cluster.Sign](late)}
}

func tailBytes(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > n {
		if _, err := f.Seek(-n, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, n))
}

// journal asks journald for the end of a unit's log, with an argument list and
// no shell.
func journal(ctx context.Context, component, member, unit string) cluster.LogFacts {
	f := cluster.LogFacts{Component: component, Member: member, Source: "journal:" + unit}
	b, err := journalctl(ctx, "--unit="+unit)
	if err != nil {
		f.Signs = cluster.Unknown[[]cluster.Sign]("%v", err)
		return f
	}
	scan(&f, b)
	return f
}

// journalTail bounds what is taken of a journal, in bytes: lines can be long.
const journalTail = 4 << 20

// journalctl gives the last lines of the journal, however old they are: who
// looks at noon wants to see what happened at three in the morning. An empty
// journal is an error, since nothing is known then.
func journalctl(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	all := append([]string{"--no-pager", "--quiet", "--output=short-iso", "--lines=4000"}, args...)
	cmd := exec.CommandContext(ctx, "journalctl", all...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		if said := strings.TrimSpace(errs.String()); said != "" {
			return nil, fmt.Errorf("journalctl: %s", said)
		}
		return nil, fmt.Errorf("journalctl: %w", err)
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, fmt.Errorf("journalctl: the journal holds nothing for %s", strings.Join(args, " "))
	}
	return out[max(0, len(out)-journalTail):], nil
}

// kernelLines picks the kernel's messages, of earlier boots too; --dmesg would
// only give the current one's.
const kernelLines = "_TRANSPORT=kernel"

// kernel reads the kernel's messages: the journal's, else a log file.
func (m machine) kernel(ctx context.Context) cluster.Known[[]cluster.Sign] {
	f := cluster.LogFacts{Component: "kernel"}
	if m.real() {
		b, err := journalctl(ctx, kernelLines)
		if err == nil {
			scan(&f, b)
			return f.Signs
		}
	}
	var last error
	for _, path := range []string{"/var/log/kern.log", "/var/log/messages"} {
		b, err := tailBytes(m.at(path), scanTail)
		if err == nil {
			scan(&f, b)
			return f.Signs
		}
		last = err
	}
	return cluster.Unknown[[]cluster.Sign]("neither the journal nor a file: %v", last)
}

// podLogs reads the last two logs of every static pod's container
// (k8s.io/kubernetes pkg/kubelet/kuberuntime: /var/log/pods/NAMESPACE_NAME_UID/CONTAINER/N.log).
func (m machine) podLogs() []cluster.LogFacts {
	pods, err := os.ReadDir(m.at(podLogDir))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return []cluster.LogFacts{{Component: "other", Source: podLogDir, Signs: cluster.Unknown[[]cluster.Sign]("%v", err)}}
	}
	var out []cluster.LogFacts
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
			if component, ok := componentOf(c.Name()); ok {
				out = append(out, m.containerLogs(component, filepath.Join(podLogDir, p.Name(), c.Name()))...)
			}
		}
	}
	return out
}

func componentOf(container string) (string, bool) {
	switch container {
	case "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler":
		return container, true
	case "haproxy", "keepalived", "kube-vip", "nginx", "nginx-proxy":
		return "load-balancer", true
	}
	return "", false
}

func (m machine) containerLogs(component, dir string) []cluster.LogFacts {
	entries, err := os.ReadDir(m.at(dir))
	if err != nil {
		return []cluster.LogFacts{{Component: component, Source: dir, Signs: cluster.Unknown[[]cluster.Sign]("%v", err)}}
	}
	type log struct {
		path string
		at   time.Time
	}
	var all []log
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(m.at(dir), e.Name())); err == nil && strings.HasSuffix(e.Name(), ".log") {
			all = append(all, log{filepath.Join(dir, e.Name()), info.ModTime()})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].at.After(all[j].at) })
	var out []cluster.LogFacts
	for i, l := range all[:min(2, len(all))] {
		f := cluster.LogFacts{Component: component, Source: l.path, Previous: i > 0}
		for _, c := range m.cfg.Members {
			if component == "etcd" && c.Host == m.host {
				f.Member = c.Name
			}
		}
		b, err := tailBytes(m.at(l.path), scanTail)
		if err != nil {
			f.Signs = cluster.Unknown[[]cluster.Sign]("%v", err)
		} else {
			scan(&f, b)
		}
		out = append(out, f)
	}
	return out
}

// begins are the first lines of a component's life: what stands before the
// last of them belongs to an earlier run.
func begins(line string) bool {
	for _, s := range []string{"starting etcd\"", "\"msg\":\"Running: \"", "etcd Version:", "Starting kubelet.", "starting containerd", "Started kubelet", "Started kubelet.service"} {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}

// scan counts the causes that the last run of a log names. Lines of earlier
// runs in the same file do not count.
func scan(f *cluster.LogFacts, b []byte) {
	lines := strings.Split(strings.ToValidUTF8(string(b), "?"), "\n")
	from := 0
	for i, l := range lines {
		if begins(l) && (f.Component == "etcd" || f.Component == "kubelet" || f.Component == "containerd") {
			from = i
		}
	}
	counts := map[cluster.Cause]*cluster.Sign{}
	var order []cluster.Cause
	table := patterns()
	for _, l := range lines[from:] {
		if l == "" {
			continue
		}
		at := timeOf(l)
		if at.After(f.Newest) {
			f.Newest = at
		}
		if fatal(l) {
			f.Fatal = sample(l)
		}
		for _, p := range signsOf(table, f.Component, l) {
			s := counts[p]
			if s == nil {
				s = &cluster.Sign{Cause: p}
				counts[p] = s
				order = append(order, p)
			}
			s.Count++
			s.Sample, s.Last = sample(l), at
		}
	}
	signs := []cluster.Sign{}
	for _, c := range order {
		signs = append(signs, *counts[c])
	}
	f.Signs = cluster.Is(signs)
}

func fatal(line string) bool {
	for _, s := range []string{`"level":"fatal"`, `"level":"panic"`, "\npanic: ", "fatal error: ", "SIGBUS", "level=fatal"} {
		if strings.Contains(line, s) {
			return true
		}
	}
	return strings.HasPrefix(line, "panic: ") || strings.Contains(line, " F | ") || strings.Contains(line, " C | ")
}

func sample(line string) string {
	line = string(Redact([]byte(strings.TrimSpace(line))))
	if len(line) > sampleLength {
		line = strings.ToValidUTF8(line[:sampleLength], "") + "…"
	}
	return line
}

// stampForm matches the times at the beginning of CRI, zap and journal lines.
var stampForm = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?`)

// timeOf reads the first time in a line; zero when there is none.
func timeOf(line string) time.Time {
	text := stampForm.FindString(line[:min(len(line), 120)])
	if text == "" {
		return time.Time{}
	}
	text = strings.Replace(strings.Replace(text, " ", "T", 1), ",", ".", 1)
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
