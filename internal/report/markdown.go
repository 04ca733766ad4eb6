package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Markdown writes the report as GitHub-flavoured Markdown, which also reads
// well as plain text. Names and messages from outside are escaped.
func (d Document) Markdown(w io.Writer) error {
	var b strings.Builder
	o := Options{Lang: d.Lang}
	fmt.Fprintf(&b, "# %s\n\n", escapeMarkdown(d.Title))
	fmt.Fprintf(&b, "**%s %s**\n\n", d.mark().sign(), escapeMarkdown(d.Headline))
	for _, s := range d.Sections {
		fmt.Fprintf(&b, "## %s\n\n", escapeMarkdown(s.Title))
		for _, bl := range s.Blocks {
			bl.markdown(&b)
		}
	}
	fmt.Fprintf(&b, "---\n\n%s\n", escapeMarkdown(o.say("foot.made", code(d.Case))))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (bl Block) markdown(b *strings.Builder) {
	switch {
	case bl.Table != nil:
		bl.Table.markdown(b)
	case len(bl.Items) > 0:
		for _, i := range bl.Items {
			fmt.Fprintf(b, "- %s\n", escapeMarkdown(i))
		}
	default:
		fmt.Fprintf(b, "%s%s\n", lead(bl.Mark), escapeMarkdown(bl.Text))
	}
	b.WriteString("\n")
}

// lead is a mark before a paragraph; an unmarked one has none.
func lead(m Mark) string {
	if m == MarkNone {
		return ""
	}
	return m.sign() + " "
}

func (t Table) markdown(b *strings.Builder) {
	b.WriteString("|   |")
	for _, h := range t.Head {
		b.WriteString(" " + escapeMarkdown(h) + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(t.Head)) + "\n")
	for _, r := range t.Rows {
		b.WriteString("| " + lead(r.Mark) + "|")
		for _, c := range r.Cells {
			b.WriteString(" " + escapeMarkdown(c) + " |")
		}
		b.WriteString("\n")
	}
}

// spans cuts a text at its backticks: every second piece is code. A text whose
// backticks do not pair up is one piece without code.
func spans(text string) []string {
	text = oneLine(text)
	if strings.Count(text, "`")%2 != 0 {
		return []string{text}
	}
	return strings.Split(text, "`")
}

// escapeMarkdown makes a text stand for itself, except for code in backticks.
func escapeMarkdown(text string) string {
	var b strings.Builder
	for i, piece := range spans(text) {
		if i%2 == 1 {
			b.WriteString("`" + strings.ReplaceAll(piece, "|", "\\|") + "`")
			continue
		}
		b.WriteString(escapePiece(piece, i == 0))
	}
	return b.String()
}

func escapePiece(text string, first bool) string {
	var b strings.Builder
	rs := []rune(text)
	for i, r := range rs {
		switch r {
		case '<', '>', '&', '|', '*', '[', ']', '\\', '`', '~':
			b.WriteByte('\\')
		case '_':
			if i == 0 || i == len(rs)-1 || !letter(rs[i-1]) || !letter(rs[i+1]) {
				b.WriteByte('\\')
			}
		case '#', '+', '-', '=':
			if first && i == 0 {
				b.WriteByte('\\')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
