package report

import (
	"fmt"
	"io"

	"github.com/salvor-project/salvor/internal/casefile"
)

// Verdict writes what a verification found, check by check.
func Verdict(w io.Writer, v casefile.Verdict, o Options) error {
	s := &screen{w: w, o: o}
	if v.Passed {
		s.item(MarkGood, o.say("proven.passed", stamp(v.At)))
	} else {
		s.item(MarkBad, o.say("proven.failed", stamp(v.At)))
	}
	for _, c := range v.Checks {
		s.item(checkMark(c.Result), o.labelled(o.word("check", c.Name), o.text(c.Text)))
	}
	if s.err != nil {
		return fmt.Errorf("write verdict: %w", s.err)
	}
	return nil
}
