// Package agent is the schedule of backups: when one is due, which of several
// agents makes it, what is tried again and when, and who is told. What a backup
// is, is handed in. What counts as done is what lies in the vault, not what an
// agent remembers, so that agents need not agree on anything but the turn.
package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cron"
)

// Work is what an agent does.
type Work interface {
	// Newest gives when the newest backup was made that is done: proven, where
	// this agent can prove, and not from the future; zero if there is none.
	Newest(ctx context.Context) (time.Time, error)
	// Backup makes a backup, proves it, and looks after the vault; if one was
	// made since due and never tried, it proves that one instead (due zero: it
	// makes one). Fence says whether it may still begin to exist; it may be nil.
	// What was made is given with an error too, as when its proof has failed.
	Backup(ctx context.Context, due time.Time, fence func(context.Context) (time.Time, error)) (Made, error)
	// Lacking gives the newest backup with the targets that have no copy of it.
	Lacking(ctx context.Context) (Made, error)
}

// ErrLost is in the error of Turn.Fence when the turn is not held any more: the
// agent has stood still, and another may have taken over.
var ErrLost = errors.New("the turn to back up was lost")

// Turn is the exclusive right to make a backup.
type Turn interface {
	Fence(ctx context.Context) (until time.Time, err error)
	End(ctx context.Context) error
}

// ErrTaken is in the error of Config.Take when another agent has the turn.
var ErrTaken = errors.New("another agent is at it")

// Config is what an agent is made of.
type Config struct {
	Cluster  string // its name, for people
	Who      string // this agent
	Schedule cron.Schedule
	Jitter   time.Duration
	Work     Work
	// Take takes the turn: ErrTaken if another has it, another error if it
	// cannot be had, as without a quorum. Then the agents come one after the
	// other, by Rank, and each looks whether one before it was successful.
	Take func(ctx context.Context) (Turn, error)
	// Rank is this agent's place among all, from 0 on; Apart how long one waits
	// for the one before it.
	Rank  int
	Apart time.Duration
	// Notify tells somebody of a failure and of the recovery from it; it may be
	// nil.
	Notify func(ctx context.Context, e Event) error
	// ReadTold and WriteTold keep what the agents of a cluster have told where all
	// of them see it. Both may be nil, and may fail: then each goes by what it
	// remembers itself.
	ReadTold  func(ctx context.Context) (Told, error)
	WriteTold func(ctx context.Context, t Told) error
	State     Store
	Log       func(format string, args ...any)
	// Backoff is the first pause after a failure; it doubles up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// Limit is how long a backup with its proof may take, and how long another
	// may have the turn without a backup coming of it: 12 hours if left out.
	Limit time.Duration
	Now   func() time.Time
}

// Event is a failure of backups or of one target, or the recovery from it.
type Event struct {
	Event    string    `json:"event"` // "failure", "recovery", "target-failure" or "target-recovery"
	Cluster  string    `json:"cluster"`
	Agent    string    `json:"agent"`
	At       time.Time `json:"at"`
	Text     string    `json:"text"`
	Failures int       `json:"failures"`
	Backup   string    `json:"backup,omitempty"`
	Target   string    `json:"target,omitempty"` // of the last two
}

// Agent makes backups when they are due.
type Agent struct {
	c       Config
	hanging chan struct{} // closed when what did not end in time has ended; nil: nothing hangs

	mu   sync.Mutex
	seen Seen
}

// Seen is what an agent knows of itself.
type Seen struct {
	Remembered
	Due     time.Time // the last due time
	Next    time.Time // when it acts next
	Working bool
	Newest  time.Time // newest backup in the vault that is done
	Taken   time.Time // since when another has the turn; zero: it has not
	Looked  time.Time // when the vault was last looked at
}

// New makes an agent; what is left out gets its default.
func New(c Config) (*Agent, error) {
	if c.Work == nil || c.State == nil {
		return nil, errors.New("make agent: work and state are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	if c.Backoff == 0 {
		c.Backoff = time.Minute
	}
	if c.MaxBackoff == 0 {
		c.MaxBackoff = time.Hour
	}
	if c.Limit == 0 {
		c.Limit = 12 * time.Hour
	}
	if c.Apart == 0 {
		c.Apart = 2 * time.Minute
	}
	r, err := c.State.Load()
	if err != nil {
		return nil, err
	}
	return &Agent{c: c, seen: Seen{Remembered: r}}, nil
}

// Seen gives what the agent knows of itself now.
func (a *Agent) Seen() Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

func (a *Agent) note(change func(*Seen)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.seen)
}

// maxSleep is how long the agent trusts the clock to go on as it did.
const maxSleep = 5 * time.Minute

