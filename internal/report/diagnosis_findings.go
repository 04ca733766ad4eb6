package report

import (
	"cmp"
	"slices"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// gravest gives findings with what is worst first; the table's order, causes
// before what follows from them, stays within a severity.
func gravest(all []diagnose.Finding) []diagnose.Finding {
	rank := []diagnose.Severity{diagnose.Critical, diagnose.Warning, diagnose.Info}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b diagnose.Finding) int {
		return cmp.Compare(slices.Index(rank, a.Severity), slices.Index(rank, b.Severity))
	})
	return all
}

// row is a finding on the screen, and the other subjects of which the same class
// was found.
type row struct {
	diagnose.Finding
	others []string
}

// rows are the findings that a screen has room for: no consequences, and each
// class below critical once.
func rows(all []diagnose.Finding) (shown []row, hidden int) {
	for _, f := range gravest(all) {
		if len(f.CausedBy) > 0 {
			hidden++
			continue
		}
		i := slices.IndexFunc(shown, func(r row) bool { return r.Code == f.Code && f.Severity != diagnose.Critical })
		if i < 0 {
			shown = append(shown, row{Finding: f})
			continue
		}
		shown[i].others = append(shown[i].others, f.Subject)
	}
	return shown, hidden
}

func (s *screen) findings(d diagnose.Diagnosis) {
	if len(d.Findings) == 0 {
		return
	}
	s.head("screen.findings")
	if s.o.Verbose {
		for _, f := range gravest(d.Findings) {
			s.finding(f)
			s.evidence(f)
		}
		return
	}
	shown, hidden := rows(d.Findings)
	for _, r := range shown {
		s.finding(r.Finding)
		if len(r.others) > 0 {
			s.under(s.o.say("screen.same", s.o.list(r.others)))
		}
	}
	if hidden > 0 {
		s.under(s.o.say("screen.hidden", hidden))
	}
}

func (s *screen) finding(f diagnose.Finding) {
	text := s.o.word("severity", string(f.Severity)) + " · " + s.o.text(f.Text)
	if f.Confidence != "" && f.Confidence != diagnose.Certain {
		text += " " + s.o.bracket(s.o.word("confidence", string(f.Confidence)))
	}
	s.item(severityMark(f.Severity), text)
}

// evidence tells what a finding rests on, what speaks against it, and what it
// follows from.
func (s *screen) evidence(f diagnose.Finding) {
	s.under("[" + string(f.Code) + "]")
	for _, e := range f.Evidence {
		s.under("- " + e)
	}
	for _, e := range f.Against {
		s.under("≠ " + e)
	}
	if len(f.CausedBy) > 0 {
		s.under(s.o.say("screen.silent", codes(f.CausedBy)))
	}
}
