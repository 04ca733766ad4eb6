package diagnose

import (
	"fmt"
	"sort"

	"github.com/salvor-project/salvor/internal/cluster"
)

// objectsView is what one API server says, as one machine heard it.
type objectsView struct {
	host string
	cluster.APIObjects
}

func (v view) objects() []objectsView {
	var out []objectsView
	for _, h := range v.facts.Hosts {
		if h.Reached.OK && h.Node.Objects.OK {
			out = append(out, objectsView{h.Name, h.Node.Objects.Value})
		}
	}
	return out
}

// together is how many nodes have to be gone, and which share of all, to be one
// failure and not several.
const (
	togetherLeast = 3
	togetherShare = 0.5
)

// notReady lists the nodes that are not ready, as the first API server that
// tells has them.
func (v view) notReady() (down []cluster.NodeState, all int, source string) {
	for _, o := range v.objects() {
		if !o.Nodes.OK {
			continue
		}
		for _, n := range o.Nodes.Value {
			if !n.Ready {
				down = append(down, n)
			}
		}
		return down, len(o.Nodes.Value), o.host + ": " + o.URL
	}
	return nil, 0, ""
}

func (v view) downTogether() bool {
	down, all, _ := v.notReady()
	return len(down) >= togetherLeast && float64(len(down)) >= togetherShare*float64(all)
}

func nodeEvidence(n cluster.NodeState, source string) string {
	renewed := "never"
	if !n.Renewed.IsZero() {
		renewed = stamp(n.Renewed)
	}
	return fmt.Sprintf("%s: node %s is not ready (%s), its lease was last renewed %s", source, n.Name, n.Why, renewed)
}

// findNodesDown finds that most nodes went together: the cause is common to
// them, and eviction must not begin.
func findNodesDown(v view) []sighting {
	down, all, source := v.notReady()
	if !v.downTogether() {
		return nil
	}
	s := sighting{subject: "kubernetes", args: []any{len(down), all}}
	for _, n := range down[:min(len(down), cluster.MaxHazardNames)] {
		s.evidence = append(s.evidence, nodeEvidence(n, source))
	}
	return []sighting{s}
}

// findNodesNotReady finds single nodes that are not ready.
func findNodesNotReady(v view) []sighting {
	down, _, source := v.notReady()
	if v.downTogether() {
		return nil
	}
	var out []sighting
	for _, n := range down {
		out = append(out, sighting{v.hostOfNode(n.Name), []any{n.Name, n.Why}, []string{nodeEvidence(n, source)}})
	}
	return out
}

// hostOfNode is the machine that a node runs on, or the node's own name where
// the configuration does not have it.
func (v view) hostOfNode(node string) string {
	for _, n := range v.facts.Config.Kubernetes.Nodes {
		if n.NodeName() == node {
			return n.Host
		}
	}
	return node
}

// fresh is how young a pod may be, in seconds, and not yet, or no more, be in the API's
// answer: both questions are asked one after the other.
const fresh = 30

// findPhantoms finds pods that run on a machine and that the API does not have
// there: it was put back to before they were made, or lost them.
func findPhantoms(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		o := h.Node.Objects.Value
		if !h.Reached.OK || !h.Node.Objects.OK || !o.Pods.OK || !h.Node.Pods.OK {
			continue
		}
		known := map[string]bool{}
		for _, u := range o.Pods.Value {
			known[u] = true
		}
		s := sighting{subject: h.Name}
		var names []string
		for _, p := range h.Node.Pods.Value {
			if age := v.clockOf(h).Sub(p.Created).Seconds(); known[p.UID] || age >= 0 && age < fresh {
				continue
			}
			names = append(names, p.Namespace+"/"+p.Name)
			if len(s.evidence) < cluster.MaxHazardNames {
				s.evidence = append(s.evidence, fmt.Sprintf("pod %s/%s (uid %s) runs since %s; %s has no such pod on this node", p.Namespace, p.Name, p.UID, stamp(p.Created), o.URL))
			}
		}
		if len(names) > 0 {
			s.args = []any{len(names), some(names)}
			out = append(out, s)
		}
	}
	return out
}

