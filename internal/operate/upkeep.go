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

// compactDone: what lies below the revision cannot be read any more.
func (env Env) compactDone(ctx context.Context, a plan.Compact) (State, any, error) {
	if a.Revision <= 1 {
		return Yes, note{"there is nothing below revision 1"}, nil
	}
	c, _, err := env.reach(ctx, a.Through)
	if err != nil {
		return Unsure, nil, err
	}
	defer c.Close()
	err = c.Readable(ctx, a.Revision-1)
	switch {
	case errors.Is(err, etcd.ErrCompacted):
		return Yes, compacted{a.Revision}, nil
	case err != nil:
		return Unsure, nil, err
	}
	return No, nil, nil
}

type compacted struct {
	Revision int64 `json:"revision"`
}

func (env Env) compact(ctx context.Context, a plan.Compact) (any, error) {
	c, _, err := env.reach(ctx, a.Through)
	if err != nil {
		return nil, fmt.Errorf("compact: %w", err)
	}
	defer c.Close()
	if err := c.Compact(ctx, a.Revision); err != nil && !errors.Is(err, etcd.ErrCompacted) {
		return nil, err
	}
	return compacted{a.Revision}, nil
}

// Defragmented is the result of Defragment.
type Defragmented struct {
	BytesBefore int64 `json:"bytesBefore"`
	BytesAfter  int64 `json:"bytesAfter"`
}

// defragmentDone: there is hardly a free page left to give back. A db near its
// quota is never done: a compaction may not have freed its pages yet, and
// defragmenting once more harms nothing.
func (env Env) defragmentDone(ctx context.Context, a plan.Defragment) (State, any, error) {
	c, err := env.dial(ctx, a.Member)
	if err != nil {
		return Unsure, nil, err
	}
	defer c.Close()
	s, err := c.Status(ctx)
	if err != nil {
		return Unsure, nil, err
	}
	full := s.DBQuota > 0 && s.DBSize*10 > s.DBQuota*8
	dense := s.DBSize > 0 && s.DBInUse*100 >= s.DBSize*85
	if full || (!dense && s.DBSize-s.DBInUse >= 1<<20) {
		return No, nil, nil
	}
	return Yes, Defragmented{BytesAfter: s.DBSize}, nil
}

// defragment rewrites the db of one member. A leader hands its office over
// first, so that the cluster is without one for no longer than that takes.
func (env Env) defragment(ctx context.Context, a plan.Defragment) (any, error) {
	c, err := env.dial(ctx, a.Member)
	if err != nil {
		return nil, fmt.Errorf("defragment %s: %w", a.Member, err)
	}
	defer c.Close()
	before, err := settled(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("defragment %s: %w", a.Member, err)
	}
	if before.Leader == before.MemberID {
		if err := env.handOver(ctx, c, before); err != nil {
			return nil, fmt.Errorf("defragment %s: %w", a.Member, err)
		}
	}
	if err := c.Defragment(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Member, err)
	}
	after, err := c.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("defragment %s: %w", a.Member, err)
	}
	return Defragmented{BytesBefore: before.DBSize, BytesAfter: after.DBSize}, nil
}

// settled waits until the member has freed what a compaction gave up, which
// each does in its own time: until the pages in use grow no fewer, at most a
// minute.
func settled(ctx context.Context, c *etcd.Client) (cluster.LiveMember, error) {
	last, err := c.Status(ctx)
	if err != nil {
		return last, err
	}
	for end, quiet := time.Now().Add(time.Minute), 0; quiet < 2 && time.Now().Before(end); {
		if err := sleep(ctx, 300*time.Millisecond); err != nil {
			return last, err
		}
		now, err := c.Status(ctx)
		if err != nil {
			return last, err
		}
		quiet++
		if now.DBInUse < last.DBInUse {
			quiet = 0
		}
		last = now
	}
	return last, nil
}

// handOver moves the leadership to the voter that is up and furthest. Without
// one, as in a cluster of one, the leader stays.
func (env Env) handOver(ctx context.Context, c *etcd.Client, leader cluster.LiveMember) error {
	var best cluster.LiveMember
	for _, m := range env.Config.Members {
		s, err := env.statusOf(ctx, m)
		if err == nil && s.ClusterID == leader.ClusterID && s.MemberID != leader.MemberID && !s.Learner &&
			s.Leader == leader.MemberID && s.AppliedIndex >= best.AppliedIndex {
			best = s
		}
	}
	if best.MemberID == 0 {
		return nil
	}
	return c.MoveLeader(ctx, best.MemberID)
}

func (env Env) statusOf(ctx context.Context, m cluster.Member) (cluster.LiveMember, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := etcd.Dial(ctx, m.ClientURLs, env.Config.Client)
	if err != nil {
		return cluster.LiveMember{}, err
	}
	defer c.Close()
	return c.Status(ctx)
}

// Disarmed is the result of DisarmAlarm: the alarms that were cleared.
type Disarmed struct {
	Alarms []cluster.Alarm `json:"alarms"`
}

// alarms lists the alarms of one type that the cluster has raised. A member
// that has just answered for the quorum has applied every earlier alarm.
func (env Env) alarms(ctx context.Context, through, kind string) (*etcd.Client, []cluster.Alarm, error) {
	c, _, err := env.reach(ctx, through)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.Status(ctx)
	if err == nil && !s.Alarms.OK {
		err = errors.New(s.Alarms.Why)
	}
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	var of []cluster.Alarm
	for _, al := range s.Alarms.Value {
		if al.Type == kind {
			of = append(of, al)
		}
	}
	return c, of, nil
}

// disarmDone: no member has this alarm.
func (env Env) disarmDone(ctx context.Context, a plan.DisarmAlarm) (State, any, error) {
	c, of, err := env.alarms(ctx, a.Through, a.Type)
	if err != nil {
		return Unsure, nil, err
	}
	defer c.Close()
	if len(of) > 0 {
		return No, nil, nil
	}
	return Yes, Disarmed{Alarms: []cluster.Alarm{}}, nil
}

func (env Env) disarm(ctx context.Context, a plan.DisarmAlarm) (any, error) {
	c, of, err := env.alarms(ctx, a.Through, a.Type)
	if err != nil {
		return nil, fmt.Errorf("disarm alarm %s: %w", a.Type, err)
	}
	defer c.Close()
	done := Disarmed{Alarms: []cluster.Alarm{}}
	for _, al := range of {
		if err := c.Disarm(ctx, al); err != nil {
			return nil, err
		}
		done.Alarms = append(done.Alarms, al)
	}
	return done, nil
}
