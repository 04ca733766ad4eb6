package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/say"
)

// Plan writes a plan for the person who has to agree to it: what it loses
// first, then what to know, every step, and what will be asked.
func Plan(w io.Writer, p plan.Plan, o Options) error {
	s := &screen{w: w, o: o}
	s.line(s.paint("1", o.say("screen.plan")+" "+p.ID) + "  " +
		o.word("name", string(p.Scenario)))
	s.item(MarkNone, o.say("screen.case", p.Case))
	s.item(lossMark(p.Loss), o.lossText(p.Loss))
	if heading, lines := o.lossSample(p.Loss); heading != "" {
		s.item(MarkBad, heading)
		for _, l := range lines {
			s.line("      " + l)
		}
	}
	if p.Source.ID != "" {
		s.item(MarkNone, o.say("screen.source", p.Source.ID))
	}
	switch {
	case p.Undoes != "" && p.Basis == "": // of plan.Forget
		s.item(MarkNone, o.say("screen.forgets", p.Undoes))
	case p.Undoes != "" && deletes(p):
		s.item(MarkBad, o.say("screen.cleans", p.Undoes))
	case p.Undoes != "":
		s.item(MarkWarn, o.say("screen.undoes", p.Undoes))
	}
	s.texts("screen.warnings", MarkWarn, o.all(warnings(p)))
	s.head("screen.steps")
	s.steps(p)
	s.texts("screen.asked", MarkNone, o.all(Asks(p)))
	if s.err != nil {
		return fmt.Errorf("write plan: %w", s.err)
	}
	return nil
}

// warnings are the plan's own without what the loss already says.
func warnings(p plan.Plan) []say.Text {
	var out []say.Text
	for _, t := range p.Warnings {
		if p.Loss.Doubt == nil || p.Loss.Doubt.String() != t.String() {
			out = append(out, t)
		}
	}
	return out
}

func (o Options) all(ts []say.Text) []string {
	var out []string
	for _, t := range ts {
		out = append(out, o.text(t))
	}
	return out
}

// Asks tells what a person is asked before the plan is carried out, and what
// the answer covers. It is never empty.
func Asks(p plan.Plan) []say.Text {
	var out []say.Text
	switch {
	case !p.Loss.Revisions.OK:
		out = append(out, say.New("ask.loss-unknown"))
	case !p.Loss.NoneKnown():
		out = append(out, say.New("ask.loss", p.Loss.Revisions.Value))
	case !p.Loss.Proven:
		out = append(out, say.New("ask.unproven"))
	default:
		out = append(out, say.New("ask.once"))
	}
	var high []int
	for i, s := range p.Steps {
		if s.Action.Risk() == plan.RiskHigh {
			high = append(high, i+1)
		}
	}
	if len(high) > 0 {
		out = append(out, say.New("ask.irreversible", ranges(high)))
	}
	return out
}

func riskMark(r plan.Risk) Mark {
	switch r {
	case plan.RiskHigh:
		return MarkBad
	case plan.RiskLow:
		return MarkWarn
	}
	return MarkNone
}

// steps writes the numbered steps, one host's column wide.
func (s *screen) steps(p plan.Plan) {
	number := map[plan.StepID]int{}
	hosts := 0
	for i, st := range p.Steps {
		number[st.ID] = i + 1
		hosts = max(hosts, columns(st.Host))
	}
	digits := len(strconv.Itoa(len(p.Steps)))
	for i, st := range p.Steps {
		lead := fmt.Sprintf("  %*d  %s  ", digits, i+1, padRight(oneLine(st.Host), hosts))
		notes := []string{s.o.word("risk", string(st.Action.Risk()))}
		if n := s.o.order(p, i, number); n != "" {
			notes = append(notes, n)
		}
		s.step(lead, s.o.text(st.Action.Text()), s.o.bracketed(s.o.clauses(notes)), riskMark(st.Action.Risk()))
	}
}

// step writes one step; the tail, which is never broken, stands behind it or
// on a line of its own.
func (s *screen) step(lead, text, tail string, m Mark) {
	lines := wrap(text, s.o.width()-columns(lead))
	for _, l := range lines[:len(lines)-1] {
		s.line(lead + l)
		lead = strings.Repeat(" ", columns(lead))
	}
	last := lines[len(lines)-1]
	if columns(lead)+columns(last)+columns(tail) > s.o.width() {
		s.line(lead + last)
		lead, last, tail = strings.Repeat(" ", columns(lead)), "", strings.TrimSpace(tail)
	}
	s.line(lead + last + s.paint(m.ansi(), tail))
}

// order says when a step begins, where that is not simply after the one before
// it: beside an earlier one, or after others.
func (o Options) order(p plan.Plan, i int, number map[plan.StepID]int) string {
	mine := needs(p.Steps[i], number)
	for k := range i {
		if slices.Equal(mine, needs(p.Steps[k], number)) {
			return o.say("screen.with", k+1)
		}
	}
	if len(mine) == 0 || slices.Contains(mine, i) {
		return ""
	}
	return o.say("screen.after", ranges(mine))
}

func needs(s plan.Step, number map[plan.StepID]int) []int {
	var out []int
	for _, n := range s.Needs {
		out = append(out, number[n])
	}
	slices.Sort(out)
	return out
}

// ranges writes sorted numbers shortly: "1-3, 7".
func ranges(ns []int) string {
	var out []string
	for i := 0; i < len(ns); {
		j := i
		for j+1 < len(ns) && ns[j+1] == ns[j]+1 {
			j++
		}
		switch {
		case j == i:
			out = append(out, strconv.Itoa(ns[i]))
		case j == i+1:
			out = append(out, strconv.Itoa(ns[i]), strconv.Itoa(ns[j]))
		default:
			out = append(out, fmt.Sprintf("%d-%d", ns[i], ns[j]))
		}
		i = j + 1
	}
	return strings.Join(out, ", ")
}
