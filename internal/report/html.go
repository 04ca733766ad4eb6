package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// page is the template of the HTML report: one file with its style in it, and
// well-formed as XML.
//
//go:embed page.tmpl
var page string

// HTML writes the report as one self-contained page: no script, nothing loaded
// from anywhere, ready to print.
func (d Document) HTML(w io.Writer) error {
	o := Options{Lang: d.Lang}
	t, err := template.New("page").Funcs(template.FuncMap{
		"rich": rich,
		"line": oneLine,
		"sign": func(m Mark) string { return strings.TrimSpace(lead(m)) },
		"mark": d.mark,
		"bare": func(h []string) bool { return strings.Join(h, "") == "" },
		"tag":  d.Lang.Tag,
		"foot": func() string { return o.say("foot.made", code(d.Case)) },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := t.Execute(w, d); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// rich escapes a text and sets what stands in backticks as code.
func rich(text string) template.HTML {
	var b strings.Builder
	for i, piece := range spans(text) {
		safe := template.HTMLEscapeString(piece)
		if i%2 == 1 {
			safe = "<code>" + safe + "</code>"
		}
		b.WriteString(safe)
	}
	return template.HTML(b.String()) //nolint:gosec // every piece was escaped just above
}
