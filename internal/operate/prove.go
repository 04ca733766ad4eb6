package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/plan"
)

// Quorum is the result of AwaitQuorum.
type Quorum struct {
	Leader   cluster.ID `json:"leader"`
	Term     uint64     `json:"term"`
	Revision int64      `json:"revision"`
	Voters   []string   `json:"voters"`
}

// quorumLimit is how long AwaitQuorum waits.
const quorumLimit = 60 * time.Second

// quorumDone tries once.
func (env Env) quorumDone(ctx context.Context, a plan.AwaitQuorum) (State, any, error) {
	q, err := env.quorum(ctx, a)
	if err != nil {
		return No, nil, nil //nolint:nilerr // waiting is what Do is for
	}
	return Yes, q, nil
}

func (env Env) awaitQuorum(ctx context.Context, a plan.AwaitQuorum) (any, error) {
	// Files that cannot be used today will not become better by waiting.
	c, err := env.dial(ctx, a.Member)
	if err != nil {
		return nil, fmt.Errorf("await quorum through %s: %w", a.Member, err)
	}
	_ = c.Close()
	for end := time.Now().Add(quorumLimit); ; {
		q, err := env.quorum(ctx, a)
		if err == nil {
			return q, nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return nil, fmt.Errorf("await quorum through %s: %w", a.Member, err)
		}
		if serr := sleep(ctx, 100*time.Millisecond); serr != nil {
			return nil, fmt.Errorf("await quorum through %s: %w", a.Member, err)
		}
	}
}

// quorum asks this very member, and counts the voters that have started: a
// member has a name from then on.
func (env Env) quorum(ctx context.Context, a plan.AwaitQuorum) (Quorum, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := env.dial(ctx, a.Member)
	if err != nil {
		return Quorum{}, err
	}
	defer c.Close()
	if l := c.Linearizable(ctx); !l.OK || !l.Value {
		return Quorum{}, errors.New(l.Why)
	}
	list, err := c.MemberList(ctx)
	if err != nil {
		return Quorum{}, err
	}
	s, err := c.Status(ctx)
	if err != nil {
		return Quorum{}, err
	}
	q := Quorum{Leader: s.Leader, Term: s.Term, Revision: s.Revision}
	for _, e := range list {
		if !e.Learner && e.Name != "" {
			q.Voters = append(q.Voters, e.Name)
		}
	}
	if len(q.Voters) < a.Voters {
		return q, fmt.Errorf("%d of %d voters have started: %v", len(q.Voters), a.Voters, q.Voters)
	}
	return q, nil
}

// Sung is the result of Canary.
type Sung struct {
	Key      string   `json:"key"`
	Revision int64    `json:"revision"`
	Members  []string `json:"members"`
}

// canaryLife is when etcd itself removes the key again.
const canaryLife = 60 * time.Second

// canary may be repeated: each run writes a value of its own.
func (env Env) canary(ctx context.Context, a plan.Canary) (any, error) {
	key := "/salvor/canary/" + a.Case
	value := time.Now().UTC().Format(time.RFC3339Nano)
	c, _, err := env.reach(ctx, a.Through)
	if err != nil {
		return nil, fmt.Errorf("canary: %w", err)
	}
	defer c.Close()
	one, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rev, err := c.PutSeen(one, key, value, canaryLife)
	if err != nil {
		return nil, fmt.Errorf("canary: %w", err)
	}
	for _, name := range a.Members {
		if err := env.hears(ctx, name, key, value); err != nil {
			return nil, fmt.Errorf("canary: through %s: %w", name, err)
		}
	}
	return Sung{Key: key, Revision: rev, Members: a.Members}, nil
}

// hears reads the canary linearizably through one member; one that has just
// started gets some seconds.
func (env Env) hears(ctx context.Context, name, key, value string) error {
	c, err := env.dial(ctx, name)
	if err != nil {
		return err
	}
	defer c.Close()
	for end := time.Now().Add(15 * time.Second); ; {
		err := heard(ctx, c, key, value)
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		if serr := sleep(ctx, 250*time.Millisecond); serr != nil {
			return err
		}
	}
}

func heard(ctx context.Context, c *etcd.Client, key, value string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	got, found, err := c.Read(ctx, key)
	switch {
	case err != nil:
		return err
	case !found:
		return errors.New("it does not find the key that was just written: it is in another cluster, or serves stale data")
	case got != value:
		return errors.New("it finds another value than was just written: it is in another cluster, or serves stale data")
	}
	return nil
}
