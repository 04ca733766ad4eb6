package ssh

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/host"
)

// Transport is one machine, reached over SSH. It is safe for use by many
// goroutines.
type Transport struct {
	opts    Options
	traffic traffic
	turn    chan struct{} // held while connecting and placing

	mu    sync.Mutex
	conn  *conn          // for the next session
	all   map[*conn]*use // that live, with those that take no more sessions
	stats Stats
}

// use is what a connection is used for.
type use struct {
	sessions int
	idle     *time.Timer
	path     string // of the binary, once it was verified on this connection
}

var _ host.Transport = (*Transport)(nil)

// New prepares a machine; nothing is dialled yet.
func New(o Options) (*Transport, error) {
	if o.Name == "" {
		o.Name = o.Address.String()
	}
	if o.Keys == nil {
		o.Keys = &Keys{}
	}
	if o.Address.Host == "" || len(o.KnownHosts) == 0 {
		return nil, errors.New("prepare a machine: an address and a file of known host keys are needed")
	}
	return &Transport{opts: o, turn: make(chan struct{}, 1), all: map[*conn]*use{}}, nil
}

// String names the machine.
func (t *Transport) String() string { return t.opts.Name }

// Start runs salvor there, after it has connected and placed the binary where
// that is still to be done. ctx bounds that too.
func (t *Transport) Start(ctx context.Context, args ...string) (host.Stream, error) {
	for first := true; ; first = false {
		c, path, err := t.ready(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		s, err := t.session(ctx, c, append([]string{path}, args...))
		if first && full(err) {
			t.pass(c)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: start a session: %w", t, err)
		}
		return s, nil
	}
}

// session runs a command line on a connection whose use was counted.
func (t *Transport) session(ctx context.Context, c *conn, args []string) (*stream, error) {
	release := sync.OnceFunc(func() { t.release(c) })
	s, err := c.start(ctx, t.opts, t.opts.privileged(args...), release)
	if err != nil {
		release()
		return nil, err
	}
	lasting := context.WithoutCancel(ctx)
	s.killer = func(pid int64) error { return t.kill(lasting, pid) }
	return s, nil
}

// pass makes the next session use another connection.
func (t *Transport) pass(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == c {
		t.conn = nil
	}
}

// kill kills a process group, perhaps over another connection.
func (t *Transport) kill(ctx context.Context, pid int64) error {
	ctx, cancel := context.WithTimeout(ctx, orDefault(t.opts.Limits.Connect, 10*time.Second))
	defer cancel()
	return t.command(ctx, []string{"/bin/sh", "-c", `kill -s KILL -- "-$1"`, "sh", strconv.FormatInt(pid, 10)})
}

// command runs a command line that reads and writes nothing to its end.
func (t *Transport) command(ctx context.Context, args []string) error {
	for first := true; ; first = false {
		c, err := t.connect(ctx)
		if err != nil {
			return err
		}
		<-t.turn
		s, err := t.session(ctx, c, args)
		if first && full(err) {
			t.pass(c)
			continue
		}
		if err != nil {
			return err
		}
		s.endInput()
		err = s.Wait()
		_ = s.Close()
		return t.opts.explain(err, s.Stderr())
	}
}

// ready gives a connection on which the binary is verified, and counts its
// use, which release ends.
func (t *Transport) ready(ctx context.Context) (*conn, string, error) {
	c, err := t.connect(ctx)
	if err != nil {
		return nil, "", err
	}
	defer func() { <-t.turn }()
	t.mu.Lock()
	path := t.pathOf(c)
	t.mu.Unlock()
	if path != "" {
		return c, path, nil
	}
	began := time.Now()
	p, err := t.opts.place(ctx, c)
	if err != nil {
		t.release(c)
		return nil, "", err
	}
	p.Took = time.Since(began)
	t.mu.Lock()
	t.stats.Placement = p
	if u := t.all[c]; u != nil {
		u.path = p.Path
	}
	t.mu.Unlock()
	if p.Sent > 0 && t.opts.Placed != nil {
		t.opts.Placed(t.opts.Name, p)
	}
	return c, p.Path, nil
}

func (t *Transport) pathOf(c *conn) string {
	if u := t.all[c]; u != nil {
		return u.path
	}
	return ""
}

// connect gives the living connection or makes one, and counts its use. It
// holds the turn when it returns without error.
func (t *Transport) connect(ctx context.Context) (*conn, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c := t.take(); c != nil {
		return c, nil
	}
	began := time.Now()
	c, err := t.opts.dial(ctx, &t.traffic)
	if err != nil {
		<-t.turn
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn, t.all[c] = c, &use{sessions: 1}
	t.stats.Connections++
	t.stats.Connect = time.Since(began)
	return c, nil
}

// take gives the connection if it lives.
func (t *Transport) take() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.conn
	if c == nil || c.ended() || t.all[c] == nil {
		t.conn = nil
		delete(t.all, c)
		return nil
	}
	u := t.all[c]
	if u.idle != nil {
		u.idle.Stop()
		u.idle = nil
	}
	u.sessions++
	return c
}

// release ends one use; the last one's connection is kept for a moment.
func (t *Transport) release(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.all[c]
	if u == nil {
		return
	}
	if u.sessions--; u.sessions > 0 {
		return
	}
	u.idle = time.AfterFunc(orDefault(t.opts.Limits.Linger, 5*time.Second), func() {
		t.mu.Lock()
		unused := t.all[c] == u && u.sessions == 0
		if unused {
			t.drop(c)
		}
		t.mu.Unlock()
		if unused {
			c.close()
		}
	})
}

// drop forgets a connection; t.mu is held.
func (t *Transport) drop(c *conn) {
	if u := t.all[c]; u != nil && u.idle != nil {
		u.idle.Stop()
	}
	delete(t.all, c)
	if t.conn == c {
		t.conn = nil
	}
}

// Close ends the connection and all of its sessions. The transport can be
// used again.
func (t *Transport) Close() error {
	t.mu.Lock()
	var all []*conn
	for c := range t.all {
		all = append(all, c)
		t.drop(c)
	}
	t.mu.Unlock()
	for _, c := range all {
		c.close()
	}
	return nil
}

// Spoke tells whether anything came from the machine, or from one on the way to
// it, since this Transport was made.
func (t *Transport) Spoke() bool { return t.traffic.received.Load() > 0 }

// Stats tells what the machine has cost so far.
func (t *Transport) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Sent, s.Received = t.traffic.sent.Load(), t.traffic.received.Load()
	return s
}
