package diagnose

import (
	"fmt"
	"slices"
	"strings"
)

// sick gives what a member's own health endpoints say is wrong. What they say is
// well counts for nothing: a learner, and a cluster that locks everybody out, are
// healthy to them.
func sick(m memberView) []string {
	var out []string
	for _, h := range m.facts.Health {
		if a := h.Health; a.OK && !a.Value.OK {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s/health: not healthy %s", h.URL, a.Value.Reason)))
		}
		if r := h.Ready; r.OK && len(r.Value.Failed) > 0 {
			out = append(out, fmt.Sprintf("%s/readyz: failed: %s", h.URL, strings.Join(r.Value.Failed, ", ")))
		}
		if l := h.Live; l.OK && len(l.Value.Failed) > 0 {
			out = append(out, fmt.Sprintf("%s/livez: failed: %s", h.URL, strings.Join(l.Value.Failed, ", ")))
		}
	}
	return out
}

// ownHealth tells what the members that a finding is about say of themselves.
func ownHealth(v view, s sighting) []string {
	var out []string
	for _, m := range v.members {
		if m.cfg.Name == s.subject || s.subject == "etcd" {
			out = append(out, sick(m)...)
		}
	}
	return out
}

// runAndHealth is for a member that runs and does not answer.
func runAndHealth(v view, s sighting) []string {
	return append(lastRun("etcd")(v, s), ownHealth(v, s)...)
}

// alarmByHealth finds an alarm that no member's list tells, because none lets
// Salvor ask for one, in what members tell everybody at their metrics URLs.
func (v view) alarmByHealth(kind string) []sighting {
	s := sighting{subject: "etcd", args: []any{"?"}}
	for _, m := range v.members {
		if !v.sameLineage(m) || m.facts.Live.OK && m.facts.Live.Value.Alarms.OK {
			continue
		}
		for _, h := range m.facts.Health {
			said := h.Health.OK && h.Health.Value.Reason == "ALARM "+kind
			failed := kind == "CORRUPT" && h.Ready.OK && slices.Contains(h.Ready.Value.Failed, "data_corruption")
			if said || failed {
				s.evidence = append(s.evidence, sick(m)...)
				break
			}
		}
	}
	if len(s.evidence) == 0 {
		return nil
	}
	return []sighting{s}
}
