package verify

import (
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
	if len(missing) == 0 {
		return nil
	}
	return []casefile.Check{failed("steps", "steps-missing", strings.Join(missing, ", "))}
}
