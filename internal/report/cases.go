package report

import (
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// Cases is the document that lists cases.
type Cases struct {
	Cases []CaseLine `json:"cases"`
}

// CaseLine is one case in a list.
type CaseLine struct {
	Case     string            `json:"case"`
	Cluster  string            `json:"cluster,omitempty"`
	At       time.Time         `json:"at,omitzero"`
	Level    *diagnose.Level   `json:"level,omitempty"`
	Scenario diagnose.Scenario `json:"scenario,omitempty"`
	Plan     string            `json:"plan,omitempty"`
	Outcome  Outcome           `json:"outcome"`
}

// Line sums a case up for a list.
func Line(c casefile.Case) CaseLine {
	l := CaseLine{Case: c.Name, Outcome: OutcomeOf(c)}
	if c.Facts != nil {
		l.Cluster, l.At = c.Facts.Config.Cluster, c.Facts.At
	}
	if c.Diagnosis != nil {
		l.Level, l.Scenario, l.At = &c.Diagnosis.Level, c.Diagnosis.Scenario, c.Diagnosis.At
	}
	if c.Plan != nil {
		l.Plan = c.Plan.ID
	}
	return l
}
