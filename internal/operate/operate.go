package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/plan"
)

// State tells whether an action has been carried out.
type State string

// The states.
const (
	// No: Do has to be called.
	No State = "no"
	// Yes: there is nothing left to do.
	Yes State = "yes"
	// Unsure: what was found fits neither; a person has to look. The error or
	// the note in the result says at what.
	Unsure State = "unsure"
)

// Env is what an action needs to know of its surroundings.
type Env struct {
	Config cluster.Config
	// Host is the name of this machine in Config.
	Host string
	// CaseDir is the case's folder on this machine.
	CaseDir string
}

// Progress is told how far a long action is; unit is "bytes" or "entries".
type Progress func(done, total int64, unit string)

// Done looks whether an action has happened, without changing anything. With
// Yes comes the result that Do would have given, as far as it can still be
// known; with Unsure a note, or the error that stood in the way.
func Done(ctx context.Context, env Env, a plan.Action) (State, json.RawMessage, error) {
	state, result, err := env.done(ctx, a)
	if err != nil {
		return Unsure, nil, fmt.Errorf("look whether %s is done: %w", a.Kind(), err)
	}
	raw, err := encode(result)
	return state, raw, err
}

func (env Env) done(ctx context.Context, a plan.Action) (State, any, error) {
	switch a := a.(type) {
	case plan.StopMember:
		return env.stopDone(ctx, a)
	case plan.StartMember:
		return env.startDone(ctx, a)
	case plan.Salvage:
		return salvageDone(ctx, a)
	case plan.CheckImage, plan.Canary, plan.AwaitAPI, plan.RestartKubelet, plan.AwaitNodes, plan.AwaitBalancer:
		return No, nil, nil // cheap to repeat, and true only at the time
	case plan.FenceComponent:
		return env.fenceDone(ctx, a)
	case plan.ReleaseComponent:
		return env.releaseDone(ctx, a)
	case plan.BuildMember:
		return env.buildDone(ctx, a)
	case plan.SetAside:
		return env.asideDone(a)
	case plan.PutInPlace:
		return placeDone(a)
	case plan.AwaitQuorum:
		return env.quorumDone(ctx, a)
	case plan.SaveSnapshot:
		return snapshotDone(ctx, a)
	case plan.RemoveMember:
		return env.removeDone(ctx, a)
	case plan.AddLearner:
		return env.learnerDone(ctx, a)
	case plan.PromoteLearner:
		return env.promoteDone(ctx, a)
	case plan.Compact:
		return env.compactDone(ctx, a)
	case plan.Defragment:
		return env.defragmentDone(ctx, a)
	case plan.DisarmAlarm:
		return env.disarmDone(ctx, a)
	case plan.Discard:
		return discardDone(a)
	case plan.CopyFiles: // carried out by run, between two hosts
		return Unsure, nil, unknown(a)
	}
	return Unsure, nil, unknown(a)
}

// Do carries an action out and gives its result as JSON. Repeating it is
// harmless. progress may be nil.
func Do(ctx context.Context, env Env, a plan.Action, progress Progress) (json.RawMessage, error) {
	if progress == nil {
		progress = func(int64, int64, string) {}
	}
	result, err := env.do(ctx, a, progress)
	if err != nil {
		return nil, err
	}
	return encode(result)
}

func (env Env) do(ctx context.Context, a plan.Action, progress Progress) (any, error) {
	bytes := func(done, total int64) { progress(done, total, "bytes") }
	switch a := a.(type) {
	case plan.StopMember:
		return env.stop(ctx, a)
	case plan.StartMember:
		return env.start(ctx, a)
	case plan.Salvage:
		return salvage(ctx, a, bytes)
	case plan.CheckImage:
		return checkImage(ctx, a)
	case plan.BuildMember:
		return env.build(ctx, a, bytes)
	case plan.SetAside:
		return env.setAside(ctx, a)
	case plan.PutInPlace:
		return env.putInPlace(ctx, a)
	case plan.AwaitQuorum:
		return env.awaitQuorum(ctx, a)
	case plan.SaveSnapshot:
		return env.saveSnapshot(ctx, a, bytes)
	case plan.RemoveMember:
		return env.remove(ctx, a)
	case plan.AddLearner:
		return env.addLearner(ctx, a)
	case plan.PromoteLearner:
		return env.promote(ctx, a, progress)
	case plan.Compact:
		return env.compact(ctx, a)
	case plan.Defragment:
		return env.defragment(ctx, a)
	case plan.DisarmAlarm:
		return env.disarm(ctx, a)
	case plan.Canary:
		return env.canary(ctx, a)
	case plan.Discard:
		return discard(a)
	case plan.FenceComponent, plan.ReleaseComponent, plan.AwaitAPI, plan.RestartKubelet, plan.AwaitNodes, plan.AwaitBalancer:
		return env.control(ctx, a, progress)
	case plan.CopyFiles: // carried out by run, between two hosts
		return nil, unknown(a)
	}
	return nil, unknown(a)
}

// control carries out what concerns the control plane that stands on etcd.
func (env Env) control(ctx context.Context, a plan.Action, progress Progress) (any, error) {
	switch a := a.(type) {
	case plan.FenceComponent:
		return env.fence(ctx, a)
	case plan.ReleaseComponent:
		return env.release(ctx, a)
	case plan.AwaitAPI:
		return env.awaitAPI(ctx, a)
	case plan.RestartKubelet:
		return env.restartKubelet(ctx)
	case plan.AwaitNodes:
		return env.awaitNodes(ctx, a, progress)
	case plan.AwaitBalancer:
		return env.awaitBalancer(ctx, a)
	default:
		return nil, unknown(a)
	}
}

func unknown(a plan.Action) error {
	if a.Kind() == plan.KindCopyFiles {
		return errors.New("copy files: two machines take part in it, so that the coordinator does it, not one of them")
	}
	return fmt.Errorf("action %s is not known to this version of salvor", a.Kind())
}

// note is the result of an action that had nothing, or nothing more, to do.
type note struct {
	Note string `json:"note"`
}

func encode(result any) (json.RawMessage, error) {
	if result == nil {
		return nil, nil
	}
	b, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("write result: %w", err)
	}
	return b, nil
}

// member finds a configured member. One that Salvor starts and that names no
// log gets one below the host's state folder.
func (env Env) member(name string) (cluster.Member, error) {
	m, ok := env.Config.Member(name)
	if !ok {
		return m, fmt.Errorf("member %s is not in the configuration", name)
	}
	if p := m.Run.Process; p != nil && p.Log == "" {
		h, _ := env.Config.Host(m.Host)
		own := *p
		own.Log = filepath.Join(h.State(), "log", m.Name+".log")
		m.Run.Process = &own
	}
	return m, nil
}

// here finds a configured member of this host.
func (env Env) here(name string) (cluster.Member, error) {
	m, err := env.member(name)
	if err == nil && m.Host != env.Host {
		return m, fmt.Errorf("member %s lives on host %s, this is %s", name, m.Host, env.Host)
	}
	return m, err
}
