package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// DiagnosisMarkdown writes a diagnosis as a page of Markdown: what Diagnosis
// shows on a screen, with the codes and all evidence.
func DiagnosisMarkdown(w io.Writer, d diagnose.Diagnosis, f cluster.Facts, o Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n%s\n\n**%s**\n", d.Level, o.word("name", string(d.Scenario)),
		joined([]string{f.Config.Cluster, stamp(d.At), o.levelWords(d.Level)}), inMarkdown(o.labelled(o.say("screen.cause"), o.text(d.Summary))))
	section := func(key string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n", o.say(key))
		for _, l := range lines {
			b.WriteString("- " + inMarkdown(l) + "\n")
		}
	}
	if t := o.members(d, f).pruned(); len(t.Rows) > 0 {
		fmt.Fprintf(&b, "\n## %s\n\n| %s |\n|%s\n", o.say("screen.members"), strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
		for _, r := range t.Rows {
			b.WriteString("| " + inMarkdown(strings.Join(r.Cells, " | ")) + " |\n")
		}
	}
	if len(d.Findings) > 0 {
		fmt.Fprintf(&b, "\n## %s\n\n", o.say("screen.findings"))
		for _, x := range gravest(d.Findings) {
			note := o.word("severity", string(x.Severity)) + ", " + o.word("confidence", string(x.Confidence))
			if len(x.CausedBy) > 0 {
				note += ", " + o.say("screen.silent", codes(x.CausedBy))
			}
			fmt.Fprintf(&b, "- `%s` %s %s\n", x.Code, o.bracket(note), inMarkdown(o.text(x.Text)))
			for _, e := range append(append([]string{}, x.Evidence...), x.Against...) {
				b.WriteString("  - " + inMarkdown(e) + "\n")
			}
		}
	}
	var candidates []string
	for _, c := range d.Candidates {
		line := joined(append([]string{c.ID}, o.candidateCells(c, d.At)...)) + " · " + o.text(c.Why)
		candidates = append(candidates, line)
		for _, h := range c.Hazards {
			candidates = append(candidates, "  "+o.text(h))
		}
		if c.HazardsUnknown != nil {
			candidates = append(candidates, "  "+o.text(*c.HazardsUnknown))
		}
	}
	section("screen.candidates", candidates)
	section("screen.unknown", o.unknowns(d))
	section("screen.allowed", o.advice(d.Allowed))
	section("screen.forbidden", o.advice(d.Forbidden))
	if d.Next != "" {
		fmt.Fprintf(&b, "\n## %s\n\n`%s`\n", o.say("screen.next"), d.Next)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write diagnosis: %w", err)
	}
	return nil
}

// inMarkdown keeps a text on its line and its signs from being taken for
// markup.
func inMarkdown(s string) string {
	s = strings.NewReplacer("\n", " ", "\r", " ", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
	return s
}
