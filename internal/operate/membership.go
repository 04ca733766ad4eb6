package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/plan"
)

// removeDone: the quorum's list has no member of this ID.
func (env Env) removeDone(ctx context.Context, a plan.RemoveMember) (State, any, error) {
	c, list, err := env.reach(ctx, a.Through)
	if err != nil {
		return Unsure, nil, err
	}
	defer c.Close()
	if hasID(list, a.ID) {
		return No, nil, nil
	}
	return Yes, note{"no member " + a.ID.String()}, nil
}

func hasID(list []cluster.MemberEntry, id cluster.ID) bool {
	return slices.ContainsFunc(list, func(e cluster.MemberEntry) bool { return e.ID == id })
}

func (env Env) remove(ctx context.Context, a plan.RemoveMember) (any, error) {
	c, _, err := env.reach(ctx, a.Through)
	if err != nil {
		return nil, fmt.Errorf("remove member %s: %w", a.Name, err)
	}
	defer c.Close()
	if err := c.RemoveMember(ctx, a.ID); err != nil && !errors.Is(err, etcd.ErrNotFound) {
		return nil, err
	}
	return note{"no member " + a.ID.String()}, nil
}

// learnerDone: a member with these peer URLs exists that is not the removed
// one, whether it has started or been promoted since or not.
func (env Env) learnerDone(ctx context.Context, a plan.AddLearner) (State, any, error) {
	c, list, err := env.reach(ctx, a.Through)
	if err != nil {
		return Unsure, nil, err
	}
	defer c.Close()
	if e, ok := etcd.ByPeerURLs(list, a.PeerURLs); ok && e.ID != a.NotID {
		return Yes, e, nil
	}
	return No, nil, nil
}

func (env Env) addLearner(ctx context.Context, a plan.AddLearner) (any, error) {
	c, list, err := env.reach(ctx, a.Through)
	if err != nil {
		return nil, fmt.Errorf("add learner %s: %w", a.Name, err)
	}
	defer c.Close()
	if e, ok := etcd.ByPeerURLs(list, a.PeerURLs); ok {
		if e.ID == a.NotID {
			return nil, fmt.Errorf("add learner %s: the old member %s with the peer URLs %s is still there: remove it first",
				a.Name, e.ID, strings.Join(a.PeerURLs, ","))
		}
		return e, nil
	}
	e, err := c.AddLearner(ctx, a.PeerURLs)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// promoteDone: the member with these peer URLs has a vote.
func (env Env) promoteDone(ctx context.Context, a plan.PromoteLearner) (State, any, error) {
	c, list, err := env.reach(ctx, a.Through)
	if err != nil {
		return Unsure, nil, err
	}
	defer c.Close()
	e, ok := etcd.ByPeerURLs(list, a.PeerURLs)
	switch {
	case !ok:
		return Unsure, note{fmt.Sprintf("the cluster has no member with the peer URLs %s", strings.Join(a.PeerURLs, ","))}, nil
	case e.Learner:
		return No, nil, nil
	}
	return Yes, e, nil
}

// promote waits for as long as the learner moves on, and counts raft entries.
func (env Env) promote(ctx context.Context, a plan.PromoteLearner, progress Progress) (any, error) {
	c, list, err := env.reach(ctx, a.Through)
	if err != nil {
		return nil, fmt.Errorf("promote learner %s: %w", a.Name, err)
	}
	defer c.Close()
	e, ok := etcd.ByPeerURLs(list, a.PeerURLs)
	if !ok {
		return nil, fmt.Errorf("promote learner %s: the cluster has no member with the peer URLs %s", a.Name, strings.Join(a.PeerURLs, ","))
	}
	if !e.Learner {
		return e, nil
	}
	err = c.Promote(ctx, e.ID, func(ctx context.Context) uint64 {
		return env.caught(ctx, c, a.Name, progress)
	})
	if err != nil {
		return nil, err
	}
	e.Learner = false
	return e, nil
}

// caught asks the learner itself how far it is.
func (env Env) caught(ctx context.Context, through *etcd.Client, name string, progress Progress) uint64 {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := env.dial(ctx, name)
	if err != nil {
		return 0
	}
	defer c.Close()
	s, err := c.Status(ctx)
	if err != nil {
		return 0
	}
	if lead, err := through.Status(ctx); err == nil {
		progress(int64(s.AppliedIndex), int64(max(lead.Index, s.AppliedIndex)), "entries")
	}
	return s.AppliedIndex
}
