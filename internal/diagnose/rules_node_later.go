package diagnose

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// findComponentCerts finds components that show a certificate which has ended.
// Few verify it: logs, exec and metrics do, if somebody told them to.
func findComponentCerts(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		s := sighting{subject: k.host}
		for _, c := range k.facts.Served {
			if c.Certificate.OK && expired(c.Certificate.Value, k.now) {
				s.evidence = append(s.evidence, fmt.Sprintf("%s (%s): valid until %s, clock %s", c.Path, c.Role, stamp(c.Certificate.Value.NotAfter), stamp(k.now)))
				if len(s.args) == 0 {
					s.args = []any{c.Role, c.Path, stamp(c.Certificate.Value.NotAfter)}
				}
			}
		}
		if len(s.evidence) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// findOtherFlags finds static pods that run with other flags than their manifest
// has: what was written there has not come into force.
func findOtherFlags(v view) []sighting {
	var out []sighting
	for _, k := range v.kubes() {
		for _, f := range k.facts.Manifests.Value {
			p, ok := f.Pod.Value, f.Pod.OK && controlPlane(f.Pod.Value.Name) && f.Pod.Value.Name != "etcd" // which may be several
			runs, seen := k.facts.Running.Value[p.Name]
			if !ok || !k.facts.Running.OK || !seen || !literal(p.Command) || !literal(runs.Command) {
				continue
			}
			added, gone := others(p.Command, runs.Command), others(runs.Command, p.Command)
			if len(added)+len(gone) == 0 {
				continue
			}
			s := sighting{k.host + ":" + f.Path, []any{p.Name, orNothing(added), orNothing(gone)}, nil}
			for _, a := range added {
				s.evidence = append(s.evidence, fmt.Sprintf("%s says %s; %s (PID %d) runs without it", f.Path, a, p.Name, runs.PID))
			}
			for _, a := range gone {
				s.evidence = append(s.evidence, fmt.Sprintf("%s (PID %d) runs with %s; %s does not say so", p.Name, runs.PID, a, f.Path))
			}
			out = append(out, s)
		}
	}
	return out
}

// literal tells a command of which every word stands for itself: no shell, no
// variable of the pod's environment.
func literal(command []string) bool {
	return len(command) > 1 && cluster.IsComponent(path.Base(command[0])) &&
		!slices.ContainsFunc(command, func(a string) bool { return strings.Contains(a, "$(") })
}

// others are the words of one command that the other does not have.
func others(of, than []string) []string {
	var out []string
	for _, a := range of[1:] {
		if !slices.Contains(than, a) {
			out = append(out, a)
		}
	}
	return out
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return some(list)
}
