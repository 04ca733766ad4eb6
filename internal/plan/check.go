package plan

import (
	"fmt"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// Check refuses an unsafe plan: a step that needs what does not come before
// it, a folder that is moved before its successor has been built, two changes
// of a living cluster side by side.
func (p Plan) Check() error {
	before := map[StepID]map[StepID]bool{}
	for _, s := range p.Steps {
		if _, twice := before[s.ID]; twice {
			return fmt.Errorf("check plan: two steps are called %s", s.ID)
		}
		if _, ok := p.Config.Host(s.Host); !ok {
			return fmt.Errorf("check plan: step %s works on host %q, which salvor.yaml does not name", s.ID, s.Host)
		}
		all := map[StepID]bool{}
		for _, n := range s.Needs {
			done, ok := before[n]
			if !ok {
				return fmt.Errorf("check plan: step %s needs %s, which does not come before it", s.ID, n)
			}
			all[n] = true
			for d := range done {
				all[d] = true
			}
		}
		before[s.ID] = all
	}
	for _, rule := range []func(map[StepID]map[StepID]bool) error{p.checkAside, p.checkSerial, p.checkStopped, p.checkFenced, p.checkReleased} {
		if err := rule(before); err != nil {
			return err
		}
	}
	return p.checkNames()
}

// checkAside demands that whatever replaces a data dir is ready before the
// data dir is moved.
func (p Plan) checkAside(before map[StepID]map[StepID]bool) error {
	for _, s := range p.Steps {
		if _, ok := s.Action.(SetAside); !ok || p.Undoes != "" {
			continue
		}
		for _, b := range p.Steps {
			if _, ok := b.Action.(BuildMember); ok && !before[s.ID][b.ID] {
				return fmt.Errorf("check plan: %s would move data before %s is done", s.ID, b.ID)
			}
		}
	}
	return nil
}

// checkSerial demands that changes to a living cluster come one at a time.
func (p Plan) checkSerial(before map[StepID]map[StepID]bool) error {
	var last *Step
	for i, s := range p.Steps {
		switch s.Action.(type) {
		case RemoveMember, AddLearner, PromoteLearner, Defragment, Compact:
		default:
			continue
		}
		if last != nil && !before[s.ID][last.ID] {
			return fmt.Errorf("check plan: %s and %s would change a living cluster at the same time", last.ID, s.ID)
		}
		last = &p.Steps[i]
	}
	return nil
}

// checkStopped demands that the files of a member are neither read for salvage
// nor moved while its process may run.
func (p Plan) checkStopped(before map[StepID]map[StepID]bool) error {
	for _, s := range p.Steps {
		switch s.Action.(type) {
		case Salvage, SetAside:
		default:
			continue
		}
		stopped := false
		for id := range before[s.ID] {
			if b, ok := p.Step(id); ok && b.Action.Kind() == KindStopMember {
				stopped = true
			}
		}
		if !stopped {
			return fmt.Errorf("check plan: %s works on files of members that were not stopped before", s.ID)
		}
	}
	return nil
}

// checkNames demands that no two steps set something aside under one name and
// that a plan that loses data says so.
func (p Plan) checkNames() error {
	to := map[string]StepID{}
	for _, s := range p.Steps {
		a, ok := s.Action.(SetAside)
		if !ok {
			continue
		}
		key := s.Host + ":" + a.To
		if other, twice := to[key]; twice {
			return fmt.Errorf("check plan: %s and %s set two folders aside as %s", other, s.ID, a.To)
		}
		to[key] = s.ID
	}
	if p.Source.Kind == diagnose.FromSnapshot && p.Loss.None() && !p.Source.Loss.None() {
		return fmt.Errorf("check plan: the plan hides the loss of its source %s", p.Source.ID)
	}
	return nil
}
