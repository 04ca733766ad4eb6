package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// Diagnosis writes a diagnosis on one screen: how bad it is, why, what is
// left, what may be done and what must not, and the command to type next. The
// facts are those that it rests on.
func Diagnosis(w io.Writer, d diagnose.Diagnosis, f cluster.Facts, o Options) error {
	s := &screen{w: w, o: o}
	s.title(d, f)
	if len(d.Members) > 0 {
		s.head("screen.members")
		s.grid(o.members(d, f))
	}
	s.findings(d)
	s.candidates(d)
	s.texts("screen.unknown", MarkOpen, o.unknowns(d))
	s.unjudged(d)
	s.texts("screen.allowed", MarkGood, o.advice(d.Allowed))
	s.texts("screen.forbidden", MarkBad, o.advice(d.Forbidden))
	if d.Next != "" {
		s.head("screen.next")
		s.line("    " + s.paint("1", d.Next))
	}
	if s.err != nil {
		return fmt.Errorf("write diagnosis: %w", s.err)
	}
	return nil
}

func levelMark(d diagnose.Diagnosis) Mark {
	switch d.Level.Availability {
	case diagnose.T0:
		return MarkGood
	case diagnose.T1:
		return MarkWarn
	case diagnose.T2, diagnose.T3:
		return MarkBad
	}
	return MarkOpen
}

func (s *screen) title(d diagnose.Diagnosis, f cluster.Facts) {
	m := levelMark(d)
	s.line(s.paint("1;"+m.ansi(), m.sign()+" "+d.Level.String()) + "  " + s.o.word("name", string(d.Scenario)))
	s.item(MarkNone, joined([]string{f.Config.Cluster, stamp(d.At), s.o.levelWords(d.Level)}))
	s.item(m, s.o.labelled(s.o.say("screen.cause"), s.o.text(d.Summary)))
}

// levelWords says both axes of a level.
func (o Options) levelWords(l diagnose.Level) string {
	return o.list([]string{o.word("availability", string(l.Availability)), o.word("data", string(l.Data))})
}

func (s *screen) candidates(d diagnose.Diagnosis) {
	if len(d.Candidates) == 0 {
		return
	}
	s.head("screen.candidates")
	for _, c := range d.Candidates {
		s.item(candidateMark(c), c.ID)
		cells := s.o.candidateCells(c, d.At)
		if cells[0] != "" {
			cells[0] = s.o.say("screen.revision", cells[0])
		}
		if cells[1] != "" && c.Kind != diagnose.FromQuorum {
			cells[1] = s.o.say("screen.age", cells[1])
		}
		s.under(joined(cells))
		s.under(s.o.text(c.Why))
		if c.Loss.Doubt != nil && !c.Loss.Proven && (c.Chosen || s.o.Verbose) {
			s.under(s.o.text(*c.Loss.Doubt))
		}
		s.hazards(d, c)
	}
}

// hazards tells what a candidate's objects would do: in full of the one that is
// chosen unless the findings told it already, by their codes else.
func (s *screen) hazards(d diagnose.Diagnosis, c diagnose.Candidate) {
	told := slices.ContainsFunc(d.Findings, func(f diagnose.Finding) bool { return f.Subject == c.ID })
	switch {
	case s.o.Verbose, c.Chosen && !told:
		for _, h := range c.Hazards {
			s.under("! " + s.o.text(h))
		}
	case len(c.Hazards) > 0:
		var codes []string
		for _, h := range c.Hazards {
			codes = append(codes, strings.TrimPrefix(h.Key, "finding."))
		}
		s.under("! " + s.o.say("screen.hazards", strings.Join(codes, ", ")))
	}
	if c.HazardsUnknown != nil {
		s.under("? " + s.o.text(*c.HazardsUnknown))
	}
}

// joined puts what is not empty side by side.
func joined(cells []string) string {
	var out []string
	for _, c := range cells {
		if c != "" {
			out = append(out, c)
		}
	}
	return strings.Join(out, " · ")
}

func (s *screen) texts(head string, m Mark, texts []string) {
	if len(texts) == 0 {
		return
	}
	s.head(head)
	for _, t := range texts {
		s.item(m, t)
	}
}

// unjudged says how many classes could not be judged, and for want of what.
func (s *screen) unjudged(d diagnose.Diagnosis) {
	if d.Unread() > 0 && len(d.Unknown) == 0 || s.o.Verbose && len(d.Unjudged) > 0 && len(d.Unknown) == 0 {
		s.head("screen.unknown")
	}
	if !s.o.Verbose {
		if n := d.Unread(); n > 0 {
			s.under(s.o.say("screen.unjudged", n))
		}
		return
	}
	for _, u := range d.Unjudged {
		key := "screen.unjudged-one"
		if u.Skipped {
			key = "screen.unjudged-skipped"
		}
		s.item(MarkOpen, s.o.say(key, u.Subject, s.o.word("need", string(u.Fact)), u.Why, codes(u.Codes)))
	}
}
