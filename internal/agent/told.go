package agent

import (
	"context"
	"maps"
)

// Told is what somebody was told of and the recovery from which nobody was told
// of yet. The agents of a cluster share it, so that each thing is told once,
// whichever of them sees it.
type Told struct {
	Failing bool               `json:"failing"` // that backups fail
	Targets map[string]Trouble `json:"targets,omitempty"`
}

// told reads what the agents share; ok is false where that cannot be had, and
// then an agent goes by its own memory: better told again than not at all.
func (a *Agent) told(ctx context.Context) (t Told, ok bool) {
	if a.c.ReadTold == nil {
		return Told{}, false
	}
	t, err := a.c.ReadTold(ctx)
	if err != nil {
		a.c.Log("what other agents have told is not known, and may be told again: %v", err)
	}
	return t, err == nil
}

// share changes what the agents share. Who has the turn changes it, one at a
// time. It tells whether they see it.
func (a *Agent) share(ctx context.Context, change func(*Told)) bool {
	t, ok := a.told(ctx)
	if !ok {
		return false
	}
	t.Targets = maps.Clone(t.Targets)
	change(&t)
	if err := a.c.WriteTold(ctx, t); err != nil {
		a.c.Log("other agents do not hear what was told, and may tell it again: %v", err)
		return false
	}
	return true
}
