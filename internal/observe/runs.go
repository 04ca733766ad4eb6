package observe

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
)

// asked is one unit that is looked at, and the program that it runs.
type asked struct{ unit, component, member string }

// unitsHere are the services of a control plane that this machine may have.
func (m machine) unitsHere() []asked {
	var out []asked
	add := func(unit, component, member string) {
		if unit == "" {
			return
		}
		if !strings.HasSuffix(unit, ".service") {
			unit += ".service"
		}
		if !slices.ContainsFunc(out, func(a asked) bool { return a.unit == unit }) {
			out = append(out, asked{unit, component, member})
		}
	}
	for _, c := range m.cfg.Members {
		if c.Host == m.host {
			add(c.Run.Systemd, "etcd", c.Name)
		}
	}
	n, ok := m.cfg.Node(m.host)
	for _, r := range cluster.Roles() {
		add(n.Component(r).Systemd, string(r), "")
	}
	if is, err := m.present(); ok || is && err == nil {
		_, runtime := m.runtimeSocket()
		add(n.Unit(), "kubelet", "")
		add(runtime, runtime, "")
	}
	add("haproxy", "haproxy", "")
	add("keepalived", "keepalived", "")
	return out
}

// units asks systemd how the last runs of this machine's services ended. Where
// systemd does not run there is nothing to ask (sd_booted(3)).
func (m machine) units(ctx context.Context) cluster.Known[[]cluster.Run] {
	if _, err := os.Stat("/run/systemd/system"); err != nil || !m.real() {
		return cluster.Known[[]cluster.Run]{}
	}
	here := m.unitsHere()
	out, err := showUnits(ctx, here)
	if err != nil {
		return cluster.Unknown[[]cluster.Run]("%v", err)
	}
	return cluster.Is(parseUnits(here, out))
}

// showUnits is what "systemctl show" says of units, in a form that depends on no
// language and no time zone.
func showUnits(ctx context.Context, units []asked) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	args := []string{"show", "--no-pager", "--property=Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,ExecMainCode,ExecMainStatus," +
		"ExecMainStartTimestamp,ExecMainExitTimestamp,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic"}
	for _, u := range units {
		args = append(args, u.unit)
	}
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("systemctl show: %w", err)
	}
	return string(out), nil
}

// parseUnits reads the blocks of "systemctl show"; units that are not there are
// left out. systemd prints ExecMainCode as the number of waitid(2): 1 for an exit,
// 2 and 3 for a signal (without and with a core).
func parseUnits(units []asked, show string) []cluster.Run {
	out := []cluster.Run{}
	for block := range strings.SplitSeq(show, "\n\n") {
		v := map[string]string{}
		for line := range strings.Lines(block) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				v[key] = value
			}
		}
		i := slices.IndexFunc(units, func(a asked) bool { return a.unit == v["Id"] })
		if i < 0 || v["LoadState"] != "loaded" {
			continue
		}
		r := cluster.Run{Component: units[i].component, Member: units[i].member, Source: "systemd:" + units[i].unit, State: v["ActiveState"] + "/" + v["SubState"],
			Boot: v["UnitFileState"]}
		r.Restarts, _ = strconv.Atoi(v["NRestarts"])
		if end, ok := unitEnd(v); ok {
			r.Last = cluster.Is(end)
		}
		out = append(out, r)
	}
	return out
}

// unitEnd is how a unit's main process ended; false when it runs, never ran, or
// systemd does not say.
func unitEnd(v map[string]string) (cluster.RunEnd, bool) {
	code, err := strconv.Atoi(v["ExecMainCode"])
	status, serr := strconv.Atoi(v["ExecMainStatus"])
	ended, terr := unitTime(v["ExecMainExitTimestamp"])
	if err != nil || serr != nil || terr != nil || code < 1 || code > 3 {
		return cluster.RunEnd{}, false
	}
	e := cluster.RunEnd{Exit: status, Reason: v["Result"], Ended: ended}
	if code > 1 {
		e.Exit, e.Signal = 128+status, status
	}
	e.Started, _ = unitTime(v["ExecMainStartTimestamp"])
	from, ferr := strconv.ParseInt(v["ExecMainStartTimestampMonotonic"], 10, 64)
	to, uerr := strconv.ParseInt(v["ExecMainExitTimestampMonotonic"], 10, 64)
	if ferr == nil && uerr == nil && from > 0 && to >= from {
		e.Seconds = seconds(time.Duration(to-from) * time.Microsecond)
	}
	return e, true
}

// unitTime reads systemd's form of a time with TZ=UTC: "Sun 2026-11-22 00:19:10 UTC".
func unitTime(s string) (time.Time, error) { return time.Parse("Mon 2006-01-02 15:04:05 MST", s) }

// seconds is a duration as it is told: in hundredths.
func seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}

// containers asks the runtime how the last runs of the control plane's static
// pods ended.
func (m machine) containers(ctx context.Context) cluster.Known[[]cluster.Run] {
	if is, err := m.present(); err != nil || !is || !m.real() {
		return cluster.Known[[]cluster.Run]{}
	}
	socket, _ := m.runtimeSocket()
	return cluster.From(containerRuns(ctx, socket))
}

func containerRuns(ctx context.Context, socket string) ([]cluster.Run, error) {
	c, err := cri.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	all, err := c.InNamespace(ctx, "kube-system")
	if err != nil {
		return nil, err
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Created.After(all[j].Created) })
	out := []cluster.Run{}
	ended := map[string]bool{}
	for _, k := range all { // the newest first
		if _, ok := componentOf(k.Name); !ok {
			continue
		}
		source := "cri:" + k.Pod
		i := slices.IndexFunc(out, func(r cluster.Run) bool { return r.Source == source && r.Component == k.Name })
		if i < 0 {
			i = len(out)
			out = append(out, cluster.Run{Component: k.Name, Source: source, State: k.State, Restarts: int(k.Attempt)})
		}
		if id := source + "/" + k.Name; k.State == cri.Exited && !ended[id] {
			ended[id] = true
			out[i].Last = cluster.From(containerEnd(ctx, c, k.ID))
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Component+out[i].Source < out[j].Component+out[j].Source })
	return out, nil
}

func containerEnd(ctx context.Context, c *cri.Client, id string) (cluster.RunEnd, error) {
	e, err := c.End(ctx, id)
	if err != nil {
		return cluster.RunEnd{}, err
	}
	out := cluster.RunEnd{Exit: e.Exit, Reason: e.Reason, Started: e.Started.UTC(), Ended: e.Finished.UTC()}
	if !e.Started.IsZero() && e.Finished.After(e.Started) {
		out.Seconds = seconds(e.Finished.Sub(e.Started))
	}
	return out, nil
}
