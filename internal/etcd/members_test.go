package etcd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
)

// TestReplace takes a member out of a living cluster that has just started,
// and brings another in as a learner: etcd refuses the change at first.
func TestReplace(t *testing.T) {
	t.Parallel()
	all, start := nodes(t, 4)
	var ms []cluster.Member
	for _, m := range all[:3] {
		ms = append(ms, m.Member)
	}
	for i := range ms {
		if err := start(i, cluster.InitialCluster(ms), "new"); err != nil {
			t.Fatal(err)
		}
	}
	<-all[0].server.Server.ReadyNotify()
	ctx := within(t, 60*time.Second)
	c := dial(t, all[0].Member)
	gone := cluster.ID(all[2].server.Server.MemberID())
	all[2].stop()
	if err := c.RemoveMember(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveMember(ctx, gone); !errors.Is(err, etcd.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	// As jq writes the ID of a member that is there.
	if err := c.RemoveMember(ctx, cluster.ID(all[1].server.Server.MemberID()^1)); !errors.Is(err, etcd.ErrRounded) || errors.Is(err, etcd.ErrNotFound) {
		t.Errorf("an ID that was rounded: %v", err)
	}
	e, err := c.AddLearner(ctx, all[3].PeerURLs)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := etcd.ByPeerURLs(list, all[3].PeerURLs); !ok || !m.Learner || m.ID != e.ID || len(list) != 3 {
		t.Fatalf("members %+v", list)
	}
	initial := cluster.InitialCluster([]cluster.Member{all[0].Member, all[1].Member, all[3].Member})
	promoted := make(chan error, 1)
	asked := 0
	go func() {
		promoted <- c.Promote(ctx, e.ID, func(context.Context) uint64 { asked++; return uint64(asked) })
	}()
	// Promote has to wait for a learner that has not even started.
	time.Sleep(500 * time.Millisecond)
	if err := start(3, initial, "existing"); err != nil {
		t.Fatal(err)
	}
	if err := <-promoted; err != nil {
		t.Fatal(err)
	}
	if asked == 0 {
		t.Error("the learner was promoted before it was there")
	}
	if err := c.Promote(ctx, e.ID, nil); err != nil {
		t.Errorf("promoted twice: %v", err)
	}
	moveLeader(t, all)
}

// moveLeader hands the leadership to the new member.
func moveLeader(t *testing.T, all []*node) {
	t.Helper()
	to := cluster.ID(all[3].server.Server.MemberID())
	for _, m := range all[:2] {
		c := dial(t, m.Member)
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Leader != s.MemberID {
			continue
		}
		if err := c.MoveLeader(within(t, 10*time.Second), to); err != nil {
			t.Fatal(err)
		}
		if s, err = c.Status(t.Context()); err != nil || s.Leader != to {
			t.Errorf("leader %s, want %s (%v)", s.Leader, to, err)
		}
		return
	}
	t.Error("neither old member leads")
}
