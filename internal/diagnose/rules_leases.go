package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// The controllers of a control plane renew their lease every 2 s and take one
// over after 15 s (k8s.io/component-base/config: LeaseDuration, RetryPeriod).
const (
	// leaseLive is how long ago a lease may have been renewed and be held.
	leaseLive = 20 * time.Second
	// leaseDead is from when on somebody else ought to have taken it.
	leaseDead = time.Minute
)

// leaseView is one lease as one API server gave it.
type leaseView struct {
	host, url string
	at        time.Time
	cluster.LeaseState
}

func (l leaseView) age() time.Duration { return l.at.Sub(l.Renewed) }

func (l leaseView) evidence() string {
	return fmt.Sprintf("%s (asked from %s): lease kube-system/%s of %s, renewed %s, %s before the answer", l.url, l.host, l.Name, l.Holder, stamp(l.Renewed), l.age().Round(time.Second))
}

// leases gives the leases of a component from all API servers that tell.
func (v view) leases(component string) []leaseView {
	var out []leaseView
	for _, o := range v.objects() {
		at := o.LeasesAt
		if h, ok := v.facts.Host(o.host); ok && at.IsZero() {
			at = v.clockOf(h)
		}
		for _, l := range o.Leases.Value {
			if o.Leases.OK && l.Name == component && l.Holder != "" && !l.Renewed.IsZero() {
				out = append(out, leaseView{o.host, o.URL, at, l})
			}
		}
	}
	return out
}

// electing are the components that elect one of theirs.
func electing() []string { return []string{"kube-controller-manager", "kube-scheduler"} }

// findLeadersDisagree finds API servers that give different answers about who
// leads: both holders work, or one API server answers out of older data.
func findLeadersDisagree(v view) []sighting {
	var out []sighting
	for _, c := range electing() {
		all := v.leases(c)
		for i, l := range all {
			at := slices.IndexFunc(all[:i], func(o leaseView) bool { return apart(o, l) })
			if at < 0 {
				continue
			}
			o := all[at]
			out = append(out, sighting{c, []any{o.url, o.Holder, l.url, l.Holder}, []string{o.evidence(), l.evidence()}})
			break
		}
	}
	return out
}

// apart tells whether two answers cannot be of one and the same data. A lease
// moves on from one holder to the next: that is no quarrel while one of them is
// not held any more.
func apart(a, b leaseView) bool {
	if a.url == b.url {
		return false
	}
	if a.Holder != b.Holder && a.age().Abs() <= leaseLive && b.age().Abs() <= leaseLive {
		return true
	}
	asked := a.at.Sub(b.at).Abs()
	return a.Renewed.Sub(b.Renewed).Abs() > asked+leaseDead
}

// rateLeaders: a lease that is given back may be taken by another at once.
func rateLeaders(view, sighting) (Confidence, []string) {
	return Likely, []string{"the API servers were not asked at the very same moment: a lease may have been given back in between"}
}

// findUnrenewed finds leases that nobody renews: no instance of the component
// works, whatever runs.
func findUnrenewed(v view) []sighting {
	var out []sighting
	for _, c := range electing() {
		all := v.leases(c)
		if len(all) == 0 || v.electsNot(c) {
			continue
		}
		newest := slices.MaxFunc(all, func(a, b leaseView) int { return a.Renewed.Compare(b.Renewed) })
		if newest.age() > leaseDead {
			out = append(out, sighting{c, []any{newest.Holder, newest.age().Round(time.Second)}, []string{newest.evidence()}})
		}
	}
	return out
}

// electsNot tells that some instance of a component does not elect: it works
// without the lease.
func (v view) electsNot(component string) bool {
	for _, k := range v.kubes() {
		for _, f := range k.facts.Manifests.Value {
			if p := f.Pod.Value; f.Pod.OK && strings.HasPrefix(p.Name, component) {
				if elect, ok := p.Flag("leader-elect"); ok && elect == "false" {
					return true
				}
			}
		}
	}
	return false
}

// findLeaseLost finds controllers that ended because they lost their lease. One
// that has been started anew since, while somebody renews the lease, has nothing
// to say any more; nor has one that has not been started anew for longer than the
// kubelet waits: something else keeps it down.
func findLeaseLost(v view) []sighting {
	var out []said
	for _, s := range v.said(cluster.SaidLeaseLost) {
		if !v.leadsAgain(s) && !v.staysDown(s) {
			out = append(out, s)
		}
	}
	return gatherSigns(out)
}

// backOff is more than the longest time for which a kubelet lets a container lie
// that has ended: five minutes (kubelet's MaxContainerBackOff).
const backOff = 6 * time.Minute

// staysDown tells that a component ended longer ago than a kubelet waits, and
// does not run.
func (v view) staysDown(s said) bool {
	k, ok := v.kube(s.host)
	if !ok || !k.facts.Running.OK || s.sign.Last.IsZero() {
		return false
	}
	_, runs := k.facts.Running.Value[s.component]
	return !runs && s.now.Sub(s.sign.Last) > backOff
}

// leadsAgain tells that a log line is of a run that has ended, and that the
// lease has been renewed since and is held.
func (v view) leadsAgain(s said) bool {
	if s.sign.Last.IsZero() {
		return false
	}
	k, ok := v.kube(s.host)
	if !ok || !k.facts.Running.OK {
		return false
	}
	p, runs := k.facts.Running.Value[s.component]
	if !runs || !p.Since.After(s.sign.Last) {
		return false
	}
	return slices.ContainsFunc(v.leases(s.component), func(l leaseView) bool {
		return l.Renewed.After(s.sign.Last) && l.age().Abs() <= leaseLive
	})
}
