package report

import (
	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/plan"
)

func checkMark(r casefile.Outcome) Mark {
	switch r {
	case casefile.Passed:
		return MarkGood
	case casefile.Failed:
		return MarkBad
	case casefile.NotApplicable:
		return MarkNone
	}
	return MarkOpen
}

// deletes tells a plan that cleans up after another.
func deletes(p plan.Plan) bool {
	for _, s := range p.Steps {
		if s.Action.Kind() == plan.KindDiscard {
			return true
		}
	}
	return false
}

func setsAside(p plan.Plan) bool {
	for _, s := range p.Steps {
		if s.Action.Kind() == plan.KindSetAside {
			return true
		}
	}
	return false
}

// next tells what to do now, the most urgent first.
func (t teller) next() Section {
	s := Section{ID: "next"}
	o := t.o
	switch t.outcome {
	case OutcomeEmpty:
		s.items([]string{o.say("next.command", "salvor diagnose")})
	case OutcomeHealthy, OutcomeDiagnosed:
		s.items([]string{o.say("next.command", t.c.Diagnosis.Next)})
	case OutcomeRefused, OutcomeUndecided:
		s.items(append(o.advice(t.c.Diagnosis.Allowed), o.say("next.command", "salvor diagnose")))
	case OutcomePlanned:
		s.items([]string{o.say("next.apply", t.c.Name)})
	case OutcomeStopped, OutcomeUnfinished:
		s.items([]string{o.say("next.resume", t.c.Name)})
	case OutcomeUnverified:
		s.items([]string{o.say("next.verify", t.c.Name)})
	case OutcomeNotProven:
		s.items(t.afterFailure())
	case OutcomeRecovered:
		s.items(t.afterRecovery())
	case OutcomeRolledBack, OutcomeCleanedUp:
		s.items([]string{o.say("next.command", "salvor diagnose")})
	}
	return s
}

func (t teller) afterFailure() []string {
	var out []string
	for _, c := range t.c.Verdict.Checks {
		if c.Result == casefile.Failed && (c.Name == "hash-equal" || c.Name == "cluster-id" || c.Name == "content") {
			out = append(out, t.o.say("next.watch"))
			break
		}
	}
	if setsAside(*t.c.Plan) {
		out = append(out, t.o.say("next.failed", t.c.Name))
	}
	return append(out, t.o.say("next.verify", t.c.Name))
}

func (t teller) afterRecovery() []string {
	o, p := t.o, *t.c.Plan
	out := []string{o.say("next.backup")}
	if !p.Loss.NoneKnown() {
		out = append(out, o.say("next.external"))
	}
	switch p.Scenario {
	case diagnose.NoSpace:
		out = append(out, o.say("next.quota"))
	case diagnose.Stopped:
		out = append(out, o.say("next.restarts"))
	}
	for _, w := range p.Warnings {
		if w.Key == "warning.left-out" && len(w.Args) > 0 {
			out = append(out, o.say("next.left-out", w.Args[0]))
		}
	}
	if setsAside(p) {
		out = append(out, o.say("next.cleanup", t.c.Name))
	}
	return out
}
