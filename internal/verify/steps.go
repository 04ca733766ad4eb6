package verify

import (
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
)

// steps fails when the run went on without some of the plan's steps; nothing,
// when it did not. A step whose purpose the other checks have found there is not
// missing.
func (v view) steps(checks []casefile.Check) []casefile.Check {
	last := map[plan.StepID]casefile.Event{}
	for _, e := range v.Journal {
		switch e.Event {
		case casefile.EventDone, casefile.EventFailed, casefile.EventSkipped:
			last[e.Step] = e.Event
		default:
		}
	}
	var missing []string
	for _, s := range v.Plan.Steps {
		if e := last[s.ID]; (e == casefile.EventFailed || e == casefile.EventSkipped) && !v.judgedOtherwise(s, last, checks) {
			missing = append(missing, string(s.ID))
		}
	}
	if len(missing) > 0 {
		return []casefile.Check{failed("steps", "steps-missing", strings.Join(missing, ", "))}
	}
	if left := v.heldBack(); len(left) > 0 {
		return []casefile.Check{failed("steps", "held-back", strings.Join(left, ", "))}
	}
	return nil
}

// heldBack are the files by which units of the plan's machines are still kept
// from being started.
func (v view) heldBack() []string {
	var out []string
	touched := v.Plan.Hosts()
	for _, h := range v.Facts.Hosts {
		if !slices.Contains(touched, h.Name) {
			continue
		}
		for _, f := range h.Node.Fences.Value {
			out = append(out, h.Name+": "+f)
		}
	}
	return out
}
