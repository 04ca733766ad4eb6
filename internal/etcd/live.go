package etcd

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// readLimit bounds the one linearizable read that tells a quorum from none:
// longer than an election (1 s by default), shorter than a person's patience.
const readLimit = 2 * time.Second

// Live asks a running member what it knows. Nothing is written, not even to
// raft's log: alarms are taken from the member's own status, because etcd
// sends even their listing through raft. No hash is asked for: see HashKV for
// what it costs. Each part that cannot be had is
// unknown with its reason; ctx bounds the whole. A member that does not answer
// at all is one unknown.
func Live(ctx context.Context, m cluster.Member, files cluster.TLS) cluster.Known[cluster.LiveMember] {
	c, err := Dial(ctx, m.ClientURLs, files)
	if err != nil {
		return cluster.Unknown[cluster.LiveMember]("%v", err)
	}
	defer c.Close()
	live, err := c.Status(ctx)
	if err != nil {
		return cluster.Unknown[cluster.LiveMember]("%v", err)
	}
	live.Endpoint = strings.Join(m.ClientURLs, ",")
	var wait sync.WaitGroup
	wait.Go(func() { live.Linearizable = c.Linearizable(ctx) })
	wait.Go(func() { live.Members = cluster.From(c.Members(ctx)) })
	wait.Wait()
	return cluster.Is(live)
}

// Status is what the member says of itself. Linearizable and Members are
// unknown: they take calls of their own. It works without quorum and on a
// learner.
func (c *Client) Status(ctx context.Context) (cluster.LiveMember, error) {
	s, err := c.maintenance.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return cluster.LiveMember{}, failed("ask status", err)
	}
	h := s.GetHeader()
	live := cluster.LiveMember{
		Endpoint:  strings.Join(c.Endpoints(), ","),
		ClusterID: cluster.ID(h.GetClusterId()), MemberID: cluster.ID(h.GetMemberId()), Revision: h.GetRevision(),
		Leader: cluster.ID(s.Leader), Term: s.RaftTerm, Index: s.RaftIndex, AppliedIndex: s.RaftAppliedIndex,
		Version: s.Version, Learner: s.IsLearner,
		DBSize: s.DbSize, DBInUse: s.DbSizeInUse, DBQuota: s.DbSizeQuota,
		Linearizable: cluster.Unknown[bool]("not tried"),
		Members:      cluster.Unknown[[]cluster.MemberEntry]("not asked"),
		Errors:       s.Errors,
	}
	live.Alarms = alarmsIn(s.Errors)
	return live, nil
}

// alarmText is etcd's text form of an AlarmMember in Status.Errors, written by
// the protobuf libraries with one or two blanks (maintenance.go, Status).
var alarmText = regexp.MustCompile(`^(?:memberID:(\d+))?\s*alarm:([A-Z]+)\s*$`)

func alarmsIn(errs []string) cluster.Known[[]cluster.Alarm] {
	alarms := []cluster.Alarm{}
	for _, e := range errs {
		if !strings.Contains(e, "alarm:") {
			continue
		}
		m := alarmText.FindStringSubmatch(e)
		if m == nil {
			return cluster.Unknown[[]cluster.Alarm]("the member names an alarm in words that are not understood: %q", e)
		}
		id := uint64(0)
		if m[1] != "" {
			v, err := strconv.ParseUint(m[1], 10, 64)
			if err != nil {
				return cluster.Unknown[[]cluster.Alarm]("the member names an alarm in words that are not understood: %q", e)
			}
			id = v
		}
		alarms = append(alarms, cluster.Alarm{MemberID: cluster.ID(id), Type: m[2]})
	}
	return cluster.Is(alarms)
}

// Linearizable tells whether the member reaches a quorum, by one linearizable
// read of a key that need not exist, within 2 s. It is unknown when the answer
// proves nothing: a learner must not answer, and an alarm may refuse reads.
func (c *Client) Linearizable(ctx context.Context) cluster.Known[bool] {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	_, err := c.c.Get(ctx, "/salvor/health", clientv3.WithCountOnly())
	switch {
	case err == nil, is(err, rpctypes.ErrGRPCPermissionDenied):
		// Permission is judged after the quorum has answered.
		return cluster.Is(true)
	case is(err, rpctypes.ErrGRPCNotSupportedForLearner), is(err, rpctypes.ErrGRPCCorrupt),
		is(err, rpctypes.ErrGRPCUserEmpty), is(err, rpctypes.ErrGRPCInvalidAuthToken), is(err, rpctypes.ErrGRPCAuthOldRevision):
		return cluster.Unknown[bool]("%s", short(err))
	}
	return cluster.Known[bool]{OK: true, Value: false, Why: short(err)}
}

// Members is the member list as this member sees it, without asking a quorum,
// ordered by ID.
func (c *Client) Members(ctx context.Context) ([]cluster.MemberEntry, error) {
	return c.members(ctx, clientv3.WithSerializable())
}

// MemberList is the member list as the quorum sees it, ordered by ID.
func (c *Client) MemberList(ctx context.Context) ([]cluster.MemberEntry, error) {
	return c.members(ctx)
}

func (c *Client) members(ctx context.Context, opts ...clientv3.OpOption) ([]cluster.MemberEntry, error) {
	r, err := c.c.MemberList(ctx, opts...)
	if err != nil {
		return nil, failed("list members", err)
	}
	return entries(r.Members), nil
}

func entries(members []*pb.Member) []cluster.MemberEntry {
	out := []cluster.MemberEntry{}
	for _, m := range members {
		out = append(out, cluster.MemberEntry{
			ID: cluster.ID(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner,
		})
	}
	slices.SortFunc(out, func(a, b cluster.MemberEntry) int {
		return strings.Compare(fmt.Sprintf("%016x", uint64(a.ID)), fmt.Sprintf("%016x", uint64(b.ID)))
	})
	return out
}

// HashKV is the member's hash of its key bucket at rev; 0 means its newest
// revision. Hashes compare only at equal revision and compact revision.
// DANGER: the member scans its whole key bucket for it and holds the lock of
// its backend all the while (mvcc/kvstore.go, hashByRev): writes stall, for
// seconds where the db has gigabytes, and giving up the question does not end
// the scan. Ask one member after the other.
func (c *Client) HashKV(ctx context.Context, rev int64) (cluster.HashKV, error) {
	h, err := c.maintenance.HashKV(ctx, &pb.HashKVRequest{Revision: rev})
	if err != nil {
		return cluster.HashKV{}, failed("ask hash", err)
	}
	out := cluster.HashKV{Revision: h.HashRevision, CompactRevision: h.CompactRevision, Hash: h.Hash}
	if out.Revision == 0 { // etcd before 3.5.8 does not say
		out.Revision = h.GetHeader().GetRevision()
		if rev != 0 {
			out.Revision = rev
		}
	}
	return out, nil
}
