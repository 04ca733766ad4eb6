package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
)

// dial makes a client of one configured member.
func (env Env) dial(ctx context.Context, name string) (*etcd.Client, error) {
	m, err := env.member(name)
	if err != nil {
		return nil, err
	}
	return etcd.Dial(ctx, m.ClientURLs, env.Config.Client)
}

// reach finds a member through which the cluster can be changed: the named one
// or, when that does not reach a quorum, another configured one whose quorum
// counts the named one in. The latter keeps an impostor, a member that came
// back as a cluster of its own, from being taken for the cluster. list is the
// quorum's member list. A quorum that is electing gets some seconds.
func (env Env) reach(ctx context.Context, through string) (c *etcd.Client, list []cluster.MemberEntry, err error) {
	named, err := env.member(through)
	if err != nil {
		return nil, nil, err
	}
	candidates := []cluster.Member{named}
	for _, m := range env.Config.Members {
		if m.Name != through {
			candidates = append(candidates, m)
		}
	}
	for end := time.Now().Add(reachLimit); ; {
		var why []error
		for _, m := range candidates {
			c, list, err := env.quorumThrough(ctx, m, named)
			if err == nil {
				return c, list, nil
			}
			why = append(why, fmt.Errorf("%s: %w", m.Name, err))
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return nil, nil, fmt.Errorf("reach the cluster of %s: %w", through, errors.Join(why...))
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return nil, nil, fmt.Errorf("reach the cluster of %s: %w", through, errors.Join(why...))
		}
	}
}

// reachLimit is how long a cluster may take to have a leader again.
const reachLimit = 10 * time.Second

func (env Env) quorumThrough(ctx context.Context, m, named cluster.Member) (*etcd.Client, []cluster.MemberEntry, error) {
	c, err := etcd.Dial(ctx, m.ClientURLs, env.Config.Client)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	list, err := c.MemberList(ctx)
	if err == nil {
		if _, ok := etcd.ByPeerURLs(list, named.PeerURLs); !ok {
			err = fmt.Errorf("it is in a cluster that does not know %s", named.Name)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, list, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
