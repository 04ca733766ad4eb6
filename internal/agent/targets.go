package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Made is a backup, and the targets that should have a copy of it and have
// none, each with the reason.
type Made struct {
	Backup  string
	Lacking map[string]string
}

// Trouble is a target that lacks the newest backup.
type Trouble struct {
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
	Notified bool      `json:"notified"`
	Alone    bool      `json:"alone,omitempty"` // told, and the other agents could not see that
}

// targets remembers which targets lack a backup, and tells of each of them
// once, and of its recovery. A backup that exists is no failure: nobody looks
// for a copy that is missing for weeks unless he is told.
func (a *Agent) targets(ctx context.Context, m Made) {
	next := map[string]Trouble{}
	told, shared := a.told(ctx)
	before := before(a.Seen().Targets, told.Targets, shared)
	for _, name := range slices.Sorted(maps.Keys(m.Lacking)) {
		t, known := before[name]
		if !known {
			t.Since = a.c.Now().UTC()
		}
		t.Why = m.Lacking[name]
		if !t.Notified {
			t.Alone = !shared
			t.Notified = a.send(ctx, a.targetEvent("target-failure", name, m.Backup, fmt.Sprintf("backup %s has no copy on target %s: %s", m.Backup, name, t.Why)))
		}
		next[name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		t := before[name]
		if _, still := next[name]; still || !t.Notified {
			continue
		}
		since := t.Since.Format(time.RFC3339)
		if !a.send(ctx, a.targetEvent("target-recovery", name, m.Backup, fmt.Sprintf("target %s has copies again, after trouble since %s", name, since))) {
			next[name] = t // told next time
		}
	}
	if shared && len(before)+len(next) > 0 {
		seen := a.share(ctx, func(t *Told) { t.Targets = marked(next, false) })
		next = marked(next, !seen)
	}
	a.note(func(s *Seen) { s.Targets = next })
}

// before is what was told before, by whichever agent: what all share, and what
// this one has told while that could not be had.
func before(own, told map[string]Trouble, shared bool) map[string]Trouble {
	if !shared {
		return own
	}
	all := maps.Clone(told)
	if all == nil {
		all = map[string]Trouble{}
	}
	for name, t := range own {
		if _, known := all[name]; !known && t.Alone {
			all[name] = t
		}
	}
	return all
}

// marked are troubles that all agents see, or that only this one has told.
func marked(all map[string]Trouble, alone bool) map[string]Trouble {
	out := map[string]Trouble{}
	for name, t := range all {
		t.Alone = alone
		out[name] = t
	}
	return out
}

func (a *Agent) targetEvent(kind, target, id, text string) Event {
	e := a.event(kind, text, 0, id)
	e.Target = target
	return e
}

// lookAtTargets looks again for what targets lacked, when another agent has made
// the newest backup.
func (a *Agent) lookAtTargets(ctx context.Context) {
	known := a.Seen().Targets
	if len(known) == 0 {
		return
	}
	alone := slices.ContainsFunc(slices.Collect(maps.Values(known)), func(t Trouble) bool { return t.Alone })
	if told, shared := a.told(ctx); shared && !alone { // the agent that has made it tells
		a.note(func(s *Seen) { s.Targets = told.Targets })
		a.save()
		return
	}
	m, err := a.c.Work.Lacking(ctx)
	if err != nil {
		a.c.Log("which targets lack a copy is not known: %v", err)
		return
	}
	// What is new is told by the agent that has made the backup.
	maps.DeleteFunc(m.Lacking, func(name, _ string) bool { _, is := known[name]; return !is })
	a.targets(ctx, m)
	a.save()
}
