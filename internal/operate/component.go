package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/supervise"
)

// Running is the result of steps that leave a process running.
type Running struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// node finds this machine's node.
func (env Env) node() (cluster.Node, error) {
	n, ok := env.Config.Node(env.Host)
	if !ok {
		return n, fmt.Errorf("host %s is no node in salvor.yaml", env.Host)
	}
	return n, nil
}

func (env Env) component(r cluster.Role) (supervise.Component, error) {
	n, err := env.node()
	if err != nil {
		return supervise.Component{}, err
	}
	if n.Component(r) == (cluster.Component{}) {
		return supervise.Component{}, fmt.Errorf("salvor.yaml names no %s on host %s", r, env.Host)
	}
	return supervise.OfNode(n, r), nil
}

// pod gives the static pod of a member of this host; ok is false for a member
// that is none.
func (env Env) pod(m cluster.Member) (c supervise.Component, ok bool, err error) {
	if m.Run.StaticPod == "" {
		return c, false, nil
	}
	n, err := env.node()
	if err != nil {
		return c, true, fmt.Errorf("%s is a static pod: %w", m.Name, err)
	}
	return supervise.OfMember(m, n), true, nil
}

func held(ctx context.Context, c supervise.Component) (State, any, error) {
	is, err := c.Held(ctx)
	switch {
	case err != nil:
		return Unsure, nil, err
	case !is:
		return No, nil, nil
	}
	return Yes, note{"held back"}, nil
}

func (env Env) fenceDone(ctx context.Context, a plan.FenceComponent) (State, any, error) {
	c, err := env.component(a.Role)
	if err != nil {
		return Unsure, nil, err
	}
	return held(ctx, c)
}

func (env Env) fence(ctx context.Context, a plan.FenceComponent) (any, error) {
	c, err := env.component(a.Role)
	if err != nil {
		return nil, err
	}
	if err := c.Hold(ctx); err != nil {
		return nil, err
	}
	return note{"held back"}, nil
}

// releaseDone: its manifest is in its place and its process has lived for a
// while; one that has only just begun may be about to die.
func (env Env) releaseDone(ctx context.Context, a plan.ReleaseComponent) (State, any, error) {
	c, err := env.component(a.Role)
	if err != nil {
		return Unsure, nil, err
	}
	place, err := c.Place()
	if err != nil {
		return Unsure, nil, err
	}
	t, err := c.Traces(ctx)
	switch {
	case err != nil:
		return Unsure, nil, err
	case place == supervise.PlaceParked, place == supervise.PlaceFenced, !t.Process.Running, time.Since(t.Process.Since) < 5*time.Second:
		return No, nil, nil
	}
	return Yes, Running{t.Process.PID, t.Process.Since}, nil
}

// release lets a component run. One that had no manifest before has none now:
// that is said, and is no failure of this step.
func (env Env) release(ctx context.Context, a plan.ReleaseComponent) (any, error) {
	c, err := env.component(a.Role)
	if err != nil {
		return nil, err
	}
	p, err := c.Release(ctx, supervise.Override{})
	if errors.Is(err, supervise.ErrNoManifest) && a.Role != cluster.RoleAPIServer {
		return note{err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	return Running{p.PID, p.Since}, nil
}

func (env Env) restartKubelet(ctx context.Context) (any, error) {
	n, err := env.node()
	if err != nil {
		return nil, err
	}
	if err := supervise.RestartKubelet(ctx, n); err != nil {
		return nil, err
	}
	p, err := supervise.AwaitKubelet(ctx, n)
	if err != nil {
		return nil, err
	}
	return Running{p.PID, p.Since}, nil
}
