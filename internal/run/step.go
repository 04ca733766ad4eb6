package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
)

// attempts is how often a step is tried when the connection to its host
// breaks. Every new attempt first asks what the broken one achieved.
const attempts = 4

// step brings one step to its end.
func (r *Runner) step(ctx context.Context, s plan.Step) error {
	begin := time.Now()
	var err error
	for n := range attempts {
		if n > 0 {
			if err := pause(ctx, time.Duration(n)*500*time.Millisecond); err != nil {
				return err
			}
		}
		if err = r.attempt(ctx, s, begin); !errors.Is(err, host.ErrDisconnected) {
			break
		}
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("interrupted: %w", ctx.Err()) // nothing is wrong with the step
	}
	if err != nil {
		r.tell(Update{Step: s, Event: casefile.EventFailed, Elapsed: time.Since(begin), Err: err})
		note := casefile.Entry{Plan: r.plan.ID, Event: casefile.EventFailed, Step: s.ID, Host: s.Host, Error: err.Error()}
		return errors.Join(err, r.journal.write(context.WithoutCancel(ctx), note))
	}
	return nil
}

func (r *Runner) attempt(ctx context.Context, s plan.Step, begin time.Time) error {
	state, result, err := r.done(ctx, s)
	if err != nil {
		return err
	}
	switch state {
	case operate.Yes:
		return r.finish(ctx, s, result, true, begin)
	case operate.Unsure:
		return unsure(result)
	}
	r.at(BeforeStarted, s.ID)
	if err := r.journal.write(ctx, casefile.Entry{Plan: r.plan.ID, Event: casefile.EventStarted, Step: s.ID, Host: s.Host}); err != nil {
		return err
	}
	r.at(AfterStarted, s.ID)
	r.tell(Update{Step: s, Event: casefile.EventStarted})
	result, err = r.do(ctx, s)
	if err != nil {
		return err
	}
	return r.finish(ctx, s, result, false, begin)
}

// unsure is ErrUnsure with what the host says about it.
func unsure(result json.RawMessage) error {
	var n struct {
		Note string `json:"note"`
	}
	if err := json.Unmarshal(result, &n); err != nil || n.Note == "" {
		return ErrUnsure
	}
	return fmt.Errorf("%w: %s", ErrUnsure, n.Note)
}

func (r *Runner) finish(ctx context.Context, s plan.Step, result json.RawMessage, found bool, begin time.Time) error {
	r.at(BeforeDone, s.ID)
	e := casefile.Entry{Plan: r.plan.ID, Event: casefile.EventDone, Step: s.ID, Host: s.Host, Result: result, Found: found}
	if err := r.journal.write(context.WithoutCancel(ctx), e); err != nil {
		return err
	}
	r.at(AfterDone, s.ID)
	r.tell(Update{Step: s, Event: casefile.EventDone, Found: found, Elapsed: time.Since(begin)})
	return nil
}

func (r *Runner) done(ctx context.Context, s plan.Step) (operate.State, json.RawMessage, error) {
	if _, ok := s.Action.(plan.CopyFiles); ok {
		return operate.No, nil, nil // the transfer itself compares digests
	}
	h, err := r.Fleet.Host(s.Host)
	if err != nil {
		return operate.Unsure, nil, err
	}
	return h.Done(ctx, r.plan.Config, r.plan.Case, s.Action)
}

func (r *Runner) do(ctx context.Context, s plan.Step) (json.RawMessage, error) {
	progress := func(p host.Progress) { r.tell(Update{Step: s, Event: casefile.EventStarted, Progress: &p}) }
	if c, ok := s.Action.(plan.CopyFiles); ok {
		return r.copy(ctx, s.Host, c, progress)
	}
	h, err := r.Fleet.Host(s.Host)
	if err != nil {
		return nil, err
	}
	return h.Do(ctx, r.plan.Config, r.plan.Case, s.Action, progress)
}

// copied is the result of a CopyFiles step.
type copied struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// copy streams files from host to host through this process.
func (r *Runner) copy(ctx context.Context, to string, a plan.CopyFiles, progress func(host.Progress)) (json.RawMessage, error) {
	src, err := r.client(ctx, a.FromHost)
	if err != nil {
		return nil, err
	}
	dst, err := r.client(ctx, to)
	if err != nil {
		return nil, err
	}
	sum, n, err := host.Relay(ctx, src, a.From, dst, a.To, progress)
	if err != nil {
		return nil, err
	}
	return json.Marshal(copied{n, sum})
}

func (r *Runner) client(ctx context.Context, name string) (*host.Client, error) {
	h, err := r.Fleet.Host(name)
	if err != nil {
		return nil, err
	}
	return h.Client(ctx)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
