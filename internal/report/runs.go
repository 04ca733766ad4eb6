package report

import (
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
)

// Run is one pass over a plan: the first, or a resume.
type Run struct {
	By    string    `json:"by,omitempty"`
	Began time.Time `json:"began"`
	// Ended is zero when the journal shows no end: the process was killed.
	Ended time.Time `json:"ended,omitzero"`
	// Last is the time of the run's last line.
	Last     time.Time `json:"last"`
	Error    string    `json:"error,omitempty"`
	Attempts []Attempt `json:"attempts"`
}

// Result is how an attempt at a step ended; it is stable.
type Result string

// The results.
const (
	// ResultDone has succeeded.
	ResultDone Result = "done"
	// ResultFound was already there when it was asked for.
	ResultFound Result = "found"
	// ResultFailed reported an error.
	ResultFailed Result = "failed"
	// ResultSkipped was not tried; the run went on without it.
	ResultSkipped Result = "skipped"
	// ResultInterrupted has no end in the journal.
	ResultInterrupted Result = "interrupted"
)

// Attempt is one try of one step.
type Attempt struct {
	Step plan.StepID `json:"step"`
	Host string      `json:"host,omitempty"`
	// Started is zero when the step was found done, or failed, before it
	// began.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Result  Result    `json:"result"`
	Error   string    `json:"error,omitempty"`
}

// runs reads the journal as runs and attempts. It takes the lines as they are:
// a step that started and has no end stays interrupted, whatever came later.
func runs(journal []casefile.Entry) []Run {
	var out []Run
	for _, e := range journal {
		switch e.Event {
		case casefile.EventAccepted:
			continue
		case casefile.EventBegan:
			out = append(out, Run{By: e.By, Began: e.At, Last: e.At})
			continue
		}
		if len(out) == 0 { // a journal that lost its head
			out = append(out, Run{Began: e.At})
		}
		out[len(out)-1].note(e)
	}
	return out
}

func (r *Run) note(e casefile.Entry) {
	r.Last = e.At
	switch e.Event {
	case casefile.EventStarted:
		r.Attempts = append(r.Attempts, Attempt{Step: e.Step, Host: e.Host, Started: e.At, Result: ResultInterrupted})
	case casefile.EventDone, casefile.EventFailed:
		r.close(e)
	case casefile.EventSkipped:
		r.Attempts = append(r.Attempts, Attempt{Step: e.Step, Host: e.Host, Ended: e.At, Result: ResultSkipped, Error: e.Note})
	case casefile.EventEnded:
		r.Ended, r.Error = e.At, e.Error
	}
}

// close ends the newest attempt at a step, or notes one that never started.
func (r *Run) close(e casefile.Entry) {
	result := ResultDone
	if e.Event == casefile.EventFailed {
		result = ResultFailed
	}
	for i := len(r.Attempts) - 1; i >= 0; i-- {
		a := &r.Attempts[i]
		if a.Step != e.Step {
			continue
		}
		if !a.Ended.IsZero() {
			break // it was tried before, and this time never started
		}
		a.Ended, a.Result, a.Error = e.At, result, e.Error
		return
	}
	if e.Found {
		result = ResultFound
	}
	r.Attempts = append(r.Attempts, Attempt{Step: e.Step, Host: e.Host, Ended: e.At, Result: result, Error: e.Error})
}

// doneSteps are the steps of a plan that the journal shows as done.
func doneSteps(p plan.Plan, journal []casefile.Entry) map[plan.StepID]bool {
	out := map[plan.StepID]bool{}
	for _, e := range journal {
		if _, ok := p.Step(e.Step); ok && e.Event == casefile.EventDone {
			out[e.Step] = true
		}
	}
	return out
}

// firstDone is when the first step of a kind was done.
func firstDone(p plan.Plan, journal []casefile.Entry, kind plan.Kind) time.Time {
	for _, e := range journal {
		if s, ok := p.Step(e.Step); ok && e.Event == casefile.EventDone && s.Action.Kind() == kind {
			return e.At
		}
	}
	return time.Time{}
}
