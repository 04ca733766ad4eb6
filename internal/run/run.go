package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// Runner carries out one plan.
type Runner struct {
	Fleet *remote.Fleet
	Case  casefile.Folder
	// By is who runs: user@machine.
	By string
	// Accepted is what the operator agreed to; it is journaled once the locks
	// are held. Empty on a resume, whose journal has it already.
	Accepted string
	// Recheck looks again and refuses a plan that no longer holds. It is asked
	// with the locks held, as long as no step has touched anything; may be nil.
	Recheck func(context.Context) error
	// Watch is told what happens, for a person to see; may be nil. It is
	// called from several goroutines.
	Watch func(Update)
	// At is called at every boundary of a step; tests use it to kill the
	// process there. May be nil.
	At func(Point, plan.StepID)

	plan    plan.Plan
	journal *ledger
	// away are the hosts that cannot be reached and that the run goes on
	// without, gone the steps, each with the reason.
	away map[string]error
	gone map[plan.StepID]error
}

// Point is a boundary within a step.
type Point string

// The boundaries, in order.
const (
	BeforeStarted Point = "before-started"
	AfterStarted  Point = "after-started"
	BeforeDone    Point = "before-done"
	AfterDone     Point = "after-done"
)

// Update is one thing that happened.
type Update struct {
	Step     plan.Step
	Event    casefile.Event
	Found    bool
	Progress *host.Progress
	Elapsed  time.Duration
	Err      error
}

// Stopped is returned when a run ended before its plan did. Nothing is lost by
// it: the case can be resumed.
type Stopped struct {
	// Case is the case folder's path.
	Case string
	// Undo tells that the plan was itself a rollback or a clean-up.
	Undo bool
	Step plan.StepID
	Host string
	Err  error
	// advice stands in the place of the usual hint; may be empty.
	advice string
}

// Error names the step and the host.
func (s *Stopped) Error() string {
	return fmt.Sprintf("stopped at step %s on %s: %v", s.Step, s.Host, s.Err)
}

// Unwrap gives the cause.
func (s *Stopped) Unwrap() error { return s.Err }

// Hint is the command that goes on.
func (s *Stopped) Hint() string {
	if s.advice != "" {
		return s.advice
	}
	if s.Undo {
		return fmt.Sprintf("nothing is lost: mend the cause, then `salvor resume %s`", s.Case)
	}
	return fmt.Sprintf("nothing is lost: mend the cause, then `salvor resume %s` (or `salvor rollback %s`)", s.Case, s.Case)
}

// ErrUnsure is returned when a step's state cannot be told without a person.
var ErrUnsure = errors.New("cannot tell whether this step was done; look at the host before you go on")

// Run locks the plan's hosts, mirrors the case to them, and carries out every
// step that the journal does not show as done, independent steps at the same
// time. A step that the journal shows as done is skipped; every other one is
// first asked whether its effect is already there.
func (r *Runner) Run(ctx context.Context, p plan.Plan) error {
	r.plan, r.away, r.gone = p, map[string]error{}, map[plan.StepID]error{}
	if err := r.lock(ctx); err != nil {
		return err
	}
	l, done, begun, err := r.openLedger()
	if err != nil {
		return err
	}
	r.journal = l
	defer l.close()
	if r.Recheck != nil && !l.touched {
		if err := r.Recheck(ctx); err != nil {
			return err
		}
	}
	if err := l.mirrorDocuments(ctx); err != nil {
		return err
	}
	if r.Accepted != "" {
		if err := l.write(ctx, casefile.Entry{Plan: p.ID, Event: casefile.EventAccepted, By: r.By, Note: r.Accepted}); err != nil {
			return err
		}
	}
	if err := l.write(ctx, casefile.Entry{Plan: p.ID, Event: casefile.EventBegan, By: r.By}); err != nil {
		return err
	}
	if err = r.still(ctx, begun, done); err == nil {
		err = r.steps(ctx, done)
	}
	end := casefile.Entry{Plan: p.ID, Event: casefile.EventEnded}
	if err != nil {
		end.Error = err.Error()
	}
	return errors.Join(err, l.write(context.WithoutCancel(ctx), end))
}

