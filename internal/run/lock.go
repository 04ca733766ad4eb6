package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
)

// lock takes every host's lock, always in the plan's order. A host that cannot
// be reached ends a run before it began, unless only kubelets are started anew
// there; a resume goes on without it, as far as the plan can: the machine may
// have died in the middle of the first run. A lock that somebody else holds is
// an error always.
func (r *Runner) lock(ctx context.Context) error {
	names := r.plan.Hosts()
	reached := r.reach(ctx, names)
	for i, name := range names {
		h, err := r.Fleet.Host(name)
		if err != nil {
			return err
		}
		if err = reached[i]; err == nil {
			err = r.lockOne(ctx, h)
		}
		switch {
		case err == nil:
		case ctx.Err() == nil && Unreachable(err) && (r.Accepted == "" || r.onlyKubelet(name)):
			r.away[name] = err
		default:
			return fmt.Errorf("lock %s: %w", name, err)
		}
	}
	return nil
}

// reach connects to all hosts at the same time: many may be dead, and each
// takes a while to show it.
func (r *Runner) reach(ctx context.Context, names []string) []error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			h, err := r.Fleet.Host(name)
			if err == nil {
				_, err = h.Client(ctx)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errs
}

// Unreachable tells a host that could not be spoken to from one that answered
// and refused.
func Unreachable(err error) bool {
	var answered *host.RemoteError
	return !errors.As(err, &answered) && !errors.Is(err, host.ErrLocked) && !errors.Is(err, host.ErrVersion)
}

// onlyKubelet tells whether all that the plan does on a host is to start its
// kubelet anew: that of a worker.
func (r *Runner) onlyKubelet(name string) bool {
	for _, s := range r.plan.Steps {
		c, copies := s.Action.(plan.CopyFiles)
		if (s.Host == name && !(s.Spare && s.Action.Kind() == plan.KindRestartKubelet)) || (copies && c.FromHost == name) {
			return false
		}
	}
	return true
}

// orphanLimit is how long the host side of a run that was killed may hold its
// lock on this machine: until it has noticed and stopped what it was doing. On
// another machine it may have to notice a silence first (host.Vanished).
const orphanLimit = 10 * time.Second

// lockOne waits a while for a lock that this very case holds, or somebody who
// has not signed yet: most likely that is what is left of the run that is being
// resumed. Any other is refused at once.
func (r *Runner) lockOne(ctx context.Context, h *remote.Host) error {
	limit := orphanLimit
	if h.Distant() {
		limit = host.Vanished
	}
	for end := time.Now().Add(limit); ; {
		err := h.Lock(ctx, host.NewOwner(r.Case.Name()))
		var held *host.LockedError
		if !errors.As(err, &held) || (held.Owner.Case != r.Case.Name() && held.Owner.PID != 0) || time.Now().After(end) {
			return err
		}
		if perr := pause(ctx, 100*time.Millisecond); perr != nil {
			return errors.Join(err, perr)
		}
	}
}
