package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// service judges what the control plane does for its clients, through the first
// API server that is ready: nodes, endpoints and load balancer. What was out of
// service before the recovery began does not count against it.
func (v view) service(ctx context.Context, all []judged) []casefile.Check {
	if len(all) == 0 {
		return nil
	}
	balancer := v.Plan.Config.Kubernetes.LoadBalancer
	s, err := v.lookService(ctx, all, balancer)
	if err != "" {
		out := []casefile.Check{unknown("nodes", err), unknown("endpoints", err)}
		if balancer != "" {
			out = append(out, unknown("load-balancer", err))
		}
		return out
	}
	out := []casefile.Check{nodesCheck(s), endpointsCheck(s)}
	if balancer != "" {
		out = append(out, balancerCheck(s, balancer))
	}
	return out
}

func (v view) lookService(ctx context.Context, all []judged, balancer string) (s remote.Service, why string) {
	i := slices.IndexFunc(all, func(j judged) bool { return j.err == nil && j.Ready.OK && j.Ready.Value })
	if i < 0 {
		return s, "no API server is ready"
	}
	through := all[i].node.Host
	h, err := v.Fleet.Host(through)
	if err == nil {
		s, err = h.JudgeService(ctx, v.Plan.Config, remote.ServiceWanted{Nodes: v.Plan.Expect.Nodes, APIServers: v.Plan.Expect.APIServers,
			Balancer: balancer, Before: v.began()})
	}
	if err != nil {
		return s, through + ": " + err.Error()
	}
	return s, ""
}

// began is when the run began first.
func (v view) began() time.Time {
	var first time.Time
	for _, e := range v.Journal {
		if e.Event == casefile.EventBegan && (first.IsZero() || e.At.Before(first)) {
			first = e.At
		}
	}
	return first
}

// nodesCheck demands that all nodes are Ready with fresh leases, but for those
// that were not before.
func nodesCheck(s remote.Service) casefile.Check {
	j := s.Nodes.Value
	switch {
	case !s.Nodes.OK:
		return unknown("nodes", s.Nodes.Why)
	case len(j.Missing) > 0:
		return failed("nodes", "nodes-missing", strings.Join(j.Missing, "; "))
	case len(j.Before) > 0:
		return passed("nodes", "nodes-before", strings.Join(j.Ready, ", "), strings.Join(j.Before, "; "))
	}
	return passed("nodes", "nodes", strings.Join(j.Ready, ", "))
}

// endpointsCheck demands that the service "kubernetes" leads to every API server,
// and nowhere else.
func endpointsCheck(s remote.Service) casefile.Check {
	e := s.Endpoints.Value
	switch {
	case !s.Endpoints.OK:
		return unknown("endpoints", s.Endpoints.Why)
	case len(e.Missing) > 0:
		return failed("endpoints", "endpoints-missing", strings.Join(e.Missing, ", "), strings.Join(e.Addresses, ", "))
	case len(e.Stale) > 0:
		return failed("endpoints", "endpoints-stale", strings.Join(e.Stale, ", "))
	}
	return passed("endpoints", "endpoints", strings.Join(e.Addresses, ", "))
}

// balancerCheck demands that the API is ready behind the load balancer.
func balancerCheck(s remote.Service, url string) casefile.Check {
	b := s.Balancer.Value
	switch {
	case !s.Balancer.OK:
		return failed("load-balancer", "balancer-not-ready", url, s.Balancer.Why)
	case b.EndsTLS && b.Seen < b.Of:
		return passed("load-balancer", "balancer-ends-tls", url)
	case b.Seen < b.Of:
		return passed("load-balancer", "balancer-some", url, b.Seen, b.Of)
	}
	return passed("load-balancer", "balancer", url, b.Of)
}

// judgedOtherwise tells that a step which only waits, or serves what is waited
// for, has failed, and that its purpose is nevertheless seen to be there.
func (v view) judgedOtherwise(s plan.Step, last map[plan.StepID]casefile.Event, checks []casefile.Check) bool {
	good := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			return !slices.ContainsFunc(checks, func(c casefile.Check) bool { return c.Name == name && c.Result == casefile.Passed })
		})
	}
	switch s.Action.Kind() {
	case plan.KindAwaitAPI:
		// The write was proven by another API server, if not by this one.
		return good("api-ready") && slices.ContainsFunc(v.Plan.Steps, func(x plan.Step) bool {
			return x.Action.Kind() == plan.KindAwaitAPI && last[x.ID] == casefile.EventDone
		})
	case plan.KindAwaitNodes:
		return good("nodes", "endpoints")
	case plan.KindAwaitBalancer:
		return good("load-balancer")
	case plan.KindRestartKubelet:
		return good("nodes")
	default:
		return false
	}
}
