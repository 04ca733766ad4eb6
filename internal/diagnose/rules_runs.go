package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// How long an API server runs that ends by itself (measured with 1.36): one that
// does not know a flag is gone at once, one that does not reach its etcd gives up
// after twenty seconds.
const (
	flagEnd              = 2.0
	etcdFrom, etcdWithin = 18.0, 30.0
)

// What speaks against a cause of which only the length of a run tells.
const (
	againstFlag = "its log cannot be read: only how soon it ended speaks for it, and a certificate file that is missing ends it as soon"
	againstEtcd = "its log cannot be read: only how long it ran speaks for it"
)

// runs are the services and containers of a host that are of a component.
func runs(h cluster.HostFacts, components ...string) []cluster.Run {
	var out []cluster.Run
	for _, r := range slices.Concat(h.Node.Units.Value, h.Node.Containers.Value) {
		if len(components) == 0 || slices.Contains(components, r.Component) {
			out = append(out, r)
		}
	}
	return out
}

// ended are those of a host's runs that ended not too long ago.
func (v view) ended(host string, components ...string) []cluster.Run {
	h, _ := v.facts.Host(host)
	now := v.clockOf(h)
	return slices.DeleteFunc(runs(h, components...), func(r cluster.Run) bool {
		return !r.Last.OK || now.Sub(r.Last.Value.Ended) > signAge
	})
}

// runLine is how the last run of something ended, as it is told.
func runLine(r cluster.Run) string {
	e := r.Last.Value
	how := fmt.Sprintf("exit code %d", e.Exit)
	switch {
	case e.OutOfMemory():
		how += ", killed for want of memory"
	case e.Killed():
		how += ", SIGKILL by whoever sent it"
	case e.Exit == 2 && r.Component == "etcd":
		how += ", a flag that it does not know, or a panic or a fault of memory"
	case e.Exit == 1 && r.Component == "etcd":
		how += ", it gave up by itself"
	}
	return fmt.Sprintf("%s: the last run of %s ended at %s after %.1f s with %s (%s); started again %d times, now %s", r.Source, r.Component, stamp(e.Ended), e.Seconds, how,
		e.Reason, r.Restarts, r.State)
}

// lastRun tells how the last run of a component ended, on the machine that a finding
// is about.
func lastRun(component string) func(view, sighting) []string {
	return func(v view, s sighting) []string {
		var out []string
		host := v.hostOf(s.subject)
		for _, r := range v.ended(host, component) {
			mine := r.Member == "" || r.Member == s.subject || host == s.subject
			if line := runLine(r); mine && !slices.Contains(s.evidence, line) {
				out = append(out, line)
			}
		}
		return out
	}
}

// findOutOfMemory finds the hosts whose kernel says that it killed for want of
// memory, or on which who started a process says so of its control group. Where
// the kernel cannot be heard, a SIGKILL of what is down may be one, too.
func findOutOfMemory(v view) []sighting {
	out := findKernel(cluster.SaidOOM)(v)
	for _, h := range v.facts.Hosts {
		for _, r := range v.ended(h.Name) {
			switch {
			case r.Last.Value.OutOfMemory() && (!runsNow(r) || v.fresh(h, r)): // else it is over
				out = append(out, sighting{h.Name, []any{r.Component, fmt.Sprintf("%s (%s)", r.Component, r.Last.Value.Reason)}, []string{runLine(r)}})
			case v.perhapsStarved(h, r):
				out = append(out, sighting{h.Name, []any{r.Component, fmt.Sprintf("%s (SIGKILL)", r.Component)}, []string{runLine(r)}})
			}
		}
	}
	return merged(out)
}

// perhapsStarved tells a SIGKILL that the kernel may have sent: its messages cannot
// be read, what was killed does not run, and a quorum of etcd serves. Without one
// kubelets kill what their probes find dead.
func (v view) perhapsStarved(h cluster.HostFacts, r cluster.Run) bool {
	return r.Last.Value.Killed() && !h.Node.Kernel.OK && v.alive && !runsNow(r)
}

