package observe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// stealWindow is how long the CPUs' time is watched to see what of it goes to
// other machines.
const stealWindow = 400 * time.Millisecond

// pressure reads how much of the machine's work waits. The folder's tests read
// it of files; a machine that is only files has no steal to be watched.
func (m machine) pressure(ctx context.Context) cluster.Known[cluster.PressureFacts] {
	p := cluster.PressureFacts{CPU: m.psi("cpu"), IO: m.psi("io"), Memory: m.psi("memory")}
	p.Steal = got(ctx, func() (float64, error) { return m.steal(ctx) })
	if running, err := m.running(); err == nil {
		if e, ok := running["etcd"]; ok {
			p.Throttled = got(ctx, func() (float64, error) { return m.throttled(e.PID) })
		}
	}
	return cluster.Is(p)
}

// psi reads one file of /proc/pressure.
func (m machine) psi(what string) cluster.Known[cluster.Pressure] {
	b, err := m.read("/proc/pressure/" + what)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cluster.Unknown[cluster.Pressure]("this kernel does not measure pressure (psi=1 at its start turns it on)")
	case err != nil:
		return cluster.Unknown[cluster.Pressure]("%v", err)
	}
	p, err := parsePressure(string(b))
	if err != nil {
		return cluster.Unknown[cluster.Pressure]("read /proc/pressure/%s: %v", what, err)
	}
	return cluster.Is(p)
}

// parsePressure reads lines as "some avg10=0.00 avg60=1.50 avg300=0.30 total=7"
// (Linux, Documentation/accounting/psi.rst).
func parsePressure(text string) (cluster.Pressure, error) {
	var p cluster.Pressure
	seen := false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 {
			continue
		}
		minute, ok := strings.CutPrefix(words[2], "avg60=")
		if !ok {
			continue
		}
		share, err := strconv.ParseFloat(minute, 64)
		if err != nil {
			return p, err
		}
		switch words[0] {
		case "some":
			p.Some, seen = share, true
		case "full":
			p.Full = share
		}
	}
	if !seen {
		return p, errors.New("it has no line of the last minute")
	}
	return p, nil
}

// steal watches the first line of /proc/stat for a moment.
func (m machine) steal(ctx context.Context) (float64, error) {
	if !m.real() {
		return 0, errors.New("these are the files of a machine that does not run")
	}
	all, stolen, err := m.cpuTimes()
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(stealWindow):
	}
	allThen, stolenThen, err := m.cpuTimes()
	if err != nil {
		return 0, err
	}
	if allThen <= all || stolenThen < stolen {
		return 0, errors.New("the CPUs' time did not pass")
	}
	return 100 * (stolenThen - stolen) / (allThen - all), nil
}

// cpuTimes gives the time of all CPUs and what of it was stolen, in ticks
// (proc_stat(5): user nice system idle iowait irq softirq steal).
func (m machine) cpuTimes() (all, stolen float64, err error) {
	b, err := m.read("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	words := strings.Fields(line)
	if len(words) < 9 || words[0] != "cpu" {
		return 0, 0, fmt.Errorf("read /proc/stat: its first line is %q", line)
	}
	for i, w := range words[1:9] { // guest time is in user time already
		ticks, err := strconv.ParseFloat(w, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		all += ticks
		if i == 7 {
			stolen = ticks
		}
	}
	return all, stolen, nil
}

// throttled gives the share of scheduling periods in which a process's control
// group had no quota left, in per cent since the group began.
func (m machine) throttled(pid int) (float64, error) {
	b, err := m.read(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, err
	}
	worst, seen := 0.0, false
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, dir := range cpuGroups(parts[1], parts[2]) {
			if share, err := m.throttledIn(dir); err == nil {
				worst, seen = max(worst, share), true
			}
		}
	}
	if !seen {
		return 0, errors.New("no control group of it tells of its CPU quota")
	}
	return worst, nil
}

// cpuGroups are the folders that a line of /proc/PID/cgroup may mean and all
// above: any of them may have a quota. Of version 1 only the controller cpu
// counts (cgroups(7)).
func cpuGroups(controllers, group string) []string {
	root := ""
	switch {
	case controllers == "":
		root = "/sys/fs/cgroup"
	case controllers == "cpu" || strings.HasPrefix(controllers, "cpu,") || strings.HasSuffix(controllers, ",cpu"):
		root = "/sys/fs/cgroup/" + controllers
	default:
		return nil
	}
	var out []string
	for g := path.Clean("/" + group); ; g = path.Dir(g) {
		out = append(out, path.Join(root, g))
		if g == "/" {
			return out
		}
	}
}

// throttledIn reads one group's cpu.stat.
func (m machine) throttledIn(dir string) (float64, error) {
	b, err := os.ReadFile(m.at(filepath.Join(dir, "cpu.stat")))
	if err != nil {
		return 0, err
	}
	var periods, stopped float64
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case "nr_periods":
			periods = n
		case "nr_throttled":
			stopped = n
		}
	}
	if periods == 0 {
		return 0, nil // no quota was ever set
	}
	return 100 * stopped / periods, nil
}
