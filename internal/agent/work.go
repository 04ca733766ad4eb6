package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// grace is how long work may go on after its time is over, to end by itself.
const grace = time.Minute

// errHangs says that work does not end although its time is over.
var errHangs = errors.New("a backup does not end: a target or a host hangs")

// result is how work went.
type result struct {
	made Made
	err  error
}

// within does the work in Config.Limit. What does not end even then is left to
// itself, so that the turn is free for others; until it has ended, no other is
// begun here.
func (a *Agent) within(ctx context.Context, due time.Time, fence func(context.Context) (time.Time, error)) (Made, error) {
	if a.hanging != nil {
		select {
		case <-a.hanging:
			a.hanging = nil
		default:
			return Made{}, errHangs
		}
	}
	limited, cancel := context.WithTimeout(ctx, a.c.Limit)
	defer cancel()
	ended := make(chan result, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		made, err := a.c.Work.Backup(limited, due, fence)
		ended <- result{made, err}
	}()
	late := time.NewTimer(a.c.Limit + grace)
	defer late.Stop()
	select {
	case r := <-ended:
		if r.err != nil && ctx.Err() == nil && limited.Err() != nil {
			r.err = fmt.Errorf("not done within %s: %w", a.c.Limit, r.err)
		}
		return r.made, r.err
	case <-late.C:
		a.hanging = over
		return Made{}, fmt.Errorf("not done within %s: %w", a.c.Limit, errHangs)
	}
}

// work makes the backup, and remembers and tells how it went.
func (a *Agent) work(ctx context.Context, due time.Time, turn Turn) error {
	begin := a.c.Now()
	a.note(func(s *Seen) { s.Working, s.LastTry = true, begin })
	var fence func(context.Context) (time.Time, error)
	if turn != nil {
		fence = turn.Fence
	}
	made, err := a.within(ctx, due, fence)
	a.note(func(s *Seen) { s.Working = false })
	if made.Backup != "" && ctx.Err() == nil {
		a.targets(ctx, made)
	}
	id := made.Backup
	switch {
	case err == nil:
		a.succeeded(ctx, id, begin)
		return nil
	case ctx.Err() != nil: // stopped, not failed
		a.save()
	case errors.Is(err, ErrLost):
		return a.lost(ctx, due, err)
	default:
		a.failed(ctx, id, err)
	}
	return fmt.Errorf("backup failed %d times in a row: %w", a.Seen().Failures, err)
}

// lost gives way to the agent that has taken over: its backup is in the vault, or
// is waited for. That is no failure.
func (a *Agent) lost(ctx context.Context, due time.Time, err error) error {
	if !due.IsZero() {
		if done, err := a.done(ctx, due, a.c.Now()); err == nil && done {
			a.c.Log("this agent has stood still, and another has made the backup meanwhile")
			return nil
		}
	}
	return a.taken(ctx, due, err)
}

func (a *Agent) failed(ctx context.Context, id string, err error) {
	var event Event
	now := a.c.Now()
	told, shared := a.told(ctx)
	a.note(func(s *Seen) {
		s.Failures, s.LastError, s.LastFailure = s.Failures+1, err.Error(), now
		if shared && !s.Alone {
			s.Notified = told.Failing
		}
		if !s.Notified {
			event = a.event("failure", err.Error(), s.Failures, id)
		}
	})
	a.tell(ctx, event)
	if a.Seen().Notified {
		seen := shared && (told.Failing || a.share(ctx, func(t *Told) { t.Failing = true }))
		a.note(func(s *Seen) { s.Alone = !seen && (s.Alone || event.Event != "") })
	}
	a.save()
}

func (a *Agent) succeeded(ctx context.Context, id string, begin time.Time) {
	now := a.c.Now()
	a.recovered(ctx, id)
	a.note(func(s *Seen) {
		s.LastSuccess, s.LastBackup, s.Took = now, id, now.Sub(begin)
		s.Newest, s.Looked = now, now
	})
	a.save()
	a.c.Log("backup %s is made, in %s", id, now.Sub(begin).Round(time.Second))
}

// recovered forgets the failures, and tells of the recovery whom was told of
// them: backups work again, whichever agent makes them.
func (a *Agent) recovered(ctx context.Context, id string) {
	var event Event
	told, shared := a.told(ctx)
	a.note(func(s *Seen) {
		if shared && !s.Alone {
			s.Notified = told.Failing // another may have told of either
		}
		if s.Notified {
			event = a.event("recovery", "backups work again", s.Failures, id)
		}
		s.Failures, s.LastError = 0, ""
	})
	a.tell(ctx, event)
	if a.Seen().Notified {
		return
	}
	a.note(func(s *Seen) { s.Alone = false })
	if told.Failing {
		a.share(ctx, func(t *Told) { t.Failing = false })
	}
}

func (a *Agent) save() {
	if err := a.c.State.Save(a.Seen().Remembered); err != nil {
		a.c.Log("what happened is not remembered: %v", err)
	}
}

func (a *Agent) event(kind, text string, failures int, id string) Event {
	return Event{Event: kind, Cluster: a.c.Cluster, Agent: a.c.Who, At: a.c.Now().UTC(), Text: text, Failures: failures, Backup: id}
}

// tell notifies, if there is something to tell; what was not told is told with
// the next round.
func (a *Agent) tell(ctx context.Context, e Event) {
	if e.Event != "" && a.send(ctx, e) {
		a.note(func(s *Seen) { s.Notified = e.Event == "failure" })
	}
}

// send notifies, and says whether somebody was told.
func (a *Agent) send(ctx context.Context, e Event) bool {
	if a.c.Notify == nil {
		return false
	}
	if err := a.c.Notify(ctx, e); err != nil {
		a.c.Log("nobody could be told of the %s: %v", e.Event, err)
		return false
	}
	return true
}
