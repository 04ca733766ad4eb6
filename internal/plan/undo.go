package plan

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
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
	// exist, so that there is nothing to put back; or to stop what did not run.
	EffectNothingThere Effect = "nothing-there"
	// EffectEmpty: the step has set a folder aside in which there is no file.
	EffectEmpty Effect = "empty"
)

// Rollback makes the plan that puts every folder back that p has set aside,
// and starts again what p has stopped. Effects tells which steps of p have had
// their effect, asked of the hosts, not of the journal alone. Only members and
// API servers on hosts where p stops, moves or starts something, and that the
// facts show as reached, are worked on: what serves beside them serves on.
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
	if b.only = p.disturbed(); len(b.only) == 0 {
		return Plan{}, fmt.Errorf("case %s %w: it stops, moves and holds back nothing", p.Case, ErrNoWayBack)
	}
	members := b.undoable(p)
	if len(members) == 0 {
		return Plan{}, fmt.Errorf("roll %s back: none of the machines that it has worked on can be reached", p.Case)
	}
	stops := b.stopAll(members, b.fence()...)
	back := stops
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := p.Steps[i]
		if a, ok := s.Action.(SetAside); ok && effects[s.ID] != EffectNone && b.reached(s.Host) {
			back = append(back, b.putBack(s, a, effects[s.ID], stops))
		}
	}
	returning := b.returning(p, members, effects)
	tried := slices.Concat(back, b.restFenced, b.startInTurn(returning, back, ""))
	b.restoreManifests(p.Case)
	b.letLoose(members, returning, tried)
	// What the old files can do is not known: nobody waits for an API that they
	// may be unable to serve, and none stays held back for a member that does
	// not start.
	for _, n := range b.nodes() {
		for _, r := range cluster.Roles() {
			if n.Component(r) != (cluster.Component{}) {
				b.addSpare(n.Host, string(r)+"."+n.Host, ReleaseComponent{Role: r}, tried...)
			}
		}
	}
	sealed, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return sealed, sealed.Check()
}

// disturbed are the hosts where a plan stops, moves or starts anything of etcd,
// or holds anything back.
func (p Plan) disturbed() map[string]bool {
	out := map[string]bool{}
	for _, s := range p.Steps {
		switch s.Action.Kind() {
		case KindFenceComponent, KindStopMember, KindSetAside, KindPutInPlace, KindStartMember:
			out[s.Host] = true
		default:
		}
	}
	return out
}

// restoreManifests has the members start with the manifests that they had before
// the undone case.
func (b *builder) restoreManifests(of string) {
	for i, s := range b.plan.Steps {
		a, ok := s.Action.(StartMember)
		if m, known := b.facts.Config.Member(a.Member); ok && known && m.Run.StaticPod != "" {
			a.Original = of
			b.plan.Steps[i].Action = a
		}
	}
}

// letLoose holds units back no longer whose members are not started again: who
// looks after the machine decides. A static pod stays out of the kubelet's
// folder: the kubelet would start it at once.
func (b *builder) letLoose(members, returning []cluster.Member, needs []StepID) {
	for _, m := range members {
		if m.Run.Systemd != "" && !slices.ContainsFunc(returning, func(r cluster.Member) bool { return r.Name == m.Name }) {
			b.addSpare(m.Host, m.Name+"-loose", StopMember{Member: m.Name, Loose: true}, needs...)
		}
	}
}

func (b *builder) reached(host string) bool {
	h, ok := b.facts.Host(host)
	return ok && h.Reached.OK
}

// undoable gives the members whose machine the undone plan touches and that can
// be reached; those of its machines that cannot stay as they are.
func (b *builder) undoable(p Plan) []cluster.Member {
	var out []cluster.Member
	for _, m := range p.Config.Members {
		switch {
		case !b.only[m.Host]:
		case b.reached(m.Host):
			out = append(out, m)
		default:
			b.warn("undo-left-out", m.Name, m.Host)
		}
	}
	return out
}

// returning gives the members that are started again: that ran, or that
// something would have started again had the undone plan not stopped it, as the
// kubelet does a static pod between two crashes. One whose data was gone stays
// stopped: it would make itself an empty cluster.
func (b *builder) returning(p Plan, members []cluster.Member, effects map[StepID]Effect) []cluster.Member {
	var out []cluster.Member
	for _, m := range members {
		process := b.memberFacts(m.Name).Process.Value
		had := effects[StepID(string(KindStopMember)+"@"+m.Name)]
		ran := process.Running
		switch {
		case m.Run.StaticPod != "":
			// Without an effect the rollback itself is what stops it.
			ran = ran || had != EffectNothingThere
		case m.Run.Systemd != "":
			ran = ran || had == EffectHad || process.Unit == "activating"
		}
		switch {
		case lostData(p, m, effects):
			if ran {
				b.warn("undo-no-data", m.Name, m.DataDir, m.Host)
			}
		case ran:
			out = append(out, m)
		}
	}
	return out
}

// lostData tells whether the undone plan has found no data dir of a member, or
// an empty one.
func lostData(p Plan, m cluster.Member, effects map[StepID]Effect) bool {
	for _, s := range p.Steps {
		a, ok := s.Action.(SetAside)
		if ok && s.Host == m.Host && (a.From == m.DataDir || a.From == filepath.Join(m.DataDir, "member")) {
			return effects[s.ID] == EffectNothingThere || effects[s.ID] == EffectEmpty
		}
	}
	return false
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

// FetchedDir is the folder, in a host's state folder, that holds one folder per
// case for the backup that was fetched for it.
const FetchedDir = "fetched"

// brought tells a file that was fetched for the case from one that was there.
func brought(path, caseName string) bool {
	dir := filepath.Dir(path)
	return caseName != "" && filepath.Base(dir) == caseName && filepath.Base(filepath.Dir(dir)) == FetchedDir
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
		case CheckImage:
			if brought(a.Path, p.Case) {
				discard(s.Host, subject, filepath.Dir(a.Path))
			}
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

// Forget makes the plan that removes what was fetched for a case that has done
// nothing: at names the folder on each host. The backup itself lies in the vault.
// Unlike all others such a plan has no basis.
func Forget(cfg cluster.Config, caseName string, s diagnose.Scenario, at map[string]string, c Choices) (Plan, error) {
	b := &builder{facts: cluster.Facts{Config: cfg}, choices: Choices{Case: caseName},
		plan: Plan{Case: c.Case, Undoes: caseName, Scenario: s, Config: cfg,
			Loss: diagnose.Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}}}
	for _, host := range slices.Sorted(maps.Keys(at)) {
		if !brought(filepath.Join(at[host], "file"), caseName) {
			return Plan{}, fmt.Errorf("forget what was fetched: %s on %s was not fetched for case %s", at[host], host, caseName)
		}
		b.add(host, host+"-fetched", Discard{Path: at[host], Case: caseName})
	}
	sealed, err := b.plan.seal()
	if err != nil {
		return Plan{}, err
	}
	return sealed, sealed.Check()
}