// Run makes backups until ctx ends. Of those that were missed while it was
// down it makes one. It ends only with ctx.
func (a *Agent) Run(ctx context.Context) error {
	var jittered time.Time // the due time that the jitter was drawn for
	var jitter time.Duration
	for ctx.Err() == nil {
		now := a.c.Now()
		due := a.c.Schedule.Last(now)
		if !due.Equal(jittered) {
			jittered, jitter = due, a.draw()
		}
		at := a.when(ctx, due, jitter, now)
		a.note(func(s *Seen) { s.Due, s.Next = due, at })
		if wait := at.Sub(now); wait > 0 {
			if err := sleep(ctx, min(wait, maxSleep)); err != nil {
				return err
			}
			continue
		}
		if err := a.round(ctx, due); err != nil && ctx.Err() == nil {
			a.c.Log("%v", err)
		}
	}
	return ctx.Err()
}

func (a *Agent) draw() time.Duration {
	if a.c.Jitter <= 0 {
		return 0
	}
	return rand.N(a.c.Jitter)
}

// when says when to act next.
func (a *Agent) when(ctx context.Context, due time.Time, jitter time.Duration, now time.Time) time.Time {
	s := a.Seen()
	next := a.c.Schedule.Next(now)
	if done, err := a.done(ctx, due, now); err == nil && done || due.IsZero() {
		return next // its own jitter is drawn when it has come
	}
	at := due.Add(jitter)
	if s.Failures > 0 {
		if again := s.LastTry.Add(a.pause(s.Failures)); again.After(at) && !s.LastTry.After(now) {
			at = again
		}
	}
	if retry := s.Retry; retry.After(at) && retry.Sub(now) <= a.c.Backoff { // else the clock was set back
		at = retry
	}
	return at
}

// pause is how long to wait after so many failures in a row.
func (a *Agent) pause(failures int) time.Duration {
	p := a.c.Backoff
	for i := 1; i < failures && p < a.c.MaxBackoff; i++ {
		p *= 2
	}
	return min(p, a.c.MaxBackoff)
}

// done says whether the vault holds a backup of the last due time. One from
// the future does not count: a clock was set back, and waiting for it to catch
// up would leave a hole.
func (a *Agent) done(ctx context.Context, due, now time.Time) (bool, error) {
	covers := func(newest time.Time) bool { return !newest.Before(due) && !newest.After(now.Add(time.Minute)) }
	if s := a.Seen(); !s.Newest.IsZero() && covers(s.Newest) {
		return true, nil // the vault need not be asked again and again
	}
	newest, err := a.c.Work.Newest(ctx)
	if err != nil {
		return false, err
	}
	a.note(func(s *Seen) { s.Newest, s.Looked = newest, now })
	if !covers(newest) {
		return false, nil
	}
	a.note(func(s *Seen) { s.Taken = time.Time{} })
	if s := a.Seen(); s.Failures > 0 || s.Notified { // another agent was successful
		a.recovered(ctx, "")
		a.save()
	}
	a.lookAtTargets(ctx)
	return true, nil
}

// Once makes one backup now, whether one is due or not. ErrTaken says that
// another agent is at it.
func (a *Agent) Once(ctx context.Context) error { return a.round(ctx, time.Time{}) }

// round tries one backup; due zero means whatever the vault holds.
func (a *Agent) round(ctx context.Context, due time.Time) error {
	turn, err := a.take(ctx)
	if errors.Is(err, ErrTaken) {
		return a.taken(ctx, due, err)
	}
	a.note(func(s *Seen) { s.Taken = time.Time{} })
	if err != nil {
		a.c.Log("no turn is to be had, as without a quorum: %v; going on after those before us", err)
		if err := sleep(ctx, time.Duration(a.c.Rank)*a.c.Apart); err != nil {
			return err
		}
	}
	if turn != nil {
		defer func() {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := turn.End(end); err != nil {
				a.c.Log("the turn was not given back and will expire: %v", err)
			}
		}()
	}
	if !due.IsZero() {
		if done, err := a.done(ctx, due, a.c.Now()); err == nil && done {
			return nil // by another agent, meanwhile
		}
	}
	return a.work(ctx, due, turn)
}

// taken waits for the one that has the turn: its backup will be in the vault,
// or its turn will end. One that hangs and keeps its turn is a failure.
func (a *Agent) taken(ctx context.Context, due time.Time, err error) error {
	now := a.c.Now()
	since := now
	a.note(func(s *Seen) {
		s.Retry = now.Add(min(a.c.Backoff/4, 5*time.Second))
		if s.Taken.IsZero() || s.Taken.After(now) {
			s.Taken = now
		}
		since = s.Taken
	})
	if due.IsZero() || now.Sub(since) <= a.c.Limit {
		return err
	}
	err = fmt.Errorf("no backup came of it for %s: %w", now.Sub(since).Round(time.Minute), err)
	a.note(func(s *Seen) { s.LastTry = now })
	a.failed(ctx, "", err)
	return err
}

func (a *Agent) take(ctx context.Context) (Turn, error) {
	if a.c.Take == nil {
		return nil, nil
	}
	return a.c.Take(ctx)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