// ratePhantoms: pods that are just being deleted run on for a while.
func ratePhantoms(view, sighting) (Confidence, []string) {
	return Likely, []string{"a pod that was deleted a moment ago runs on until its grace period ends"}
}

// findEndpointsStale holds the endpoints of the service "kubernetes" against the
// API servers: an address at which none is ready takes its share of all
// connections, and one that is missing takes none.
func findEndpointsStale(v view) []sighting {
	ready, known := map[string]bool{}, map[string]string{}
	for _, a := range v.apis(true) {
		address := urlHost(a.api.URL)
		known[address] = a.host
		ready[address] = ready[address] || a.api.Ready.OK && a.api.Ready.Value.OK
	}
	for _, o := range v.objects() {
		if !o.Endpoints.OK || len(known) == 0 {
			continue
		}
		var dead, evidence []string
		listed := map[string]bool{}
		for _, e := range o.Endpoints.Value {
			listed[e] = true
			host, ours := known[e]
			switch {
			case ours && !ready[e]:
				dead = append(dead, e)
				evidence = append(evidence, fmt.Sprintf("%s lists %s; the API server there (%s) is not ready", o.URL, e, host))
			case !ours && v.allKnown():
				dead = append(dead, e)
				evidence = append(evidence, fmt.Sprintf("%s lists %s, at which no API server of this control plane is", o.URL, e))
			}
		}
		var missing []string
		for a := range known {
			if ready[a] && !listed[a] && !loopback(a) {
				missing = append(missing, a)
			}
		}
		sort.Strings(missing)
		for _, a := range missing {
			evidence = append(evidence, fmt.Sprintf("%s does not list %s, at which an API server is ready", o.URL, a))
		}
		if len(evidence) > 0 {
			return []sighting{{"kubernetes", []any{len(dead), some(dead), len(missing), some(missing)}, evidence}}
		}
	}
	return nil
}

// allKnown tells that every host was reached and every API server of the
// configuration has an address that is known: only then is another one strange.
func (v view) allKnown() bool {
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
			return false
		}
		for _, a := range h.Node.APIServers {
			if a.Layer == "" {
				return false
			}
		}
	}
	return true
}

// objectNames finds a list that API servers tell alike; the first that tells
// counts.
func objectNames(of func(cluster.APIObjects) cluster.Known[cluster.Names], what string) func(view) []sighting {
	return func(v view) []sighting {
		for _, o := range v.objects() {
			n := of(o.APIObjects)
			if !n.OK {
				continue
			}
			if n.Value.Count == 0 {
				return nil
			}
			s := sighting{subject: "kubernetes", args: []any{n.Value.Count, some(n.Value.First)}}
			for _, name := range n.Value.First {
				s.evidence = append(s.evidence, fmt.Sprintf("%s: %s %s", o.URL, what, name))
			}
			return []sighting{s}
		}
		return nil
	}
}

// findHookBackends finds webhooks that fail closed and whose backend has no
// endpoint that is ready.
func findHookBackends(v view) []sighting {
	for _, o := range v.objects() {
		if !o.Closed.OK {
			continue
		}
		s := sighting{subject: "kubernetes"}
		var list []string
		for _, w := range o.Closed.Value {
			if !w.Backend {
				list = append(list, webhookName(w))
				s.evidence = append(s.evidence, o.URL+": "+webhookEvidence(w))
			}
		}
		if len(list) == 0 {
			return nil
		}
		s.args = []any{len(list), some(list)}
		return []sighting{s}
	}
	return nil
}

// findAggregated finds aggregated APIs that do not answer: as the API says it,
// and as logs do.
func findAggregated(v view) []sighting {
	told := objectNames(func(o cluster.APIObjects) cluster.Known[cluster.Names] { return o.Unavailable }, "not available:")(v)
	for i := range told {
		told[i].args = []any{"kube-apiserver", told[i].args[1]}
	}
	return append(told, gatherSigns(v.said(cluster.SaidAPIService))...)
}

// rateAggregated: what the API says of itself is certain.
func rateAggregated(v view, s sighting) (Confidence, []string) {
	if s.subject == "kubernetes" {
		return Certain, nil
	}
	return rateSign(v, s)
}
