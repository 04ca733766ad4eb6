package main

import (
	"context"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/internal/remote"
)

// defaultBudget is how long an observation may take as a whole.
const defaultBudget = 20 * time.Second

// seen is one observation with its answer.
type seen struct {
	facts     cluster.Facts
	diagnosis diagnose.Diagnosis
	// brought is where a backup of the vault was put, HOST:PATH; empty: none was.
	brought string
}

// look observes and diagnoses.
func look(ctx context.Context, f *remote.Fleet, budget time.Duration, hashes observe.Hashes) seen {
	facts := f.Observe(ctx, time.Now(), budget, hashes)
	return seen{facts: facts, diagnosis: diagnose.Diagnose(facts)}
}

// verdictOf turns a diagnosis into the error that stands for its exit code.
func verdictOf(d diagnose.Diagnosis) error {
	switch {
	case d.Scenario == diagnose.Unreachable, d.Scenario == diagnose.AllLost && d.Level.Data == diagnose.DUnknown:
		return errUnseen
	case d.Scenario == diagnose.Healthy && len(d.Unknown) == 0 && !worrying(d):
		return nil
	case d.Scenario == diagnose.Healthy && !worrying(d):
		return errUnseen
	}
	return errFindings
}

// worrying tells whether a cluster that serves has findings all the same, such
// as a certificate that ends soon.
func worrying(d diagnose.Diagnosis) bool {
	for _, f := range d.Findings {
		if f.Severity != diagnose.Info {
			return true
		}
	}
	return false
}
