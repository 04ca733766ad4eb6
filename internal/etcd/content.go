package etcd

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir/content"
)

// page is the number of keys that one Range asks for: some megabytes of
// Kubernetes objects.
const page = 500

// Content is the fingerprint of all live keys at rev as this member holds
// them, without asking a quorum; 0 means its newest revision. It is
// ErrCompacted when that history is gone. The empty key that a revision bump
// leaves behind lies before the first key that etcd's API can name, and is
// not counted.
func (c *Client) Content(ctx context.Context, rev int64) (cluster.Content, error) {
	hasher := content.NewHasher()
	from := "\x00"
	for {
		r, err := c.c.Get(ctx, from, clientv3.WithFromKey(), clientv3.WithLimit(page),
			clientv3.WithRev(rev), clientv3.WithSerializable())
		if is(err, rpctypes.ErrGRPCCompacted) {
			return cluster.Content{}, fmt.Errorf("read content at revision %d: %w", rev, ErrCompacted)
		}
		if err != nil {
			return cluster.Content{}, failed(fmt.Sprintf("read content at revision %d", rev), err)
		}
		if rev == 0 {
			rev = r.Header.Revision
		}
		for _, kv := range r.Kvs {
			if err := hasher.Add(kv); err != nil {
				return cluster.Content{}, err
			}
		}
		if !r.More || len(r.Kvs) == 0 {
			return hasher.Sum(rev), nil
		}
		from = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
	}
}
