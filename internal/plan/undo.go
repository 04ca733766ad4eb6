package plan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// ErrNoWayBack is returned when a plan has changed a living cluster: its
// members have agreed on that, and putting files back would not undo it.
var ErrNoWayBack = errors.New("cannot be rolled back")

// Effect is what a step of a case has brought about.
type Effect string

// The effects; a step that a map of effects does not name had none.
const (
	// EffectNone: the step has changed nothing.
	EffectNone Effect = ""
	// EffectHad: the step has happened.
	EffectHad Effect = "had"
	// EffectNothingThere: the step was to set a folder aside that did not
	// exist, so that there is nothing to put back.
	EffectNothingThere Effect = "nothing-there"
)

// Rollback makes the plan that puts every folder back that p has set aside,
// and starts what ran before. Effects tells which steps of p have had their
// effect, asked of the hosts, not of the journal alone.
func Rollback(p Plan, f cluster.Facts, effects map[StepID]Effect, c Choices) (Plan, error) {
	for _, s := range p.Steps {
		if effects[s.ID] != EffectNone && s.Action.Risk() == RiskHigh {
			return Plan{}, fmt.Errorf("case %s %w: step %s has changed the living cluster", p.Case, ErrNoWayBack, s.ID)
		}
	}
	b := &builder{facts: f, choices: c, plan: Plan{Case: c.Case, Undoes: p.Case, Scenario: p.Scenario, Config: p.Config, Basis: p.ID,
		Loss: diagnose.Loss{Revisions: cluster.Unknown[int64]("writes since the recovery, if there were any, are set aside with the data dirs that hold them")}}}
	if !anyStarted(p, effects) {
		b.plan.Loss = diagnose.Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}
	}
	var stops []StepID
	fences := b.fence()
	for _, m := range p.Config.Members {
		stops = append(stops, b.add(m.Host, m.Name, StopMember{Member: m.Name}, fences...))
	}
	back := stops
	for i := len(p.Steps) - 1; i >= 0; i-- {
		if a, ok := p.Steps[i].Action.(SetAside); ok && effects[p.Steps[i].ID] != EffectNone {
			back = append(back, b.putBack(p.Steps[i], a, effects[p.Steps[i].ID], stops))
		}
	}
	started := slices.Concat(back, b.restFenced)
	for _, m := range p.Config.Members {
		if mf, ok := f.Member(m.Name); ok && mf.Process.OK && mf.Process.Value.Running {
			started = append(started, b.add(m.Host, m.Name, StartMember{Member: m.Name}, back...))
		}
	}
	// What the old files can do is not known: nobody waits for an API that they
	// may be unable to serve.
	for _, n := range b.nodes() {
		for _, r := range cluster.Roles() {
			if n.Component(r) != (cluster.Component{}) {
				b.add(n.Host, string(r)+"."+n.Host, ReleaseComponent{Role: r}, started...)
			}
		}
	}
	sealed, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return sealed, sealed.Check()
}

func anyStarted(p Plan, effects map[StepID]Effect) bool {
	for _, s := range p.Steps {
		if s.Action.Kind() == KindPutInPlace && effects[s.ID] != EffectNone {
			return true
		}
	}
	return false
}

// putBack moves what stands in a folder's place aside and the folder, if there
// was one, back.
func (b *builder) putBack(s Step, a SetAside, e Effect, stops []StepID) StepID {
	subject := string(s.ID)[len(KindSetAside)+1:]
	away := b.add(s.Host, subject, SetAside{From: a.From, To: a.To + ".undone"}, stops...)
	if e == EffectNothingThere {
		return away
	}
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
			discard(s.Host, subject+"-report", a.Out+".json") // written by datadir.Salvage
		case CopyFiles:
			discard(s.Host, subject, a.To)
		case SaveSnapshot:
			discard(s.Host, subject, a.Out)
		case BuildMember:
			discard(s.Host, subject, a.Dir)
			discard(s.Host, subject+"-note", a.Dir+".salvor.json") // written by datadir.BuildMember
			if a.WALDir != "" {
				discard(s.Host, subject+"-wal", a.WALDir)
			}
		default: // leaves nothing behind
		}
	}
	sealed, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return sealed, sealed.Check()
}
