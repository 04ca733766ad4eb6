package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/salvor-project/salvor/internal/cluster"
)

// changeLimit is how long a membership change is retried while the cluster
// refuses it for a reason that passes: twice etcd's 5 s and some.
const changeLimit = 15 * time.Second

// RemoveMember takes a member out of the cluster. A removed ID can never come
// back. It is ErrNotFound when the cluster has no such member; refusals that
// pass are retried for 15 s.
func (c *Client) RemoveMember(ctx context.Context, id cluster.ID) error {
	err := retry(ctx, changeLimit, passing, func(ctx context.Context) error {
		_, err := c.c.MemberRemove(ctx, uint64(id))
		return err
	})
	if is(err, rpctypes.ErrGRPCMemberNotFound) {
		return fmt.Errorf("remove member %s: %w", id, c.notFound(ctx, id))
	}
	return failed(fmt.Sprintf("remove member %s", id), err)
}

// notFound is ErrNotFound, or ErrRounded where a member has the ID that a reader of
// floating-point numbers would make this one of: that member is still there.
func (c *Client) notFound(ctx context.Context, id cluster.ID) error {
	list, err := c.MemberList(ctx)
	if err != nil {
		return ErrNotFound
	}
	var known []cluster.ID
	for _, m := range list {
		known = append(known, m.ID)
	}
	if real, ok := id.Unrounded(known); ok {
		return fmt.Errorf("%w: member %s has the exact one", ErrRounded, real)
	}
	return ErrNotFound
}

// AddLearner announces a member without a vote and gives its entry, which has
// no name until the member starts. A learner with these peer URLs that is
// there already is an error of etcd's ("Peer URLs already exists"); refusals
// that pass are retried for 15 s.
func (c *Client) AddLearner(ctx context.Context, peerURLs []string) (cluster.MemberEntry, error) {
	var entry cluster.MemberEntry
	err := retry(ctx, changeLimit, passing, func(ctx context.Context) error {
		r, err := c.c.MemberAddAsLearner(ctx, peerURLs)
		if err == nil {
			entry = cluster.MemberEntry{ID: cluster.ID(r.Member.ID), PeerURLs: r.Member.PeerURLs, Learner: true}
		}
		return err
	})
	if err != nil && is(err, rpctypes.ErrGRPCPeerURLExist) {
		// An attempt that timed out may have succeeded all the same.
		list, lerr := c.MemberList(ctx)
		if lerr == nil {
			if m, ok := ByPeerURLs(list, peerURLs); ok && m.Learner && m.Name == "" {
				return m, nil
			}
		}
	}
	return entry, failed("add learner", err)
}

// ByPeerURLs finds the member with these peer URLs, in any order.
func ByPeerURLs(list []cluster.MemberEntry, urls []string) (cluster.MemberEntry, bool) {
	want := slices.Sorted(slices.Values(urls))
	for _, m := range list {
		if slices.Equal(slices.Sorted(slices.Values(m.PeerURLs)), want) {
			return m, true
		}
	}
	return cluster.MemberEntry{}, false
}

// promoteStall is how long a learner may stand still before Promote gives up.
const promoteStall = 60 * time.Second

// ErrLearnerStuck says that a learner did not catch up.
var ErrLearnerStuck = errors.New("the learner does not catch up")

// Promote gives a learner its vote and waits for that as long as the learner
// makes progress. caught, which may be nil, tells the learner's applied index,
// 0 when it is not known; Promote gives up when that has stood still for 60 s
// while etcd says that the learner is not in sync.
func (c *Client) Promote(ctx context.Context, id cluster.ID, caught func(context.Context) uint64) error {
	var seen uint64
	moved := time.Now()
	for {
		err := retry(ctx, changeLimit, passing, func(ctx context.Context) error {
			_, err := c.c.MemberPromote(ctx, uint64(id))
			return err
		})
		switch {
		case err == nil, is(err, rpctypes.ErrGRPCMemberNotLearner):
			return nil
		case is(err, rpctypes.ErrGRPCMemberNotFound):
			return fmt.Errorf("promote learner %s: %w", id, c.notFound(ctx, id))
		case !is(err, rpctypes.ErrGRPCLearnerNotReady):
			return failed(fmt.Sprintf("promote learner %s", id), err)
		}
		if caught != nil {
			if at := caught(ctx); at > seen {
				seen, moved = at, time.Now()
			}
		}
		if time.Since(moved) > promoteStall {
			return fmt.Errorf("promote learner %s: %w: it stands at raft index %d for %s; look at its log and its way to the leader",
				id, ErrLearnerStuck, seen, promoteStall)
		}
		if serr := sleep(ctx, 250*time.Millisecond); serr != nil {
			return failed(fmt.Sprintf("promote learner %s", id), err)
		}
	}
}

// MoveLeader hands the leadership over; the client must be the leader's. It
// returns when the other member leads.
func (c *Client) MoveLeader(ctx context.Context, to cluster.ID) error {
	_, err := c.c.MoveLeader(ctx, uint64(to))
	return failed(fmt.Sprintf("move leadership to %s", to), err)
}
