package report

import (
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
)

// Times are the durations of a case and the objectives that they are held
// against. What is not known is absent, never zero.
type Times struct {
	// From is when the observation began, from which everything counts: when
	// the outage itself began, nothing tells.
	From time.Time `json:"from,omitzero"`
	// ToQuorum, ToCanary and ToVerdict are seconds from From to the first
	// linearizable read, to the first write that every member returned, and
	// to the passed verdict.
	ToQuorum  *float64 `json:"toQuorumSeconds,omitempty"`
	ToCanary  *float64 `json:"toCanarySeconds,omitempty"`
	ToVerdict *float64 `json:"toVerdictSeconds,omitempty"`
	// RTO is the objective in seconds; RTOMet judges ToVerdict by it.
	RTO    *float64 `json:"rtoObjectiveSeconds,omitempty"`
	RTOMet *bool    `json:"rtoMet,omitempty"`
	// RPOAtMost is an upper bound, in seconds, of the span whose writes are
	// lost; RPO the objective; RPOMet judges the one by the other.
	RPOAtMost *float64 `json:"rpoAtMostSeconds,omitempty"`
	RPO       *float64 `json:"rpoObjectiveSeconds,omitempty"`
	RPOMet    *bool    `json:"rpoMet,omitempty"`
}

func timesOf(c casefile.Case) Times {
	var t Times
	switch {
	case c.Facts != nil:
		t.From = c.Facts.At
	case c.Diagnosis != nil:
		t.From = c.Diagnosis.At
	}
	t.objectives(c)
	if c.Plan == nil || t.From.IsZero() {
		return t
	}
	t.ToQuorum = since(t.From, firstDone(*c.Plan, c.Journal, plan.KindAwaitQuorum))
	t.ToCanary = since(t.From, firstDone(*c.Plan, c.Journal, plan.KindCanary))
	if c.Verdict != nil && c.Verdict.Passed {
		t.ToVerdict = since(t.From, c.Verdict.At)
	}
	if t.RTO != nil && t.ToVerdict != nil {
		t.RTOMet = is(*t.ToVerdict <= *t.RTO)
	}
	if OutcomeOf(c).carriedOut() {
		t.rpo(*c.Plan)
	}
	return t
}

func (t *Times) objectives(c casefile.Case) {
	var rto, rpo time.Duration
	switch {
	case c.Plan != nil:
		rto, rpo = time.Duration(c.Plan.Config.Objectives.RTO), time.Duration(c.Plan.Config.Objectives.RPO)
	case c.Facts != nil:
		rto, rpo = time.Duration(c.Facts.Config.Objectives.RTO), time.Duration(c.Facts.Config.Objectives.RPO)
	}
	if rto > 0 {
		t.RTO = seconds(rto)
	}
	if rpo > 0 {
		t.RPO = seconds(rpo)
	}
}

// rpo bounds the span of the lost writes. The last write is not known, so the
// span runs to the observation; a bound above the objective decides nothing
// unless the loss is known to be real.
func (t *Times) rpo(p plan.Plan) {
	switch {
	case p.Loss.NoneKnown() && p.Loss.Proven:
		t.RPOAtMost = seconds(0)
	case p.Loss.NoneKnown() || p.Loss.Since.IsZero():
		return
	default:
		t.RPOAtMost = since(p.Loss.Since, t.From)
	}
	if t.RPO != nil && t.RPOAtMost != nil {
		t.RPOMet = is(*t.RPOAtMost <= *t.RPO)
	}
}

// since gives the seconds between two moments; nil when the second is missing
// or lies before the first, as with a clock that was set.
func since(from, to time.Time) *float64 {
	if to.IsZero() || to.Before(from) {
		return nil
	}
	return seconds(to.Sub(from))
}

func seconds(d time.Duration) *float64 {
	s := d.Round(time.Millisecond).Seconds()
	return &s
}

func is(b bool) *bool { return &b }

func duration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
