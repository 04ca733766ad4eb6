package plan

import (
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// wave is how many kubelets are started anew at the same time: all of a large
// cluster would list everything at once.
const wave = 20

// nodes gives the nodes of Kubernetes whose machine can be worked on.
func (b *builder) nodes() []cluster.Node {
	var out []cluster.Node
	for _, n := range b.facts.Config.Kubernetes.Nodes {
		if b.only != nil && !b.only[n.Host] {
			continue
		}
		if h, ok := b.facts.Host(n.Host); ok && h.Reached.OK {
			out = append(out, n)
		}
	}
	return out
}

// serving gives the nodes with an API server that can be worked on, those first
// whose machine looks best: everything else waits for the first one.
func (b *builder) serving() []cluster.Node {
	var out []cluster.Node
	for _, n := range b.nodes() {
		if n.APIServer != (cluster.Component{}) {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(x, y cluster.Node) int { return b.doubt(x) - b.doubt(y) })
	return out
}

// doubt grades a machine by the etcd member on it: one that serves, or whose
// log was chosen, is the least doubtful, one that has lost its data the most.
func (b *builder) doubt(n cluster.Node) int {
	worst := 0
	for _, m := range b.facts.Config.Members {
		if m.Host != n.Host {
			continue
		}
		switch s := b.state(m.Name); {
		case m.Name == b.plan.Source.Log, s == diagnose.StateServing:
		case slices.Contains(bad(), s):
			worst = max(worst, 2)
		default:
			worst = max(worst, 1)
		}
	}
	return worst
}

// fence holds all of the control plane back that can be reached, API servers
// first: one that runs without etcd makes kubelets wait for it, and one that
// runs beside a rebuilt etcd shows its clients the old world.
func (b *builder) fence(needs ...StepID) []StepID {
	var apis, rest []StepID
	var held []string
	for _, n := range b.serving() {
		apis = append(apis, b.add(n.Host, apiServerOf(n), FenceComponent{Role: cluster.RoleAPIServer}, needs...))
		held = append(held, n.Host)
	}
	for _, n := range b.nodes() {
		for _, r := range []cluster.Role{cluster.RoleControllerManager, cluster.RoleScheduler} {
			if n.Component(r) != (cluster.Component{}) {
				rest = append(rest, b.add(n.Host, string(r)+"."+n.Host, FenceComponent{Role: r}, needs...))
			}
		}
	}
	for _, n := range b.facts.Config.APIServers() {
		if h, ok := b.facts.Host(n.Host); (b.only == nil || b.only[n.Host]) && (!ok || !h.Reached.OK) {
			b.warn("api-unreached", n.Host)
		}
	}
	if len(held) > 0 {
		b.warn("api-down", strings.Join(held, ", "))
	}
	// etcd may stop as soon as no API server is left; the others work through
	// those, and only have to be gone before they return.
	b.restFenced = rest
	return slices.Concat(needs, apis)
}

// quiet holds the API server of a member's machine back before the member is
// started there, if both are static pods: a kubelet asks its own machine's API
// server, which hangs without its etcd, and then starts nothing for minutes.
func (b *builder) quiet(m cluster.Member, needs []StepID) []StepID {
	n, ok := b.facts.Config.Node(m.Host)
	if m.Run.StaticPod == "" || !ok || n.APIServer == (cluster.Component{}) {
		return needs
	}
	id := StepID(string(KindFenceComponent) + "@" + string(cluster.RoleAPIServer) + "." + n.Host)
	if _, done := b.plan.Step(id); !done {
		b.add(n.Host, apiServerOf(n), FenceComponent{Role: cluster.RoleAPIServer}, needs...)
		b.warn("api-quiet", n.Host)
	}
	return append(slices.Clone(needs), id)
}

// release lets the control plane go again after etcd is proven: one API
// server, which has to take a write, then the others and what works through
// them, then the kubelets, then nodes and load balancer. All of it is spare: a
// sick machine must not keep the others down, and verification says what is not
// back. Where the first API server does not come up, the next takes its part.
func (b *builder) release(proven StepID, kubelets bool) {
	needs := append([]StepID{proven}, b.restFenced...)
	apis := b.serving()
	if len(apis) == 0 {
		return
	}
	up := b.addSpare(apis[0].Host, apiServerOf(apis[0]), ReleaseComponent{Role: cluster.RoleAPIServer}, needs...)
	first := b.addSpare(apis[0].Host, apis[0].Host, AwaitAPI{Canary: b.choices.Case}, up)
	last := []StepID{first}
	for _, n := range apis[1:] {
		up := b.addSpare(n.Host, apiServerOf(n), ReleaseComponent{Role: cluster.RoleAPIServer}, first)
		last = append(last, b.addSpare(n.Host, n.Host, AwaitAPI{}, up))
	}
	for _, n := range b.nodes() {
		for _, r := range []cluster.Role{cluster.RoleControllerManager, cluster.RoleScheduler} {
			if n.Component(r) != (cluster.Component{}) {
				last = append(last, b.addSpare(n.Host, string(r)+"."+n.Host, ReleaseComponent{Role: r}, first))
			}
		}
	}
	if kubelets {
		last = append(last, b.restartKubelets(last)...)
	}
	b.serve(apis, last)
}

// apiServerOf is the subject of steps on a node's API server.
func apiServerOf(n cluster.Node) string { return string(cluster.RoleAPIServer) + "." + n.Host }

// freshen starts the kubelets anew that are to start members, while nothing
// runs that they could wait for: such a one starts a manifest at once, has
// forgotten the failures of the pod's earlier life, and lists everything anew
// when the API is back.
func (b *builder) freshen(members []cluster.Member, needs []StepID) []StepID {
	var out []StepID
	for _, m := range members {
		n, ok := b.facts.Config.Node(m.Host)
		if m.Run.StaticPod == "" || !ok {
			continue
		}
		id := StepID(string(KindRestartKubelet) + "@" + n.Host)
		if _, done := b.plan.Step(id); !done {
			b.addSpare(n.Host, n.Host, RestartKubelet{}, needs...)
		}
		out = append(out, id)
	}
	return out
}

// restartKubelets starts them anew in waves, those of control planes first, but
// for those that were a moment ago.
func (b *builder) restartKubelets(needs []StepID) []StepID {
	var planes, workers []cluster.Node
	for _, n := range b.nodes() {
		_, fresh := b.plan.Step(StepID(string(KindRestartKubelet) + "@" + n.Host))
		switch {
		case fresh:
		case n.APIServer != (cluster.Component{}):
			planes = append(planes, n)
		default:
			workers = append(workers, n)
		}
	}
	var all []StepID
	for _, group := range [][]cluster.Node{planes, workers} {
		for i := 0; i < len(group); i += wave {
			var these []StepID
			for _, n := range group[i:min(i+wave, len(group))] {
				these = append(these, b.addSpare(n.Host, n.Host, RestartKubelet{}, needs...))
			}
			all, needs = append(all, these...), these
		}
	}
	return all
}

// serve waits for nodes and load balancer; what they do is no part of etcd, so
// that the run goes on without them.
func (b *builder) serve(apis []cluster.Node, needs []StepID) {
	var nodes, urls []string
	for _, n := range b.nodes() {
		nodes = append(nodes, n.NodeName())
	}
	for _, n := range apis {
		urls = append(urls, n.API)
	}
	through := apis[0]
	b.addSpare(through.Host, through.Host, AwaitNodes{Nodes: nodes, APIServers: len(apis), URLs: urls}, needs...)
	if lb := b.facts.Config.Kubernetes.LoadBalancer; lb != "" {
		b.addSpare(through.Host, "load-balancer", AwaitBalancer{URL: lb, APIServers: urls}, needs...)
	}
	b.plan.Expect.APIServers = urls
	b.plan.Expect.Nodes = nodes
}
