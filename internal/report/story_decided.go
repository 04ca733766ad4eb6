package report

import (
	"strings"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

// decided tells which source was taken and why, what was refused, what was
// announced and who agreed.
func (t teller) decided() Section {
	s := Section{ID: "decided"}
	if t.c.Plan == nil && t.c.Diagnosis == nil {
		return s
	}
	t.source(&s)
	if d := t.c.Diagnosis; d != nil && len(d.Candidates) > 0 {
		s.text(MarkNone, t.o.say("decided.candidates"))
		s.table(t.o.candidates(*d))
	}
	t.agreement(&s)
	if d := t.c.Diagnosis; d != nil {
		t.advised(&s, *d)
	}
	return s
}

func (t teller) source(s *Section) {
	o := t.o
	if t.c.Plan != nil {
		if id := t.c.Plan.Source.ID; id != "" {
			s.text(MarkNone, o.say("decided.source", code(id)))
			t.otherSource(s, id)
		}
		s.text(MarkNone, o.say("decided.plan", code(t.c.Plan.ID), len(t.c.Plan.Steps), o.list(t.c.Plan.Hosts())))
		s.items(o.all(warnings(*t.c.Plan)))
		return
	}
	switch t.outcome {
	case OutcomeRefused:
		s.text(MarkWarn, o.say("decided.refused"))
	case OutcomeUndecided:
		s.text(MarkOpen, o.say("decided.undecided"))
	case OutcomeDiagnosed:
		if _, ok := t.c.Diagnosis.Chosen(); !ok {
			s.text(MarkBad, o.say("decided.none"))
			return
		}
		s.text(MarkNone, o.say("decided.no-plan"))
	}
}

// otherSource notes when the operator did not follow the recommendation.
func (t teller) otherSource(s *Section, id string) {
	if t.c.Diagnosis == nil {
		return
	}
	if best, ok := t.c.Diagnosis.Chosen(); ok && best.ID != id {
		s.text(MarkWarn, t.o.say("decided.other", code(id), code(best.ID)))
	}
}

// agreement tells what was announced and who accepted it.
func (t teller) agreement(s *Section) {
	if t.c.Plan == nil {
		return
	}
	o := t.o
	s.text(lossMark(t.c.Plan.Loss), o.say("decided.announced", o.lossText(t.c.Plan.Loss)))
	for _, a := range t.doc.Accepted {
		by, note := a.By, ""
		if by == "" {
			by = o.say("decided.anonymous")
		}
		if a.Note != "" {
			note = o.say("decided.note", a.Note)
		}
		s.text(MarkNone, o.say("decided.accepted", stamp(a.At), by, note))
	}
	if len(t.doc.Accepted) == 0 && len(t.runs) > 0 {
		s.text(MarkNone, o.say("decided.unaccepted"))
	}
}

func (t teller) advised(s *Section, d diagnose.Diagnosis) {
	o := t.o
	if len(d.Allowed) > 0 && t.outcome == OutcomeDiagnosed {
		s.text(MarkNone, o.say("decided.allowed"))
		s.items(o.advice(d.Allowed))
	}
	if len(d.Forbidden) > 0 {
		s.text(MarkNone, o.say("decided.forbidden"))
		s.items(o.advice(d.Forbidden))
	}
}

// code marks a name as typed. A name with a backtick of its own stays bare.
func code(s string) string {
	if s == "" || strings.Contains(s, "`") {
		return s
	}
	return "`" + s + "`"
}

// lossLine is the loss as it stands now: real, announced, or none.
func (t teller) lossLine() (Mark, string) {
	o := t.o
	switch {
	case t.c.Plan == nil && t.outcome == OutcomeEmpty:
		return MarkNone, ""
	case t.c.Plan == nil:
		return MarkNone, o.say("lost.untouched")
	case !t.outcome.begun():
		return lossMark(t.c.Plan.Loss), o.say("lost.announced", o.lossText(t.c.Plan.Loss))
	}
	return lossMark(t.c.Plan.Loss), o.lossText(t.c.Plan.Loss)
}

func (t teller) lost() Section {
	s := Section{ID: "lost"}
	if m, text := t.lossLine(); text != "" {
		s.text(m, text)
	}
	if t.c.Plan != nil {
		if heading, lines := t.o.lossSample(t.c.Plan.Loss); heading != "" {
			s.text(MarkNone, heading)
			s.items(lines)
		}
	}
	if t.c.Plan != nil && t.outcome.begun() && setsAside(*t.c.Plan) && t.c.Plan.Undoes == "" {
		s.text(MarkNone, t.o.say("lost.aside"))
	}
	return s
}

// proven tells every check of the verdict.
func (t teller) proven() Section {
	s := Section{ID: "proven"}
	o, v := t.o, t.c.Verdict
	switch {
	case v == nil && t.outcome.begun() && t.c.Plan.Undoes == "":
		s.text(MarkWarn, o.say("proven.none"))
	case v == nil && t.outcome != OutcomeEmpty:
		s.text(MarkNone, o.say("proven.nothing"))
	}
	if v == nil {
		return s
	}
	if v.Passed {
		s.text(MarkGood, o.say("proven.passed", stamp(v.At)))
	} else {
		s.text(MarkBad, o.say("proven.failed", stamp(v.At)))
	}
	tab := Table{Head: o.heads("check", "result", "found")}
	for _, c := range v.Checks {
		tab.Rows = append(tab.Rows, Row{checkMark(c.Result), []string{o.word("check", c.Name), o.word("result", string(c.Result)), o.text(c.Text)}})
	}
	s.table(tab)
	return s
}

// times holds the durations against the objectives.
func (t teller) times() Section {
	s := Section{ID: "times"}
	if t.c.Plan == nil || t.c.Plan.Undoes != "" || !t.outcome.begun() {
		return s
	}
	o, x := t.o, t.doc.Times
	if !x.From.IsZero() {
		s.text(MarkNone, o.say("times.basis", stamp(x.From)))
	}
	reached := func(v *float64) string {
		if v == nil {
			return o.say("times.never")
		}
		return o.span(duration(*v))
	}
	var lines []string
	if d := t.c.Diagnosis; d != nil && d.Level.Availability == diagnose.T1 && d.Scenario != diagnose.NoSpace {
		lines = append(lines, o.say("times.serving"))
	}
	lines = append(lines, o.say("times.quorum", reached(x.ToQuorum)), o.say("times.canary", reached(x.ToCanary)),
		o.say("times.verdict", reached(x.ToVerdict)), o.objective("rto", x.RTO, x.RTOMet))
	_, achieved := t.rpoAchieved()
	s.items(append(lines, achieved, o.objective("rpo", x.RPO, x.RPOMet)))
	return s
}

func (o Options) objective(name string, want *float64, met *bool) string {
	switch {
	case want == nil:
		return o.text(say.New("times.no-" + name))
	case met == nil:
		return o.say("times."+name+"-open", o.span(duration(*want)))
	case *met:
		return o.say("times."+name+"-met", o.span(duration(*want)))
	}
	return o.say("times."+name+"-missed", o.span(duration(*want)))
}

func (t teller) rpoAchieved() (Mark, string) {
	o, x := t.o, t.doc.Times
	switch {
	case !t.outcome.carriedOut():
		return MarkNone, o.say("times.rpo-untested")
	case t.c.Plan.Loss.NoneKnown() && t.c.Plan.Loss.Proven:
		return MarkGood, o.say("times.rpo-zero")
	case t.c.Plan.Loss.NoneKnown():
		return MarkWarn, o.say("times.rpo-known")
	case x.RPOAtMost == nil:
		return MarkOpen, o.say("times.rpo-unknown")
	}
	return MarkWarn, o.say("times.rpo-most", o.span(duration(*x.RPOAtMost)))
}
