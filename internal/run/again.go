package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
)

// errRanAgain is returned on a resume that finds a member running whose files
// were read already: an older image must not replace what it has taken since.
var errRanAgain = errors.New("the member ran again after its files were read, and may have taken writes that the image lacks")

// still asks again whether what was stopped or held back is so still: a machine
// that was started anew since may have brought it back. What came back is
// stopped again, unless its files were read and might be replaced by less than
// what they hold now. What the plan has itself begun to start is left alone.
func (r *Runner) still(ctx context.Context, begun, done map[plan.StepID]bool) error {
	var back, risky []plan.Step
	for _, s := range r.plan.Steps {
		if _, away := r.away[s.Host]; !done[s.ID] || away || r.over(s, begun, done) {
			continue
		}
		state, _, err := r.done(ctx, s)
		switch {
		case err != nil:
			return r.stopped(s, fmt.Errorf("ask whether %s still holds: %w", s.ID, err))
		case state == operate.Yes:
			continue
		}
		back = append(back, s)
		if s.Action.Kind() == plan.KindStopMember && r.readAfter(s.ID, done) != "" && !r.allDone(s, done, plan.KindSetAside) {
			risky = append(risky, s)
		}
	}
	// Beside a rebuilt cluster that was started, old members can have taken
	// writes only as a quorum.
	if len(risky) > 0 && (!r.started(begun) || len(risky) > len(r.plan.Config.Members)/2) {
		s := risky[0]
		return &Stopped{Case: r.Case.Dir, Step: s.ID, Host: s.Host, Undo: r.plan.Undoes != "",
			Err: fmt.Errorf("%w (%s has read them)", errRanAgain, r.readAfter(s.ID, done)),
			advice: fmt.Sprintf("its files were not replaced: `salvor rollback %s` goes back to what there was, then `salvor recover` looks again at what there is now",
				r.Case.Dir)}
	}
	for _, s := range back {
		delete(done, s.ID)
	}
	r.upheld(ctx, begun, done)
	return nil
}

// upheld asks again whether what the plan has started still runs: a member may
// have died since, or its machine been started anew. What does not is started
// again, and waited for. What cannot be told is asked once more by the step
// itself, which knows whether the plan can do without the answer.
func (r *Runner) upheld(ctx context.Context, begun, done map[plan.StepID]bool) {
	for _, s := range r.plan.Steps {
		if _, away := r.away[s.Host]; !done[s.ID] || away || r.endedLater(s, begun) {
			continue
		}
		switch s.Action.Kind() {
		case plan.KindStartMember, plan.KindReleaseComponent:
		default:
			continue
		}
		if state, _, err := r.done(ctx, s); err == nil && state == operate.Yes {
			continue
		}
		delete(done, s.ID)
		for _, x := range r.plan.Steps {
			if waitsFor(x, s) {
				delete(done, x.ID)
			}
		}
	}
}

// waitsFor tells whether a step only waits for what another one starts.
func waitsFor(x, start plan.Step) bool {
	switch a := start.Action.(type) {
	case plan.StartMember:
		return x.Action.Kind() == plan.KindAwaitQuorum
	case plan.ReleaseComponent:
		return a.Role == cluster.RoleAPIServer && x.Action.Kind() == plan.KindAwaitAPI && x.Host == start.Host
	default:
		return false
	}
}

// endedLater tells whether the plan itself has begun to stop what a step has
// started.
func (r *Runner) endedLater(start plan.Step, begun map[plan.StepID]bool) bool {
	a, ok := start.Action.(plan.StartMember)
	later := false
	for _, x := range r.plan.Steps {
		switch {
		case x.ID == start.ID:
			later = true
		case ok && later && begun[x.ID] && x.Action == plan.Action(plan.StopMember{Member: a.Member}):
			return true
		}
	}
	return false
}

// started tells whether the plan has begun to start any member.
func (r *Runner) started(begun map[plan.StepID]bool) bool {
	return slices.ContainsFunc(r.plan.Steps, func(s plan.Step) bool { return begun[s.ID] && s.Action.Kind() == plan.KindStartMember })
}

// over tells that a step has not to hold any more, or is none that must hold:
// what it stopped is started by the plan since, or runs on what was put in its
// place.
func (r *Runner) over(s plan.Step, begun, done map[plan.StepID]bool) bool {
	for _, x := range r.plan.Steps {
		if !begun[x.ID] {
			continue
		}
		switch a := x.Action.(type) {
		case plan.StartMember:
			if s.Action == plan.Action(plan.StopMember{Member: a.Member}) {
				return true
			}
		case plan.ReleaseComponent:
			if x.Host == s.Host && s.Action == plan.Action(plan.FenceComponent(a)) {
				return true
			}
		default:
		}
	}
	switch s.Action.(type) {
	case plan.FenceComponent:
		return false
	case plan.StopMember:
		return r.allDone(s, done, plan.KindPutInPlace)
	default:
		return true
	}
}

// allDone tells whether all steps of a kind on the folders of the member that a
// step stops are done, if there are any.
func (r *Runner) allDone(stop plan.Step, done map[plan.StepID]bool, kind plan.Kind) bool {
	a, ok := stop.Action.(plan.StopMember)
	if !ok {
		return false
	}
	m, ok := r.plan.Config.Member(a.Member)
	some, all := false, ok
	for _, x := range r.plan.Steps {
		if x.Host == m.Host && x.Action.Kind() == kind && slices.Contains([]string{m.DataDir, filepath.Join(m.DataDir, "member"), m.WALDir}, live(x.Action)) {
			some, all = true, all && done[x.ID]
		}
	}
	return some && all
}

// live is the place of a member's folder that an action empties or fills.
func live(a plan.Action) string {
	switch a := a.(type) {
	case plan.SetAside:
		return a.From
	case plan.PutInPlace:
		return a.To
	default:
		return "-"
	}
}

// readAfter gives a step that is done and has read what a member's stop made
// safe to read; empty when there is none.
func (r *Runner) readAfter(stop plan.StepID, done map[plan.StepID]bool) plan.StepID {
	after := map[plan.StepID]bool{stop: true}
	for _, s := range r.plan.Steps {
		if !slices.ContainsFunc(s.Needs, func(n plan.StepID) bool { return after[n] }) {
			continue
		}
		after[s.ID] = true
		switch s.Action.Kind() {
		case plan.KindSalvage, plan.KindBuildMember, plan.KindCopyFiles:
			if done[s.ID] {
				return s.ID
			}
		default:
		}
	}
	return ""
}
