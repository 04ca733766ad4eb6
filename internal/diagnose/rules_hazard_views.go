package diagnose

import (
	"fmt"
	"sort"

	"github.com/salvor-project/salvor/internal/cluster"
)

// hazardRevision tells that the data ends below what somebody has seen: who
// watches from there would hear nothing, and call what it remembers true.
func hazardRevision(v view, in []hazardous) []sighting {
	seen := v.seen()
	var out []sighting
	for _, h := range in {
		if seen.OK && h.db.OK && h.db.Value.Revision < seen.Value {
			out = append(out, sighting{h.subject, []any{h.db.Value.Revision, seen.Value, seen.Value - h.db.Value.Revision},
				[]string{fmt.Sprintf("the data ends at revision %d; %d has been seen", h.db.Value.Revision, seen.Value)}})
		}
	}
	return out
}

// hazardCaches tells API servers that run, or of which nobody can say that they
// do not: they would go on to answer out of their memory of what was before.
func hazardCaches(v view, in []hazardous) []sighting {
	var list, evidence []string
	for _, n := range v.facts.Config.Kubernetes.Nodes {
		if h, ok := v.facts.Host(n.Host); n.API != "" && (!ok || !h.Reached.OK) && !v.given(n.Host) {
			list = append(list, n.Host)
			evidence = append(evidence, fmt.Sprintf("%s cannot be reached: whether its API server (%s) runs is not known", n.Host, n.API))
		}
	}
	for _, k := range v.kubes() {
		why := ""
		for _, a := range k.node.APIServers {
			if a.Direct && (a.Layer == cluster.LayerHTTP || a.Layer == cluster.LayerTLS) {
				why = a.URL + " answers"
			}
		}
		if p, runs := k.facts.Running.Value["kube-apiserver"]; k.facts.Running.OK && runs {
			why = fmt.Sprintf("kube-apiserver runs (PID %d)", p.PID)
		}
		if why != "" {
			list = append(list, k.host)
			evidence = append(evidence, k.host+": "+why)
		}
	}
	return each(in, list, evidence)
}

// hazardKubelets tells the kubelets that would go on with what they were told
// before: those that run, and those of nodes that salvor.yaml does not name,
// which Salvor cannot restart.
func hazardKubelets(v view, in []hazardous) []sighting {
	ours := map[string]bool{}
	var list, evidence []string
	for _, k := range v.kubes() {
		ours[v.nodeOf(k.host)] = true
		if up(k.facts.Kubelet.Value) && k.facts.Kubelet.OK {
			list = append(list, k.host)
			evidence = append(evidence, k.host+": the kubelet runs")
		}
	}
	for _, n := range v.facts.Config.Kubernetes.Nodes {
		ours[n.NodeName()] = true
	}
	var out []sighting
	for _, h := range in {
		var strange []string
		for _, n := range h.hazards.Nodes {
			if !ours[n] {
				strange = append(strange, n)
			}
		}
		sort.Strings(strange)
		all := append([]string{}, evidence...)
		for _, n := range strange {
			all = append(all, fmt.Sprintf("node %s is in the data and not in salvor.yaml: nobody restarts its kubelet", n))
		}
		if len(list)+len(strange) > 0 {
			out = append(out, sighting{h.subject, []any{len(list), some(list), len(strange), some(strange)}, all[:min(len(all), cluster.MaxHazardNames)]})
		}
	}
	return out
}

// each tells the same of every candidate.
func each(in []hazardous, list, evidence []string) []sighting {
	var out []sighting
	for _, h := range in {
		if len(list) > 0 {
			out = append(out, sighting{h.subject, []any{len(list), some(list)}, evidence})
		}
	}
	return out
}

// given tells that the operator gave a host up for ever.
func (v view) given(host string) bool {
	h, ok := v.facts.Config.Host(host)
	return ok && h.Gone
}

// nodeOf is what a host is called as a node.
func (v view) nodeOf(host string) string {
	for _, n := range v.facts.Config.Kubernetes.Nodes {
		if n.Host == host {
			return n.NodeName()
		}
	}
	return host
}
