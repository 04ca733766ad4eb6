package plan

import (
	"errors"
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// ErrNoWayBack is returned when a plan has changed a living cluster: its
// members have agreed on that, and putting files back would not undo it.
var ErrNoWayBack = errors.New("cannot be rolled back")

// Rollback makes the plan that puts every folder back that p has set aside,
// and starts what ran before. Effects tells which steps of p have had their
// effect, asked of the hosts, not of the journal alone.
func Rollback(p Plan, f cluster.Facts, effects map[StepID]bool, c Choices) (Plan, error) {
	for _, s := range p.Steps {
		if effects[s.ID] && s.Action.Risk() == RiskHigh {
			return Plan{}, fmt.Errorf("case %s %w: step %s has changed the living cluster", p.Case, ErrNoWayBack, s.ID)
		}
	}
	b := &builder{facts: f, choices: c, plan: Plan{Case: c.Case, Undoes: p.Case, Scenario: p.Scenario, Config: p.Config, Basis: p.ID,
		Loss: diagnose.Loss{Revisions: cluster.Unknown[int64]("writes since the recovery, if there were any, are set aside with the data dirs that hold them")}}}
	if !anyStarted(p, effects) {
		b.plan.Loss = diagnose.Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}
	}
	var stops []StepID
	for _, m := range p.Config.Members {
		stops = append(stops, b.add(m.Host, m.Name, StopMember{Member: m.Name}))
	}
	back := stops
	for i := len(p.Steps) - 1; i >= 0; i-- {
		if a, ok := p.Steps[i].Action.(SetAside); ok && effects[p.Steps[i].ID] {
			back = append(back, b.putBack(p.Steps[i], a, stops))
		}
	}
	for _, m := range p.Config.Members {
		if mf, ok := f.Member(m.Name); ok && mf.Process.OK && mf.Process.Value.Running {
			b.add(m.Host, m.Name, StartMember{Member: m.Name}, back...)
		}
	}
	sealed, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return sealed, sealed.Check()
}

func anyStarted(p Plan, effects map[StepID]bool) bool {
	for _, s := range p.Steps {
		if s.Action.Kind() == KindPutInPlace && effects[s.ID] {
			return true
		}
	}
	return false
}

// putBack moves what stands in a folder's place aside and the folder back.
func (b *builder) putBack(s Step, a SetAside, stops []StepID) StepID {
	subject := string(s.ID)[len(KindSetAside)+1:]
	away := b.add(s.Host, subject, SetAside{From: a.From, To: a.To + ".undone"}, stops...)
	return b.add(s.Host, subject, PutInPlace{From: a.To, To: a.From}, away)
}

// Cleanup makes the plan that removes what p has left behind: the folders that
// were set aside, and the images in the case folders. DANGER: afterwards there
// is no way back; only a case with a passed verdict may come here.
func Cleanup(p Plan, c Choices) (Plan, error) {
	b := &builder{facts: cluster.Facts{Config: p.Config}, choices: Choices{Case: p.Case},
		plan: Plan{Case: c.Case, Undoes: p.Case, Scenario: p.Scenario, Config: p.Config, Basis: p.ID,
			Loss: diagnose.Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}}}
	discard := func(host, subject, path string) {
		b.add(host, subject, Discard{Path: path, Case: p.Case})
	}
	for _, s := range p.Steps {
		subject := string(s.ID)
		switch a := s.Action.(type) {
		case SetAside:
			discard(s.Host, subject, a.To)
		case Salvage:
			discard(s.Host, subject, a.Out)
		case CopyFiles:
			discard(s.Host, subject, a.To)
		case SaveSnapshot:
			discard(s.Host, subject, a.Out)
		case BuildMember:
			discard(s.Host, subject, a.Dir)
		}
	}
	sealed, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return sealed, sealed.Check()
}
