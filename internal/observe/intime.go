package observe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// late is the reason of a fact whose probe had no answer in time.
const late = "not finished in time"

// hostBudget bounds a look at one machine where the caller sets no limit.
const hostBudget = 18 * time.Second

// grace is how long a probe that heeds its context may take to say so itself.
const grace = 200 * time.Millisecond

// sooner gives a context that ends a bit before ctx does, so that what was
// found until then still reaches the caller.
func sooner(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, hostBudget)
	}
	return context.WithDeadline(ctx, end.Add(-max(time.Until(end)/10, 3*grace)))
}

// inTime runs a probe and gives otherwise when it has no answer in time. A
// system call on a disk that hangs cannot be ended: the probe is then left
// behind, and writes nowhere.
func inTime[T any](ctx context.Context, otherwise T, probe func() T) T {
	answer := make(chan T, 1)
	go func() { answer <- probe() }()
	select {
	case v := <-answer:
		return v
	case <-ctx.Done():
	}
	select {
	case v := <-answer:
		return v
	case <-time.After(grace):
		return otherwise
	}
}

// fact is inTime for one fact.
func fact[T any](ctx context.Context, probe func() cluster.Known[T]) cluster.Known[T] {
	return plainly(ctx, inTime(ctx, cluster.Unknown[T](late), probe))
}

// plainly says in words why a context ended before a fact was known.
func plainly[T any](ctx context.Context, k cluster.Known[T]) cluster.Known[T] {
	if strings.Contains(k.Why, context.Canceled.Error()) || k.Why == late && errors.Is(ctx.Err(), context.Canceled) {
		k.Why = cluster.CutOff
	}
	k.Why = strings.ReplaceAll(k.Why, context.DeadlineExceeded.Error(), "no answer in time")
	return k
}

// got is fact for a probe that gives an error.
func got[T any](ctx context.Context, probe func() (T, error)) cluster.Known[T] {
	return fact(ctx, func() cluster.Known[T] { return cluster.From(probe()) })
}