// runsNow tells that what ended was started again, and runs.
func runsNow(r cluster.Run) bool {
	return strings.HasPrefix(r.State, "running") || strings.HasPrefix(r.State, "active")
}

// fresh tells that a run ended only a moment ago.
func (v view) fresh(h cluster.HostFacts, r cluster.Run) bool {
	return v.clockOf(h).Sub(r.Last.Value.Ended) <= signFresh
}

// rateOutOfMemory is certain of what who started the process knows of the last
// minutes, and takes a SIGKILL alone for what it is.
func rateOutOfMemory(v view, s sighting) (Confidence, []string) {
	killed, past := false, false
	h, _ := v.facts.Host(s.subject)
	for _, r := range v.ended(s.subject) {
		switch said := slices.Contains(s.evidence, runLine(r)); {
		case said && r.Last.Value.OutOfMemory() && v.fresh(h, r):
			return Certain, nil
		case said && r.Last.Value.OutOfMemory():
			past = true
		case said:
			killed = true
		}
	}
	switch {
	case past:
		return Possible, []string{"it was killed some time ago; why it does not run now may be another reason"}
	case killed:
		return Possible, []string{"all that is known is a SIGKILL, which a kubelet whose probe failed and an operator send, too; the kernel's messages would tell"}
	}
	return rateSign(v, s)
}

// briefAPI finds the API servers that are not ready, whose log is gone and whose
// last run gave up by itself after a time between from and to, in seconds.
func (v view) briefAPI(from, to float64) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		if v.apiReady(k.host) || v.hasLog(k.host, "kube-apiserver") {
			continue
		}
		for _, r := range v.ended(k.host, "kube-apiserver") {
			e := r.Last.Value
			if e.Exit == 1 && e.Seconds >= from && e.Seconds < to && k.now.Sub(e.Ended) < signFresh && !runsNow(r) {
				out = append(out, sighting{k.host, []any{r.Component, fmt.Sprintf("exit code 1 after %.1f s", e.Seconds)}, []string{runLine(r)}})
			}
		}
	}
	return out
}

// hasLog tells whether a component's log on a host could be read.
func (v view) hasLog(host, component string) bool {
	h, _ := v.facts.Host(host)
	return slices.ContainsFunc(h.Node.Logs, func(l cluster.LogFacts) bool { return l.Component == component && l.Signs.OK && !l.Newest.IsZero() })
}

// rateBrief says of what only the length of a run tells that it is possible, and
// leaves the rest to another.
func rateBrief(otherwise func(view, sighting) (Confidence, []string), against string) func(view, sighting) (Confidence, []string) {
	return func(v view, s sighting) (Confidence, []string) {
		if slices.ContainsFunc(v.briefAPI(0, etcdWithin), func(b sighting) bool { return slices.Equal(b.evidence, s.evidence) }) {
			return Possible, []string{against}
		}
		return otherwise(v, s)
	}
}

// rateNotEnabled: what systemd does not start by itself somebody else may.
func rateNotEnabled(view, sighting) (Confidence, []string) {
	return Likely, []string{"another unit that wants it (systemctl list-dependencies --reverse UNIT), or a cluster manager such as pacemaker, may start it"}
}

// findNotEnabled finds services that run and that systemd will not start with the
// machine: the next power cut makes an outage of it. "enabled-runtime" lasts
// until then (systemctl(1), is-enabled).
func findNotEnabled(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		var units []string
		for _, r := range h.Node.Units.Value {
			if strings.HasPrefix(r.State, "active/") && (r.Boot == "disabled" || r.Boot == "enabled-runtime") {
				units = append(units, strings.TrimPrefix(r.Source, "systemd:"))
			}
		}
		if len(units) > 0 {
			list := strings.Join(units, " ")
			out = append(out, sighting{h.Name, []any{list}, []string{"systemd runs " + list + " and calls it not enabled (UnitFileState)"}})
		}
	}
	return out
}
