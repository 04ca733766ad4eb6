package report

import (
	"fmt"
	"strings"

	"github.com/salvor-project/salvor/internal/casefile"
)

// teller writes the chapters of one report.
type teller struct {
	c       casefile.Case
	o       Options
	outcome Outcome
	runs    []Run
	doc     *Document
}

func (s *Section) text(m Mark, text string) { s.Blocks = append(s.Blocks, Block{Mark: m, Text: text}) }

func (s *Section) items(items []string) {
	if len(items) > 0 {
		s.Blocks = append(s.Blocks, Block{Items: items})
	}
}

func (s *Section) table(t Table) {
	if t = t.pruned(); len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, Block{Table: &t})
	}
}

// headline is the outcome in a sentence, with what must not be overlooked.
func (t teller) headline() string {
	o := t.o
	text := o.say("outcome." + string(t.outcome))
	switch {
	case !t.outcome.carriedOut() || t.c.Plan.Loss.NoneKnown():
	case t.c.Plan.Loss.Revisions.OK:
		text = o.say("outcome.with-loss", text)
	default:
		text = o.say("outcome.with-unknown", text)
	}
	if n := len(t.runs); n > 1 {
		text = o.say("outcome.with-resumes", text, n)
	}
	return text
}

// short is the table for those who read nothing else.
func (t teller) short() Section {
	s := Section{ID: "short"}
	o, d := t.o, t.doc
	tab := Table{Head: []string{"", ""}}
	row := func(m Mark, key, value string) {
		if value != "" {
			tab.Rows = append(tab.Rows, Row{m, []string{o.say("short." + key), value}})
		}
	}
	row(d.mark(), "outcome", d.Headline)
	if t.c.Diagnosis != nil {
		row(levelMark(*t.c.Diagnosis), "level", d.Level.String()+" — "+o.levelWords(d.Level))
		row(MarkNone, "kind", o.word("name", string(d.Scenario)))
		row(MarkNone, "cause", d.RootCause)
	}
	m, loss := t.lossLine()
	row(m, "loss", loss)
	if d.Times.ToVerdict != nil {
		row(MarkNone, "rto", o.span(duration(*d.Times.ToVerdict)))
	}
	if t.outcome.carriedOut() {
		m, text := t.rpoAchieved()
		row(m, "rpo", text)
	}
	s.table(tab)
	return s
}

// found tells what the observation saw.
func (t teller) found() Section {
	s := Section{ID: "found"}
	o, d := t.o, t.c.Diagnosis
	if d == nil {
		if t.c.Facts != nil {
			s.text(MarkNone, o.say("found.began", stamp(t.c.Facts.At), t.name()))
		}
		return s
	}
	s.text(MarkNone, o.say("found.began", stamp(d.At), t.name()))
	s.text(levelMark(*d), o.sentences(
		o.say("found.judged", d.Level, o.levelWords(d.Level), o.word("name", string(d.Scenario))), o.text(d.Summary)))
	id, highest := o.say("found.id-unknown"), o.say("found.id-unknown")
	if d.ClusterID.OK {
		id = d.ClusterID.Value.String()
	}
	if d.HighestRevision.OK {
		highest = fmt.Sprint(d.HighestRevision.Value)
	}
	s.text(MarkNone, o.say("found.id", id, highest))
	if t.c.Facts != nil {
		s.table(o.members(*d, *t.c.Facts))
	}
	t.findings(&s)
	if unknown := o.unknowns(*d); len(unknown) > 0 {
		s.text(MarkOpen, o.say("found.unknown"))
		s.items(unknown)
	}
	return s
}

func (t teller) findings(s *Section) {
	o, d := t.o, t.c.Diagnosis
	if len(d.Findings) == 0 {
		s.text(MarkGood, o.say("found.no-findings"))
		return
	}
	s.text(MarkNone, o.say("found.findings"))
	tab := Table{Head: o.heads("weight", "finding", "evidence")}
	for _, f := range d.Findings {
		weight := o.word("severity", string(f.Severity))
		if len(f.CausedBy) > 0 {
			weight += o.bracketed(o.say("found.silent", codes(f.CausedBy)))
		}
		tab.Rows = append(tab.Rows, Row{severityMark(f.Severity), []string{weight, o.text(f.Text), strings.Join(f.Evidence, "; ")}})
	}
	s.table(tab)
}

// name is what the story calls the cluster.
func (t teller) name() string {
	if t.doc.Cluster != "" {
		return t.doc.Cluster
	}
	return "etcd"
}

// did tells every run and every attempt, with its failures.
func (t teller) did() Section {
	s := Section{ID: "did"}
	o := t.o
	if len(t.runs) == 0 {
		s.text(MarkNone, o.say("did.nothing"))
		return s
	}
	for i, r := range t.runs {
		by := r.By
		if by == "" {
			by = o.say("decided.anonymous")
		}
		if i == 0 {
			s.text(MarkNone, o.say("did.run", 1, stamp(r.Began), by))
		} else {
			s.text(MarkNone, o.say("did.resumed", i+1, stamp(r.Began), by, o.span(r.Began.Sub(t.runs[i-1].Last))))
		}
		s.table(t.attempts(r))
		t.ending(&s, r)
	}
	if t.doc.Steps > 0 {
		s.text(MarkNone, o.say("did.counts", t.doc.StepsDone, t.doc.Steps))
	}
	return s
}

func (t teller) ending(s *Section, r Run) {
	o := t.o
	switch {
	case r.Ended.IsZero():
		s.text(MarkBad, o.say("did.cut", stamp(r.Last)))
	case r.Error != "":
		s.text(MarkBad, o.say("did.ended-error", stamp(r.Ended), o.span(r.Ended.Sub(r.Began)), r.Error))
	default:
		s.text(MarkGood, o.say("did.ended", stamp(r.Ended), o.span(r.Ended.Sub(r.Began))))
	}
}

func (t teller) attempts(r Run) Table {
	o := t.o
	tab := Table{Head: o.heads("time", "took", "host", "step", "result")}
	for _, a := range r.Attempts {
		at, took := a.Started, ""
		if at.IsZero() {
			at = a.Ended
		} else if !a.Ended.IsZero() {
			took = o.span(a.Ended.Sub(a.Started))
		}
		text := string(a.Step)
		if t.c.Plan != nil {
			if st, ok := t.c.Plan.Step(a.Step); ok {
				text = o.text(st.Action.Text())
			}
		}
		result := o.word("step", string(a.Result))
		if a.Error != "" {
			result = o.labelled(result, a.Error)
		}
		tab.Rows = append(tab.Rows, Row{a.Result.mark(), []string{clock(at), took, a.Host, text, result}})
	}
	return tab
}

func (r Result) mark() Mark {
	switch r {
	case ResultDone, ResultFound:
		return MarkGood
	case ResultFailed:
		return MarkBad
	}
	return MarkWarn
}