// finished is what a step's goroutine reports.
type finished struct {
	step plan.Step
	err  error
}

// steps runs the plan as far as its needs allow. After a failure that the plan
// cannot do without nothing new begins, and what runs is waited for.
func (r *Runner) steps(ctx context.Context, done map[plan.StepID]bool) error {
	results := make(chan finished)
	begun := map[plan.StepID]bool{}
	running := 0
	var failure error
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		if failure == nil && ctx.Err() == nil {
			var next []plan.Step
			next, failure = r.next(ctx, done, begun)
			for _, s := range next {
				running++
				wg.Go(func() { results <- finished{s, r.step(ctx, s)} })
			}
		}
		if running == 0 {
			if failure == nil && ctx.Err() != nil {
				failure = fmt.Errorf("interrupted: %w", ctx.Err())
			}
			return errors.Join(failure, r.undone(failure))
		}
		f := <-results
		running--
		switch {
		case f.err == nil:
			done[f.step.ID] = true
		case failure != nil:
		case ctx.Err() == nil && r.dispensable(f.step, done, f.err) == nil:
			r.gone[f.step.ID] = f.err
		default:
			failure = r.stopped(f.step, f.err)
		}
	}
}

// next gives the steps that are to begin now. Those that cannot be tried, and
// without which the plan can do, are given up on the way.
func (r *Runner) next(ctx context.Context, done, begun map[plan.StepID]bool) ([]plan.Step, error) {
	var out []plan.Step
	for again := true; again; {
		again = false
		for _, s := range r.ready(done, begun) {
			begun[s.ID] = true
			s = r.lessened(s)
			why := r.hindered(s)
			if why == nil {
				out = append(out, s)
				continue
			}
			again = true
			if err := r.dispensable(s, done, why); err != nil {
				return nil, r.stopped(s, err)
			}
			r.gone[s.ID] = why
			r.tell(Update{Step: s, Event: casefile.EventSkipped, Err: why})
			if err := r.journal.write(ctx, casefile.Entry{Plan: r.plan.ID, Event: casefile.EventSkipped, Step: s.ID, Host: s.Host, Note: why.Error()}); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (r *Runner) stopped(s plan.Step, err error) error {
	at := s.Host
	var away awayError
	if errors.As(err, &away) {
		at = away.host
	}
	return &Stopped{Case: r.Case.Dir, Undo: r.plan.Undoes != "", Step: s.ID, Host: at, Err: err}
}

// undone tells of a rollback or clean-up that came to its end without some of
// its steps: nothing verifies it afterwards.
func (r *Runner) undone(failure error) error {
	if r.plan.Undoes == "" || failure != nil {
		return nil
	}
	for _, s := range r.plan.Steps {
		if why := r.gone[s.ID]; why != nil {
			return r.stopped(s, fmt.Errorf("everything else was done, but not this: %w", why))
		}
	}
	return nil
}

// ready gives the steps whose needs are done, or given up, in the plan's order,
// and the needs of those: on a resume a step that was done may have to be done
// again.
func (r *Runner) ready(done, begun map[plan.StepID]bool) []plan.Step {
	var out []plan.Step
	settled := map[plan.StepID]bool{}
	for _, s := range r.plan.Steps { // needs come before what needs them
		ok := true
		for _, n := range s.Needs {
			ok = ok && settled[n]
		}
		settled[s.ID] = ok && (done[s.ID] || r.gone[s.ID] != nil)
		if ok && !done[s.ID] && !begun[s.ID] {
			out = append(out, s)
		}
	}
	return out
}

func (r *Runner) tell(u Update) {
	if r.Watch != nil {
		r.Watch(u)
	}
}

func (r *Runner) at(p Point, id plan.StepID) {
	if r.At != nil {
		r.At(p, id)
	}
}
