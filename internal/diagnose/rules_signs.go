package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// signAge is how old a log line may be and still speak of the present;
// signFresh is how old it may be and still make a cause likely.
const (
	signAge   = 2 * time.Hour
	signFresh = 15 * time.Minute
)

// said is one sign with where it was said.
type said struct {
	host, subject, component, source string
	// previous is true when an earlier run of the component said it.
	previous bool
	sign     cluster.Sign
	now      time.Time
}

// said collects the signs of some causes that are not too old, by host.
func (v view) said(causes ...cluster.Cause) []said {
	var out []said
	for _, h := range v.facts.Hosts {
		now := v.clockOf(h)
		for _, l := range h.Node.Logs {
			for _, s := range l.Signs.Value {
				if !l.Signs.OK || !slices.Contains(causes, s.Cause) || (!s.Last.IsZero() && now.Sub(s.Last) > signAge) {
					continue
				}
				subject := h.Name
				if l.Member != "" {
					subject = l.Member
				}
				out = append(out, said{h.Name, subject, l.Component, l.Source, l.Previous, s, now})
			}
		}
	}
	return out
}

// clockOf is a host's own clock, the coordinator's where it is not known.
func (v view) clockOf(h cluster.HostFacts) time.Time {
	if h.Reached.OK && !h.Reached.Value.Clock.IsZero() {
		return h.Reached.Value.Clock
	}
	return v.facts.At
}

// evidence is a sign as it is told: source, count, time, and the line itself.
func (s said) evidence() string {
	at := ""
	if !s.sign.Last.IsZero() {
		at = ", last at " + stamp(s.sign.Last)
	}
	return fmt.Sprintf("%s: %d×%s: %s", s.source, s.sign.Count, at, s.sign.Sample)
}

// gather makes one sighting of all signs of a subject.
func gatherSigns(all []said) []sighting {
	var out []sighting
	at := map[string]int{}
	for _, s := range all {
		i, ok := at[s.subject]
		if !ok {
			i = len(out)
			at[s.subject] = i
			out = append(out, sighting{s.subject, []any{s.component, s.words()}, nil})
		}
		out[i].evidence = append(out[i].evidence, s.evidence())
	}
	return out
}

// findSigns finds the hosts or members whose logs name one of the causes.
func findSigns(causes ...cluster.Cause) func(view) []sighting {
	return func(v view) []sighting { return gatherSigns(v.said(causes...)) }
}

// findSilent finds the members that do not serve and whose logs name one of
// the causes: of one that serves, an old line says nothing.
func findSilent(causes ...cluster.Cause) func(view) []sighting {
	return func(v view) []sighting {
		var out []said
		for _, s := range v.said(causes...) {
			if s.component != "etcd" {
				continue
			}
			for _, m := range v.members {
				if m.cfg.Name == s.subject && m.state != StateServing && m.state != StateNoQuorum && m.state != StateLearner {
					out = append(out, s)
				}
			}
		}
		return gatherSigns(out)
	}
}

// findBootstrapped finds the members that a start refused as already
// bootstrapped, and that have no log of their own: with one the line is of a time
// in which etcd did not see it (an absent volume, a folder without rights), and
// "remove the member" would throw it away.
func findBootstrapped(v view) []sighting {
	return slices.DeleteFunc(findSilent(cluster.SaidBootstrapped)(v), func(s sighting) bool {
		for _, m := range v.members {
			if d := m.facts.Disk; m.cfg.Name == s.subject && d.OK && d.Value.State == cluster.DirData && d.Value.Log.OK && d.Value.MemberID.OK {
				return true
			}
		}
		return false
	})
}

// findDenied finds the members that do not serve and may not use their files: as
// their logs say, or as owners and modes do.
func findDenied(v view) []sighting {
	out := findSilent(cluster.SaidPermission)(v)
	for _, m := range v.with(StateStopped, StateStuck, StateDamaged) {
		why := m.facts.Disk.Value.Barred
		if !m.facts.Disk.OK || why == "" {
			continue
		}
		i := slices.IndexFunc(out, func(s sighting) bool { return s.subject == m.cfg.Name })
		if i < 0 {
			i, out = len(out), append(out, sighting{m.cfg.Name, []any{"etcd", why}, nil})
		}
		out[i].evidence = append(out[i].evidence, why)
	}
	return out
}

// rateDenied: owners and modes are of now, lines have an age.
func rateDenied(v view, s sighting) (Confidence, []string) {
	for _, m := range v.members {
		if why := m.facts.Disk.Value.Barred; m.cfg.Name == s.subject && why != "" && slices.Contains(s.evidence, why) {
			return Likely, nil
		}
	}
	return rateSign(v, s)
}

