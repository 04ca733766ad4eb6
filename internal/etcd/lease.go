package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrTaken says that another holds a turn.
var ErrTaken = errors.New("another has the turn")

// ErrLost says that a turn was lost: it expired, or another has it now.
var ErrLost = errors.New("the turn was lost")

// Turn is the exclusive right to do something, held by a lease: it ends by
// itself when its holder dies or stands still. Who holds it asks Fence right
// before what must not be done twice.
type Turn struct {
	c       *Client
	key     string
	owner   string
	lease   clientv3.LeaseID
	created int64 // create revision of the key: the fencing token
	ttl     time.Duration

	stop context.CancelFunc
	done chan struct{}
}

// Take takes the turn that a key stands for, or ErrTaken with the holder's
// name. The turn is kept until End, or until this process stands still for ttl.
// It writes one key to etcd, and needs a quorum.
func (c *Client) Take(ctx context.Context, key, owner string, ttl time.Duration) (*Turn, error) {
	granted, err := c.c.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return nil, failed("take the turn", err)
	}
	r, err := c.c.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, owner, clientv3.WithLease(granted.ID))).Else(clientv3.OpGet(key)).Commit()
	if err != nil || !r.Succeeded {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, revokeErr := c.c.Revoke(end, granted.ID)
		if err != nil {
			return nil, errors.Join(failed("take the turn", err), failed("give the lease back", revokeErr))
		}
		holder := "nobody any more"
		if kvs := r.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
			holder = string(kvs[0].Value)
		}
		return nil, fmt.Errorf("%w: %s", ErrTaken, holder)
	}
	t := &Turn{c: c, key: key, owner: owner, lease: granted.ID, created: r.Header.Revision, ttl: ttl, done: make(chan struct{})}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = stop
	go t.keep(life)
	return t, nil
}

// keep renews the lease, until the turn ends or is lost.
func (t *Turn) keep(ctx context.Context) {
	defer close(t.done)
	tick := time.NewTicker(t.ttl / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		once, cancel := context.WithTimeout(ctx, t.ttl/4)
		_, _ = t.c.c.KeepAliveOnce(once, t.lease) // Fence finds out
		cancel()
	}
}

// Fence asks etcd whether the turn is still held, and gives until when it is
// safe to act on that; ErrLost if it is not.
func (t *Turn) Fence(ctx context.Context) (time.Time, error) {
	begin := time.Now()
	if _, err := t.c.c.KeepAliveOnce(ctx, t.lease); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrLost, failed("renew the lease", err))
	}
	r, err := t.c.c.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(t.key), "=", t.created)).Commit()
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrLost, failed("ask for the turn", err))
	}
	if !r.Succeeded {
		return time.Time{}, ErrLost
	}
	return begin.Add(t.ttl / 2), nil
}

// End gives the turn back, so that the next need not wait for its expiry.
func (t *Turn) End(ctx context.Context) error {
	t.stop()
	<-t.done
	_, err := t.c.c.Revoke(ctx, t.lease)
	return failed("give the turn back", err)
}

// Put writes one small key of Salvor's own; it needs a quorum.
func (c *Client) Put(ctx context.Context, key, value string) error {
	_, err := c.c.Put(ctx, key, value)
	return failed("write key "+key, err)
}
