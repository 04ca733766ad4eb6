package plan

import (
	"errors"
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

// Reasons why there is no plan. Each maps to an exit code.
var (
	// ErrHealthy is returned when nothing needs to be done.
	ErrHealthy = errors.New("nothing to recover: the cluster serves with all its members")
	// ErrRefused is returned when a recovery would not help or would harm.
	ErrRefused = errors.New("salvor refuses to act")
	// ErrUnseen is returned when too little was observed to decide.
	ErrUnseen = errors.New("too little could be observed to decide")
	// ErrNoCandidate is returned when there is nothing to recover from.
	ErrNoCandidate = errors.New("no usable candidate: neither a data dir nor a snapshot can be recovered from")
)

// Build makes the plan that answers a diagnosis.
func Build(f cluster.Facts, d diagnose.Diagnosis, c Choices) (Plan, error) {
	if c.Case == "" || c.Token == "" {
		return Plan{}, errors.New("build plan: a case name and a fresh token are needed")
	}
	if c.Bump == 0 {
		c.Bump = DefaultBump
	}
	if err := blind(f); err != nil {
		return Plan{}, err
	}
	if err := refusal(d, c); err != nil {
		return Plan{}, err
	}
	source, err := pick(d, c)
	if err != nil {
		return Plan{}, err
	}
	b := &builder{facts: f, diag: d, choices: c, plan: Plan{Basis: d.Fingerprint(), Case: c.Case, Scenario: d.Scenario,
		Source: source, Loss: lossOf(f, source), Config: f.Config}}
	switch {
	case source.Kind == diagnose.FromSurvivor || source.Kind == diagnose.FromSnapshot || source.Kind == diagnose.FromRemains:
		b.rebuild()
	case source.Kind == diagnose.FromVault:
		return Plan{}, fmt.Errorf("%w: %s has not been fetched; `salvor recover` and `salvor plan` fetch it first", ErrNoCandidate, source.ID)
	case d.Scenario == diagnose.Stopped || d.Scenario == diagnose.MemberLost || d.Scenario == diagnose.Impostor, d.Scenario == diagnose.Degraded:
		b.living()
	case d.Scenario == diagnose.NoSpace:
		b.makeRoom()
	default:
		return Plan{}, fmt.Errorf("%w: no plan repairs %q", ErrRefused, d.Scenario)
	}
	if b.err != nil {
		return Plan{}, b.err
	}
	if err := b.plan.foreign(f); err != nil {
		return Plan{}, err
	}
	if err := b.plan.unwritable(d); err != nil {
		return Plan{}, err
	}
	p, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return p, p.Check()
}

// refusal says why a scenario has no plan.
func refusal(d diagnose.Diagnosis, c Choices) error {
	switch d.Scenario {
	case diagnose.Healthy:
		return ErrHealthy
	case diagnose.Degraded:
		if waiting(d) {
			return nil
		}
		return fmt.Errorf("%w: %s", ErrRefused, d.Summary)
	case diagnose.CertsExpired, diagnose.Blocked, diagnose.Rewound:
		return fmt.Errorf("%w: %s", ErrRefused, d.Summary)
	case diagnose.Unreachable:
		return fmt.Errorf("%w: %s", ErrUnseen, d.Summary)
	}
	if c.Source == "" || c.Source == "quorum" || c.Source == "disks" {
		return nil
	}
	switch d.Level.Data {
	case diagnose.DUnknown:
		if d.Scenario == diagnose.AllLost {
			return nil // what is not known is whether a better backup lies elsewhere; the candidate's doubt says so, and the operator has named it
		}
		return fmt.Errorf("%w: the members may hold different histories (D?): find out which one counts before anything is recovered from %s", ErrRefused, c.Source)
	case diagnose.D0:
		return fmt.Errorf("%w: the data is intact (D0); recovering from %s would throw acknowledged writes away", ErrRefused, c.Source)
	}
	return nil
}

// waiting tells whether a configured member is a learner, and that is all that
// is wrong with the members: it only lacks its vote.
func waiting(d diagnose.Diagnosis) bool {
	learners := 0
	for _, m := range d.Members {
		switch m.State {
		case diagnose.StateLearner:
			learners++
		case diagnose.StateServing:
		default:
			return false
		}
	}
	return learners > 0
}

// pick gives the candidate that the operator named, or the recommended one.
func pick(d diagnose.Diagnosis, c Choices) (diagnose.Candidate, error) {
	if c.Source == "" {
		if s, ok := d.Chosen(); ok {
			return s, nil
		}
		if d.Level.Data == diagnose.DUnknown {
			return diagnose.Candidate{}, fmt.Errorf("%w: %s", ErrUnseen, d.Summary)
		}
		if r, ok := d.Remains(); ok {
			return diagnose.Candidate{}, fmt.Errorf("%w; look for a backup, and only where there is none: --source %s (%s)", ErrNoCandidate, r.ID, r.Loss.Doubt)
		}
		return diagnose.Candidate{}, ErrNoCandidate
	}
	for _, s := range d.Candidates {
		if s.ID != c.Source {
			continue
		}
		if s.Integrity == diagnose.Unusable {
			return diagnose.Candidate{}, fmt.Errorf("%w: %s: %s", ErrNoCandidate, s.ID, s.Why)
		}
		return s, nil
	}
	return diagnose.Candidate{}, fmt.Errorf("no candidate is called %q: `salvor diagnose` lists them", c.Source)
}

// builder collects the steps of one plan.
type builder struct {
	facts   cluster.Facts
	diag    diagnose.Diagnosis
	choices Choices
	plan    Plan
	err     error
	// voters is how many votes the living cluster has, answering how many of
	// them are up at the point that the plan has reached.
	voters, answering int
	// restFenced are the steps that hold back what works through API servers.
	restFenced []StepID
	// only, when set, are the only hosts whose control plane is worked on.
	only map[string]bool
}

// add appends a step; its ID is the action's kind with what tells it apart.
func (b *builder) add(host, subject string, a Action, needs ...StepID) StepID {
	id := StepID(fmt.Sprintf("%s@%s", a.Kind(), subject))
	b.plan.Steps = append(b.plan.Steps, Step{ID: id, Host: host, Action: a, Needs: needs, Why: b.why(subject)})
	return id
}

// addSpare appends a step that the plan can do without.
func (b *builder) addSpare(host, subject string, a Action, needs ...StepID) StepID {
	id := b.add(host, subject, a, needs...)
	b.plan.Steps[len(b.plan.Steps)-1].Spare = true
	return id
}

// why names the findings that a step answers: those about its subject, or the
// cluster's as a whole.
func (b *builder) why(subject string) []diagnose.Code {
	var own, whole []diagnose.Code
	for _, f := range b.diag.Findings {
		if f.Severity != diagnose.Critical || len(f.CausedBy) > 0 {
			continue
		}
		whole = append(whole, f.Code)
		if f.Subject == subject {
			own = append(own, f.Code)
		}
	}
	if len(own) > 0 {
		return own
	}
	return unique(whole)
}

func unique(in []diagnose.Code) []diagnose.Code {
	var out []diagnose.Code
	seen := map[diagnose.Code]bool{}
	for _, c := range in {
		if !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}

func (b *builder) state(member string) diagnose.State {
	for _, m := range b.diag.Members {
		if m.Name == member {
			return m.State
		}
	}
	return diagnose.StateUnknown
}

// within gives the configured members in any of these states.
func (b *builder) within(states ...diagnose.State) []cluster.Member {
	var out []cluster.Member
	for _, m := range b.facts.Config.Members {
		for _, s := range states {
			if b.state(m.Name) == s {
				out = append(out, m)
			}
		}
	}
	return out
}

func (b *builder) warn(key string, args ...any) {
	b.plan.Warnings = append(b.plan.Warnings, say.New("warning."+key, args...))
}

// clientURLs are the client URLs of all configured members.
func (b *builder) clientURLs() []string {
	var out []string
	for _, m := range b.facts.Config.Members {
		out = append(out, m.ClientURLs...)
	}
	return out
}
