package report

import (
	"io"
	"strings"
)

// Mark says how something stands. It is shown as a sign, in colour where there
// are colours, and always beside a word.
type Mark string

// The marks.
const (
	MarkNone Mark = ""
	MarkGood Mark = "good"
	MarkWarn Mark = "warn"
	MarkBad  Mark = "bad"
	MarkOpen Mark = "open"
)

// sign is the mark without colour.
func (m Mark) sign() string {
	switch m {
	case MarkGood:
		return "✓"
	case MarkWarn:
		return "!"
	case MarkBad:
		return "✗"
	case MarkOpen:
		return "?"
	}
	return "·"
}

func (m Mark) ansi() string {
	switch m {
	case MarkGood:
		return "32"
	case MarkWarn:
		return "33"
	case MarkBad:
		return "31"
	case MarkOpen:
		return "36"
	}
	return ""
}

// screen writes to a terminal; the first error is kept and ends the output.
type screen struct {
	w io.Writer
	o Options
	// err is the first failure of w.
	err error
}

func (s *screen) line(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, strings.TrimRight(text, " ")+"\n")
	}
}

// paint colours a text with an ANSI code.
func (s *screen) paint(code, text string) string {
	if !s.o.Colour || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) head(key string) {
	s.line("")
	s.line(s.paint("1", s.o.say(key)))
}

// item writes a marked text, its further lines under its first.
func (s *screen) item(m Mark, text string) {
	for i, l := range wrap(text, s.o.width()-4) {
		if i == 0 {
			s.line("  " + s.paint(m.ansi(), m.sign()) + " " + l)
			continue
		}
		s.line("    " + l)
	}
}

// under writes a text below an item.
func (s *screen) under(text string) {
	for _, l := range wrap(text, s.o.width()-4) {
		s.line("    " + s.paint("2", l))
	}
}

// grid writes a table in aligned columns.
func (s *screen) grid(t Table) {
	t = t.pruned()
	widths := make([]int, len(t.Head))
	for i, h := range t.Head {
		widths[i] = columns(h)
	}
	for _, r := range t.Rows {
		for i, c := range r.Cells {
			widths[i] = max(widths[i], columns(oneLine(c)))
		}
	}
	s.line("    " + s.paint("2", aligned(t.Head, widths)))
	for _, r := range t.Rows {
		s.line("  " + s.paint(r.Mark.ansi(), r.Mark.sign()) + " " + aligned(r.Cells, widths))
	}
}

func aligned(cells []string, widths []int) string {
	var out []string
	for i, c := range cells {
		out = append(out, padRight(oneLine(c), widths[i]))
	}
	return strings.TrimRight(strings.Join(out, "  "), " ")
}