// findKernel finds the hosts whose kernel names one of the causes.
func findKernel(causes ...cluster.Cause) func(view) []sighting {
	return func(v view) []sighting {
		var out []said
		for _, h := range v.facts.Hosts {
			now := v.clockOf(h)
			for _, s := range h.Node.Kernel.Value {
				if h.Node.Kernel.OK && slices.Contains(causes, s.Cause) && (s.Last.IsZero() || now.Sub(s.Last) <= signAge) {
					out = append(out, said{h.Name, h.Name, "kernel", "kernel", false, s, now})
				}
			}
		}
		return gatherSigns(out)
	}
}

// rateSign says how sure a cause is that only log lines name: likely while
// they are fresh, possible when they are old or nobody knows how old.
func rateSign(v view, s sighting) (Confidence, []string) {
	newest := time.Time{}
	now := v.facts.At
	for _, h := range v.facts.Hosts {
		all := append([]cluster.LogFacts{{Component: "kernel", Source: "kernel", Signs: h.Node.Kernel}}, h.Node.Logs...)
		for _, l := range all {
			for _, sign := range l.Signs.Value {
				if mentions(s.evidence, l.Source, sign.Sample) && sign.Last.After(newest) {
					newest, now = sign.Last, v.clockOf(h)
				}
			}
		}
	}
	switch {
	case newest.IsZero():
		return Possible, []string{"the lines carry no time: they may be old"}
	case now.Sub(newest) > signFresh:
		return Possible, []string{fmt.Sprintf("the last such line is %s old", now.Sub(newest).Round(time.Minute))}
	}
	return Likely, nil
}

func mentions(evidence []string, source, sample string) bool {
	for _, e := range evidence {
		if strings.HasPrefix(e, source+": ") && strings.HasSuffix(e, ": "+sample) {
			return true
		}
	}
	return false
}

// components keeps the signs of some components.
func components(all []said, names ...string) []said {
	var out []said
	for _, s := range all {
		for _, n := range names {
			if s.component == n {
				out = append(out, s)
			}
		}
	}
	return out
}

// findRuntimeDB finds runtimes that say so and do not answer: of one that
// answers, an old line says nothing.
func findRuntimeDB(v view) []sighting {
	var out []said
	for _, s := range components(v.said(cluster.SaidRuntimeDB), "containerd") {
		if k, ok := v.kube(s.host); !ok || !k.facts.Runtime.OK || !k.facts.Runtime.Value.Answers.OK || !k.facts.Runtime.Value.Answers.Value {
			out = append(out, s)
		}
	}
	return gatherSigns(out)
}

func findKubeletRefuses(v view) []sighting {
	var out []said
	for _, s := range components(v.said(cluster.SaidSwap, cluster.SaidCgroup, cluster.SaidBadFlag), "kubelet") {
		if k, ok := v.kube(s.host); !ok || !k.facts.Kubelet.OK || !up(k.facts.Kubelet.Value) {
			out = append(out, s)
		}
	}
	return gatherSigns(out)
}

// findAPIBadFlag finds API servers, controller managers and schedulers that
// end at once for a flag they do not know.
func findAPIBadFlag(v view) []sighting {
	var out []said
	for _, s := range components(v.said(cluster.SaidBadFlag, cluster.SaidFeatureGate, cluster.SaidFileMissing), "kube-apiserver", "kube-controller-manager", "kube-scheduler") {
		if s.component != "kube-apiserver" || !v.apiReady(s.host) {
			out = append(out, s)
		}
	}
	return merged(append(gatherSigns(out), v.briefAPI(0, flagEnd)...))
}

// again is how often at least something is said that lasts: caches read again,
// and who wants to lead asks again, every few seconds.
const again = 2 * time.Minute

// old tells that a line would have been said again if it still held.
func (s said) old() bool { return !s.sign.Last.IsZero() && s.now.Sub(s.sign.Last) > again }

// past tells that a line is of an earlier run, or old.
func (s said) past() bool { return s.previous || s.old() }

// findRefused finds controllers and schedulers that are refused again and again.
// Once is ordinary: an API server that begins does not know its roles yet.
func findRefused(cause cluster.Cause) func(view) []sighting {
	return func(v view) []sighting {
		return gatherSigns(slices.DeleteFunc(often(v.said(cause), refusals), said.old))
	}
}

