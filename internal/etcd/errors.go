package etcd

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Errors that callers have to tell apart, whatever wraps them.
var (
	// ErrCompacted: the revision is below the compacted one.
	ErrCompacted = errors.New("the revision is compacted")
	// ErrNotFound: the cluster has no such member.
	ErrNotFound = errors.New("the cluster has no such member")
	// ErrRounded: the ID is a member's, rounded to a floating-point number.
	ErrRounded = errors.New("the ID was rounded to a floating-point number, as jq does")
)

// is tells whether err is one of etcd's own errors, by its text: a client call
// may hand it over as a gRPC status or as an rpctypes.EtcdError.
func is(err, want error) bool {
	return err != nil && rpctypes.ErrorDesc(toStatus(err)) == rpctypes.ErrorDesc(want)
}

// toStatus looks through wrapping for something that carries etcd's text.
func toStatus(err error) error {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return status.Error(e.Code(), e.Error())
	}
	if s, ok := status.FromError(err); ok {
		return status.Error(s.Code(), s.Message())
	}
	return err
}

// passing tells whether an error of a membership change goes away by itself:
// etcd refuses changes for some 5 s after peers have connected (HealthInterval
// in server/etcdserver/server.go), and while there is no leader.
func passing(err error) bool {
	for _, e := range []error{
		rpctypes.ErrGRPCUnhealthy, rpctypes.ErrGRPCMemberNotEnoughStarted, rpctypes.ErrGRPCNoLeader,
		rpctypes.ErrGRPCNotLeader, rpctypes.ErrGRPCLeaderChanged, rpctypes.ErrGRPCTimeout,
		rpctypes.ErrGRPCTimeoutDueToLeaderFail, rpctypes.ErrGRPCTimeoutDueToConnectionLost,
		rpctypes.ErrGRPCTimeoutWaitAppliedIndex, rpctypes.ErrGRPCRequestTooManyRequests,
	} {
		if is(err, e) {
			return true
		}
	}
	s, ok := status.FromError(toStatus(err))
	return ok && s.Code() == codes.Unavailable
}

// retry calls try until it succeeds, fails for good, or limit has passed. Each
// attempt is given 5 s; an attempt that ran out of time is repeated.
func retry(ctx context.Context, limit time.Duration, again func(error) bool, try func(context.Context) error) error {
	end := time.Now().Add(limit)
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := try(one)
		late := one.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil || time.Now().After(end) || (!late && !again(err)) {
			return err
		}
		if serr := sleep(ctx, 250*time.Millisecond); serr != nil {
			return err
		}
	}
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
