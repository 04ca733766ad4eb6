package main

import (
	"fmt"
	"strings"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// metricsOf writes a diagnosis in the text format of Prometheus 0.0.4, in an
// order that does not change.
func metricsOf(d diagnose.Diagnosis) string {
	var b strings.Builder
	head := func(name, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name) }
	head("salvor_diagnosis_timestamp_seconds", "When the cluster was looked at.")
	fmt.Fprintf(&b, "salvor_diagnosis_timestamp_seconds %d\n", d.At.Unix())
	head("salvor_scenario", "The incident as a whole, with its level; always 1.")
	fmt.Fprintf(&b, "salvor_scenario{scenario=%s,availability=%s,data=%s} 1\n", label(string(d.Scenario)), label(string(d.Level.Availability)), label(string(d.Level.Data)))
	head("salvor_finding", "One finding; caused is 1 when another finding explains it.")
	for _, f := range d.Findings {
		caused := 0
		if len(f.CausedBy) > 0 {
			caused = 1
		}
		fmt.Fprintf(&b, "salvor_finding{code=%s,severity=%s,subject=%s,confidence=%s,caused=\"%d\"} 1\n",
			label(string(f.Code)), label(string(f.Severity)), label(f.Subject), label(string(f.Confidence)), caused)
	}
	head("salvor_findings", "Number of findings by severity.")
	for _, s := range []diagnose.Severity{diagnose.Critical, diagnose.Warning, diagnose.Info} {
		n := 0
		for _, f := range d.Findings {
			if f.Severity == s {
				n++
			}
		}
		fmt.Fprintf(&b, "salvor_findings{severity=%s} %d\n", label(string(s)), n)
	}
	head("salvor_member_state", "State of each configured member; always 1.")
	for _, m := range d.Members {
		fmt.Fprintf(&b, "salvor_member_state{member=%s,host=%s,state=%s} 1\n", label(m.Name), label(m.Host), label(string(m.State)))
	}
	head("salvor_unknown", "Number of things that matter and could not be observed.")
	fmt.Fprintf(&b, "salvor_unknown %d\n", len(d.Unknown))
	head("salvor_unjudged", "Number of facts that were wanted and could not be read.")
	fmt.Fprintf(&b, "salvor_unjudged %d\n", d.Unread())
	return b.String()
}

// label quotes a label's value (exposition format: backslash, quote and line
// feed are escaped).
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
