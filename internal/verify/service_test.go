package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// TestWhatIsMissingIsJudgedByWhatIsThere: a wait that ended too early is no
// fault when what it waited for is there in the end.
func TestWhatIsMissingIsJudgedByWhatIsThere(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{
		{ID: "await-api@a", Action: plan.AwaitAPI{Canary: "c"}}, {ID: "await-api@b", Action: plan.AwaitAPI{}},
		{ID: "await-nodes@a", Action: plan.AwaitNodes{}}, {ID: "await-balancer@x", Action: plan.AwaitBalancer{}},
		{ID: "restart-kubelet@w", Action: plan.RestartKubelet{}}, {ID: "release-component@b", Action: plan.ReleaseComponent{Role: cluster.RoleScheduler}},
	}}
	all := []string{"api-ready", "nodes", "endpoints", "load-balancer"}
	for _, c := range []struct {
		name   string
		failed []plan.StepID
		passed []string
		want   string
	}{
		{"all is there", []plan.StepID{"await-api@a", "await-nodes@a", "await-balancer@x", "restart-kubelet@w"}, all, ""},
		{"no API server took a write", []plan.StepID{"await-api@a", "await-api@b"}, all, "await-api@a, await-api@b"},
		{"an API server is not ready", []plan.StepID{"await-api@b"}, all[1:], "await-api@b"},
		{"nodes are not back", []plan.StepID{"await-nodes@a", "restart-kubelet@w"}, []string{"api-ready", "endpoints"}, "await-nodes@a, restart-kubelet@w"},
		{"an endpoint is stale", []plan.StepID{"await-nodes@a"}, []string{"nodes"}, "await-nodes@a"},
		{"the load balancer is down", []plan.StepID{"await-balancer@x"}, all[:3], "await-balancer@x"},
		{"a scheduler does not run", []plan.StepID{"release-component@b"}, all, "release-component@b"},
	} {
		v := view{Subject: Subject{Plan: p}}
		for _, s := range p.Steps {
			e := casefile.EventDone
			if slices.Contains(c.failed, s.ID) {
				e = casefile.EventFailed
			}
			v.Journal = append(v.Journal, casefile.Entry{Step: s.ID, Event: e})
		}
		var checks []casefile.Check
		for _, name := range c.passed {
			checks = append(checks, casefile.Check{Name: name, Result: casefile.Passed})
		}
		got := ""
		for _, x := range v.steps(checks) {
			got += x.Text.String()
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestServiceChecks: what was broken before passes with words, what is not back
// fails.
func TestServiceChecks(t *testing.T) {
	nodes := func(j remote.JudgedNodes) casefile.Check { return nodesCheck(remote.Service{Nodes: cluster.Is(j)}) }
	ends := func(e remote.JudgedEndpoints) casefile.Check {
		return endpointsCheck(remote.Service{Endpoints: cluster.Is(e)})
	}
	lb := func(b remote.Balanced) casefile.Check {
		return balancerCheck(remote.Service{Balancer: cluster.Is(b)}, "https://lb")
	}
	for _, c := range []struct {
		got  casefile.Check
		want casefile.Outcome
		says string
	}{
		{nodes(remote.JudgedNodes{Ready: []string{"a"}}), casefile.Passed, "a"},
		{nodes(remote.JudgedNodes{Ready: []string{"a"}, Before: []string{"w is not Ready"}}), casefile.Passed, "w is not Ready"},
		{nodes(remote.JudgedNodes{Ready: []string{"a"}, Missing: []string{"b is not Ready"}}), casefile.Failed, "b is not Ready"},
		{nodesCheck(remote.Service{}), casefile.NotKnown, ""},
		{ends(remote.JudgedEndpoints{Addresses: []string{"10.0.0.1"}}), casefile.Passed, "10.0.0.1"},
		{ends(remote.JudgedEndpoints{Stale: []string{"10.0.0.9:6443"}}), casefile.Failed, "10.0.0.9"},
		{ends(remote.JudgedEndpoints{Missing: []string{"https://b"}}), casefile.Failed, "https://b"},
		{lb(remote.Balanced{Seen: 3, Of: 3}), casefile.Passed, "all 3"},
		{lb(remote.Balanced{Seen: 1, Of: 3}), casefile.Passed, "1 of 3"},
		{lb(remote.Balanced{EndsTLS: true, Of: 3}), casefile.Passed, "of its own"},
		{balancerCheck(remote.Service{Balancer: cluster.Unknown[remote.Balanced]("status 503")}, "https://lb"), casefile.Failed, "503"},
	} {
		if c.got.Result != c.want || !strings.Contains(c.got.Text.String(), c.says) {
			t.Errorf("got %+v, want %s with %q", c.got, c.want, c.says)
		}
	}
}
