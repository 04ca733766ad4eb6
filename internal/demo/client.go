package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Client connects to the named members, or to all when none is named. It does
// not wait for a connection, and tries again soon after an outage however long
// it was. Close it in the end.
func (c *Cluster) Client(names ...string) (*clientv3.Client, error) {
	security, err := c.clientTLS()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = Names()
	}
	var endpoints []string
	for _, name := range names {
		m, ok := c.member(name)
		if !ok {
			return nil, fmt.Errorf("connect: there is no member %q", name)
		}
		endpoints = append(endpoints, m.clientURL())
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: security, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 400 * time.Millisecond},
			MinConnectTimeout: 2 * time.Second,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", endpoints, err)
	}
	return client, nil
}

func (c *Cluster) clientTLS() (*tls.Config, error) {
	files := c.Config().Client
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, fmt.Errorf("read client certificates: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("read client certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("read client certificates: %s holds no certificate", files.CA)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// Ready waits until a linearizable read succeeds through every member. When
// ctx ends first the error tells which member did not answer.
func (c *Cluster) Ready(ctx context.Context) error {
	for _, m := range c.members {
		if err := c.readyThrough(ctx, m.name); err != nil {
			return fmt.Errorf("wait for member %s (its log is %s): %w", m.name, c.LogPath(m.name), err)
		}
	}
	return nil
}

func (c *Cluster) readyThrough(ctx context.Context, name string) error {
	client, err := c.Client(name)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, end := context.WithTimeout(ctx, readyLimit) // it may have died: its log says why
	defer end()
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err = client.Get(clientv3.WithRequireLeader(try), "ready")
		cancel()
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// readyLimit is how long a member may take to serve.
const readyLimit = 30 * time.Second

// pause sleeps until d has passed or ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Leader gives the name of the member that leads. All are asked at once: a
// dead one would keep the others waiting.
func (c *Cluster) Leader(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	type answer struct {
		name  string
		leads bool
		err   error
	}
	answers := make(chan answer, len(c.members))
	for _, m := range c.members {
		go func() {
			leads, err := c.leads(ctx, m)
			answers <- answer{m.name, leads, err}
		}()
	}
	errs := []error{errors.New("find leader: no member says that it leads")}
	for range c.members {
		a := <-answers
		if a.leads {
			return a.name, nil
		}
		errs = append(errs, a.err)
	}
	return "", errors.Join(errs...)
}

func (c *Cluster) leads(ctx context.Context, m memberPorts) (bool, error) {
	client, err := c.Client(m.name)
	if err != nil {
		return false, err
	}
	defer client.Close()
	s, err := client.Status(ctx, m.clientURL())
	if err != nil {
		return false, err
	}
	return s.Leader == s.Header.MemberId, nil
}

// MoveLeader makes a member the leader and returns when it is.
func (c *Cluster) MoveLeader(ctx context.Context, to string) error {
	for {
		now, err := c.Leader(ctx)
		if err == nil && now == to {
			return nil
		}
		if err == nil {
			err = c.moveLeader(ctx, now, to)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("make %s the leader: %w", to, errors.Join(err, ctx.Err()))
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func (c *Cluster) moveLeader(ctx context.Context, from, to string) error {
	client, err := c.Client(from)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		if m.Name == to {
			_, err := client.MoveLeader(ctx, m.ID)
			return err
		}
	}
	return fmt.Errorf("%s is no member of the cluster", to)
}
