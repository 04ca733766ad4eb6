package casefile

import (
	"time"

	"github.com/salvor-project/salvor/internal/say"
)

// Verdict is what verification found after a recovery.
type Verdict struct {
	At time.Time `json:"at"`
	// Passed is true only when no check failed and none stayed unknown.
	Passed bool    `json:"passed"`
	Checks []Check `json:"checks"`
}

// Check is one expectation held against what was observed.
type Check struct {
	// Name is stable and kebab-case: "one-leader", "members", "hash-equal",
	// "alarms", "content", "revision", "canary", "old-watch"; "steps" stands
	// only where the run went on without some, "source" where the data was
	// collected from a broken db.
	Name   string  `json:"name"`
	Result Outcome `json:"result"`
	// Text says what was found, or why it could not be.
	Text say.Text `json:"text"`
}

// Outcome is the result of a check.
type Outcome string

// The outcomes of a check.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	NotKnown      Outcome = "unknown"
	NotApplicable Outcome = "not-applicable"
)
