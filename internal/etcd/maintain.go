package etcd

import (
	"context"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Compact discards the history below rev, and returns when this member has
// freed it on disk (the others do so by themselves, in their own time). It is
// ErrCompacted when that was done before.
func (c *Client) Compact(ctx context.Context, rev int64) error {
	_, err := c.c.Compact(ctx, rev, clientv3.WithCompactPhysical())
	if is(err, rpctypes.ErrGRPCCompacted) {
		return fmt.Errorf("compact at revision %d: %w", rev, ErrCompacted)
	}
	return failed(fmt.Sprintf("compact at revision %d", rev), err)
}

// Readable tells whether the history at rev can still be read: nil,
// ErrCompacted, or another error when that could not be found out. It asks no
// quorum.
func (c *Client) Readable(ctx context.Context, rev int64) error {
	_, err := c.c.Get(ctx, "/salvor/health", clientv3.WithRev(rev), clientv3.WithSerializable(), clientv3.WithCountOnly())
	if is(err, rpctypes.ErrGRPCCompacted) {
		return fmt.Errorf("read at revision %d: %w", rev, ErrCompacted)
	}
	return failed(fmt.Sprintf("read at revision %d", rev), err)
}

// Defragment rewrites the member's db. The member serves nothing meanwhile.
func (c *Client) Defragment(ctx context.Context) error {
	_, err := c.maintenance.Defragment(ctx, &pb.DefragmentRequest{})
	return failed("defragment", err)
}

// Disarm clears an alarm of one member; kind is "NOSPACE" or "CORRUPT".
// Clearing what is not raised is no error.
func (c *Client) Disarm(ctx context.Context, a cluster.Alarm) error {
	kind, ok := pb.AlarmType_value[a.Type]
	if !ok || kind == int32(pb.AlarmType_NONE) {
		return fmt.Errorf("disarm alarm: etcd has no alarm %q", a.Type)
	}
	_, err := c.c.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: uint64(a.MemberID), Alarm: pb.AlarmType(kind)})
	return failed(fmt.Sprintf("disarm alarm %s of member %s", a.Type, a.MemberID), err)
}
