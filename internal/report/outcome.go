package report

import (
	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// Outcome is what came of a case, in one word; it is stable.
type Outcome string

// The outcomes, in the order in which a case passes through them.
const (
	OutcomeEmpty      Outcome = "empty"
	OutcomeHealthy    Outcome = "healthy"
	OutcomeDiagnosed  Outcome = "diagnosed"
	OutcomeRefused    Outcome = "refused"
	OutcomeUndecided  Outcome = "undecided"
	OutcomePlanned    Outcome = "planned"
	OutcomeUnfinished Outcome = "unfinished"
	OutcomeStopped    Outcome = "stopped"
	OutcomeUnverified Outcome = "unverified"
	OutcomeNotProven  Outcome = "not-proven"
	OutcomeRecovered  Outcome = "recovered"
	OutcomeRolledBack Outcome = "rolled-back"
	OutcomeCleanedUp  Outcome = "cleaned-up"
)

// OutcomeOf judges a case by its files. It calls nothing recovered that no
// verdict has proved.
func OutcomeOf(c casefile.Case) Outcome {
	if c.Plan == nil {
		return withoutPlan(c)
	}
	rs := runs(c.Journal)
	if len(rs) == 0 {
		return OutcomePlanned
	}
	if len(doneSteps(*c.Plan, c.Journal)) < len(c.Plan.Steps) {
		if last := rs[len(rs)-1]; last.Ended.IsZero() {
			return OutcomeUnfinished
		}
		return OutcomeStopped
	}
	switch {
	case c.Plan.Undoes != "" && deletes(*c.Plan):
		return OutcomeCleanedUp
	case c.Plan.Undoes != "":
		return OutcomeRolledBack
	case c.Verdict == nil:
		return OutcomeUnverified
	case !c.Verdict.Passed:
		return OutcomeNotProven
	}
	return OutcomeRecovered
}

func withoutPlan(c casefile.Case) Outcome {
	if c.Diagnosis == nil {
		return OutcomeEmpty
	}
	switch c.Diagnosis.Scenario {
	case diagnose.Healthy:
		return OutcomeHealthy
	case diagnose.CertsExpired, diagnose.Blocked, diagnose.Degraded:
		return OutcomeRefused
	case diagnose.Unreachable:
		return OutcomeUndecided
	}
	return OutcomeDiagnosed
}

func (o Outcome) mark() Mark {
	switch o {
	case OutcomeHealthy, OutcomeRecovered, OutcomeCleanedUp:
		return MarkGood
	case OutcomeNotProven, OutcomeStopped:
		return MarkBad
	case OutcomeDiagnosed, OutcomePlanned, OutcomeEmpty:
		return MarkNone
	case OutcomeUndecided:
		return MarkOpen
	}
	return MarkWarn
}

// carriedOut tells whether all steps were done.
func (o Outcome) carriedOut() bool {
	return o == OutcomeUnverified || o == OutcomeNotProven || o == OutcomeRecovered
}

// begun tells whether any step may have been done.
func (o Outcome) begun() bool {
	return o.carriedOut() || o == OutcomeUnfinished || o == OutcomeStopped || o == OutcomeRolledBack || o == OutcomeCleanedUp
}