// findCannotDecrypt finds API servers that have no key for what is stored. What
// one that answers has not said lately is past; and what was said in an earlier
// run, where the server is ready or lacks nothing but etcd: it could read all
// that it keeps.
func findCannotDecrypt(v view) []sighting {
	var out []said
	for _, s := range v.said(cluster.SaidNoEncryptionKey) {
		if !s.past() || !s.previous && !v.apiAnswers(s.host) || s.previous && !v.apiReady(s.host) && !v.apiLacksEtcd(s.host) {
			out = append(out, s)
		}
	}
	return gatherSigns(out)
}

// findTokensRefused finds API servers that refuse the tokens of service accounts.
// Who is refused asks again at once: what one that answers has not said lately is
// past, such as the last tokens that another key has signed.
func findTokensRefused(v view) []sighting {
	return gatherSigns(slices.DeleteFunc(v.said(cluster.SaidTokenSignature), func(s said) bool { return s.past() && v.apiAnswers(s.host) }))
}

// findDeadlock finds webhooks that could not be asked. One that the API does not
// have any more stands in nobody's way.
func findDeadlock(v view) []sighting {
	var out []said
	for _, s := range v.said(cluster.SaidWebhook) {
		if !v.hookGone(s.sign.Sample) {
			out = append(out, s)
		}
	}
	return gatherSigns(out)
}

// hookGone tells that the webhook which a line names is in no list of an API
// server, and that one has told.
func (v view) hookGone(line string) bool {
	_, rest, named := strings.Cut(strings.ReplaceAll(line, `\"`, `"`), `failed calling webhook "`)
	name, _, ends := strings.Cut(rest, `"`)
	told := false
	for _, o := range v.objects() {
		if told = told || o.Hooks.OK; slices.Contains(o.Hooks.Value, name) {
			return false
		}
	}
	return named && ends && told
}

// findAPIEtcd finds API servers that say that they do not reach etcd, in their
// log or by the check "etcd" of their health.
func findAPIEtcd(v view) []sighting {
	var out []said
	for _, s := range components(v.said(cluster.SaidEtcdUnreachable), "kube-apiserver") {
		if !v.apiReady(s.host) {
			out = append(out, s)
		}
	}
	all := gatherSigns(out)
	for _, a := range v.apis(true) {
		if check, ok := failedEtcd(a); ok {
			all = append(all, sighting{a.host, []any{"kube-apiserver", check}, []string{check}})
		}
	}
	return merged(append(all, v.briefAPI(etcdFrom, etcdWithin)...))
}

// ofEtcd tells a check of an API server's health that asks etcd.
func ofEtcd(check string) bool { return check == "etcd" || check == "etcd-readiness" }

// failedEtcd gives the words in which an API server's own health check says that
// it does not reach etcd.
func failedEtcd(a apiView) (string, bool) {
	if a.api.Layer != cluster.LayerHTTP || !a.api.Ready.OK {
		return "", false
	}
	for _, check := range a.api.Ready.Value.Failed {
		if ofEtcd(check) {
			return fmt.Sprintf("%s/readyz: the check %s failed", a.api.URL, check), true
		}
	}
	return "", false
}

// rateAPIEtcd is certain of what the health check says, and of log lines what
// rateSign says.
func rateAPIEtcd(v view, s sighting) (Confidence, []string) {
	for _, a := range v.apis(true) {
		if check, ok := failedEtcd(a); ok && slices.Contains(s.evidence, check) {
			return Certain, nil
		}
	}
	return rateSign(v, s)
}

// merged makes one sighting of all that have the same subject.
func merged(all []sighting) []sighting {
	var out []sighting
	at := map[string]int{}
	for _, s := range all {
		if i, ok := at[s.subject]; ok {
			out[i].evidence = append(out[i].evidence, s.evidence...)
			continue
		}
		at[s.subject] = len(out)
		out = append(out, s)
	}
	return out
}

// How often something has to be said that is ordinary when it is said once:
// conflicts that make a quarrel, a cache that is behind, a client that is refused, a
// heartbeat that is late.
const (
	fights      = 50
	regressions = 5
	refusals    = 3
	lateBeats   = 5
)

// often keeps the signs that were counted so often.
func often(all []said, least int) []said {
	return slices.DeleteFunc(all, func(s said) bool { return s.sign.Count < least })
}

func findFights(v view) []sighting {
	return gatherSigns(often(v.said(cluster.SaidObjectModified), fights))
}

// findRegressed finds clients that have seen a later revision than the API has.
// They ask again and again; a cache that is behind for a moment is said once.
func findRegressed(v view) []sighting {
	return gatherSigns(slices.DeleteFunc(often(v.said(cluster.SaidRVTooLarge), regressions), said.old))
}

func findLateHeartbeats(v view) []sighting {
	return gatherSigns(often(components(v.said(cluster.SaidLateHeartbeat), "etcd"), lateBeats))
}
