package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// WatchState is how a member answers a watch from an old revision.
type WatchState string

// The answers.
const (
	// WatchCompacted: refused; the watcher knows that it missed something and
	// lists anew. This is what makes a restored cluster safe for its clients.
	WatchCompacted WatchState = "compacted"
	// WatchOpen: accepted; a watcher from another history would silently miss
	// what happened.
	WatchOpen WatchState = "open"
)

// WatchFrom opens a watch from rev and says how the member takes it. When it is
// compacted, the second result is the compacted revision.
func (c *Client) WatchFrom(ctx context.Context, rev int64) (WatchState, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	w := c.c.Watch(ctx, "/salvor/health", clientv3.WithRev(rev), clientv3.WithCreatedNotify())
	// etcd answers a request for progress only when it has placed every watch
	// of the stream, and only then is silence an answer.
	ask := time.NewTicker(100 * time.Millisecond)
	defer ask.Stop()
	created := false
	for {
		select {
		case r, ok := <-w:
			switch {
			case !ok:
				return "", 0, fmt.Errorf("watch from revision %d: %w", rev, errNoAnswer(ctx))
			case r.CompactRevision != 0:
				return WatchCompacted, r.CompactRevision, nil
			case r.Err() != nil:
				return "", 0, failed(fmt.Sprintf("watch from revision %d", rev), r.Err())
			case r.Created && rev > r.Header.Revision:
				return WatchOpen, 0, nil // the future is never compacted, and gives no progress
			case r.Created:
				created = true
			case r.IsProgressNotify() || len(r.Events) > 0:
				return WatchOpen, 0, nil
			}
		case <-ask.C:
			if created {
				if err := c.c.RequestProgress(ctx); err != nil {
					return "", 0, failed(fmt.Sprintf("watch from revision %d", rev), err)
				}
			}
		case <-ctx.Done():
			return "", 0, fmt.Errorf("watch from revision %d: %w", rev, errNoAnswer(ctx))
		}
	}
}

func errNoAnswer(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return plain{err}
	}
	return errors.New("the member ended the watch without a reason")
}

// PutSeen writes a key that vanishes after ttl, and returns the write's
// revision once a watch on this member has shown it.
func (c *Client) PutSeen(ctx context.Context, key, value string, ttl time.Duration) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	what := fmt.Sprintf("write and watch %s", key)
	lease, err := c.c.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return 0, failed(what, err)
	}
	w := c.c.Watch(ctx, key, clientv3.WithCreatedNotify())
	if r, ok := <-w; !ok || r.Err() != nil {
		return 0, fmt.Errorf("%s: %w", what, errors.Join(plain{errNoAnswer(ctx)}, r.Err()))
	}
	put, err := c.c.Put(ctx, key, value, clientv3.WithLease(lease.ID))
	if err != nil {
		return 0, failed(what, err)
	}
	for r := range w {
		if r.Err() != nil {
			return 0, failed(what, r.Err())
		}
		for _, e := range r.Events {
			if e.Kv.ModRevision == put.Header.Revision && string(e.Kv.Value) == value {
				return put.Header.Revision, nil
			}
		}
	}
	return 0, fmt.Errorf("%s: the watch did not show the write: %w", what, errNoAnswer(ctx))
}

// Read is a linearizable read of one key through this member.
func (c *Client) Read(ctx context.Context, key string) (value string, found bool, err error) {
	r, err := c.c.Get(ctx, key)
	if err != nil {
		return "", false, failed("read "+key, err)
	}
	if len(r.Kvs) == 0 {
		return "", false, nil
	}
	return string(r.Kvs[0].Value), true, nil
}
