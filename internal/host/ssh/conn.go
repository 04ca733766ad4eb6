package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/salvor-project/salvor/internal/host"
)

// traffic counts the bytes of a machine's connections.
type traffic struct{ sent, received atomic.Int64 }

// counted is a connection that counts, and knows when it last heard anything.
type counted struct {
	net.Conn
	traffic *traffic
	heard   atomic.Int64 // nanoseconds since 1970
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.traffic.received.Add(int64(n))
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.traffic.sent.Add(int64(n))
	return n, err
}

func (c *counted) silence() time.Duration { return time.Since(time.Unix(0, c.heard.Load())) }

// conn is one connection, with those to the machines on the way.
type conn struct {
	client *ssh.Client
	wire   *counted
	first  net.Conn    // closing it frees everything that waits
	below  []io.Closer // the nearest first
	banner *host.Tail
	done   chan struct{} // closed when the connection has ended

	mu  sync.Mutex
	why error // why it ended, if this side knows
}

// dial connects, through the machines on the way.
func (o Options) dial(ctx context.Context, t *traffic) (*conn, error) {
	c := &conn{banner: &host.Tail{}, done: make(chan struct{})}
	var last *ssh.Client
	for _, hop := range append(append([]Address{}, o.Jump...), o.Address) {
		raw, err := o.open(ctx, last, hop)
		if err != nil {
			c.hangUp()
			return nil, err
		}
		if c.first == nil {
			c.first = raw
		}
		c.wire = &counted{Conn: raw, traffic: t}
		c.wire.heard.Store(time.Now().UnixNano())
		if last, err = o.handshake(ctx, c.wire, hop, c.banner); err != nil {
			c.hangUp()
			return nil, err
		}
		c.below = append(c.below, last)
	}
	c.client = last
	go func() {
		defer close(c.done)
		err := last.Wait()
		c.end(fmt.Errorf("the connection to %s ended: %w", o.Address.dial(), err))
		c.hangUp()
	}()
	go c.watch(orDefault(o.Limits.Alive, 15*time.Second))
	return c, nil
}

// hangUp closes everything. The nearest goes first: a close that is sent
// through it might wait for ever.
func (c *conn) hangUp() {
	if c.first != nil {
		_ = c.first.Close()
	}
	for i := len(c.below) - 1; i >= 0; i-- {
		_ = c.below[i].Close()
	}
}

// open opens the bytes' way to a machine, over the last one on the way.
func (o Options) open(ctx context.Context, last *ssh.Client, to Address) (net.Conn, error) {
	limit := orDefault(o.Limits.Connect, 10*time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if last == nil {
		var d net.Dialer
		raw, err := d.DialContext(ctx, "tcp", to.dial())
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, fmt.Errorf("connect to %s: %w", to.dial(), err)
		}
		return raw, nil
	}
	raw, err := last.DialContext(ctx, "tcp", to.dial())
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		err = fmt.Errorf("connect to %s through %s: %w", to.dial(), last.RemoteAddr(), err)
		if strings.Contains(err.Error(), "administratively prohibited") {
			err = advise(err, "set AllowTcpForwarding to yes (or local) in sshd_config of the machine in between")
		}
	}
	return raw, err
}

// handshake proves both sides to each other.
func (o Options) handshake(ctx context.Context, raw net.Conn, to Address, banner *host.Tail) (*ssh.Client, error) {
	j, err := newJudge(o.Name, to.dial(), o.KnownHosts)
	if err != nil {
		return nil, err
	}
	limit := orDefault(o.Limits.Connect, 10*time.Second)
	clock := newClock(limit, func() { _ = raw.Close() })
	defer clock.stop()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	keys := o.Keys.offer(o.Identities, clock.pause)
	defer keys.close()
	algorithms := j.algorithms
	if len(algorithms) == 0 {
		algorithms = preferred()
	}
	nc, channels, requests, err := ssh.NewClientConn(raw, to.dial(), &ssh.ClientConfig{
		User: to.login(), HostKeyCallback: j.callback, HostKeyAlgorithms: algorithms,
		Auth:           []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) { return keys.signers, nil })},
		BannerCallback: func(text string) error { _, _ = banner.Write([]byte(text)); return nil },
		ClientVersion:  "SSH-2.0-Salvor",
	})
	switch {
	case err == nil:
		return ssh.NewClient(nc, channels, requests), nil
	case j.refused != nil:
		return nil, j.refused
	case ctx.Err() != nil:
		return nil, fmt.Errorf("connect to %s: %w", to.dial(), context.Cause(ctx))
	case clock.rang():
		return nil, fmt.Errorf("connect to %s: it accepted the connection, but did not complete SSH's handshake within %s", to.dial(), limit)
	case strings.Contains(err.Error(), "unable to authenticate"):
		return nil, o.unwelcome(to, keys, banner, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return nil, fmt.Errorf("connect to %s: it ended the connection in the middle of SSH's handshake: %w", to.dial(), err)
	}
	return nil, fmt.Errorf("connect to %s: %w", to.dial(), err)
}

// unwelcome explains why no key let us in.
func (o Options) unwelcome(to Address, keys offer, banner *host.Tail, err error) error {
	offered := strings.Join(keys.notes, "; ")
	if offered == "" {
		offered = "none: there is no agent and no key file"
	}
	err = fmt.Errorf("%w: user %s at %s; keys: %s; %w", ErrAuth, to.login(), to.dial(), offered, err)
	if b := banner.String(); b != "" {
		err = fmt.Errorf("%w; its banner says %q", err, b)
	}
	return advise(err, "name the user in address and the key in identities, or put the key into that user's authorized_keys")
}

// watch gives the connection up when the machine has been silent for too
// long. Anything that comes is a sign of life, so that a slow line which
// carries bulk data is not taken for a dead one.
func (c *conn) watch(limit time.Duration) {
	tick := time.NewTicker(limit / 15)
	defer tick.Stop()
	var asking atomic.Bool
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		silence := c.wire.silence()
		switch {
		case silence > limit*14/15:
			c.end(fmt.Errorf("%w: nothing was heard for %s", ErrDead, silence.Round(100*time.Millisecond)))
			c.hangUp()
			return
		case silence > limit/4 && asking.CompareAndSwap(false, true):
			go func() { // it may block: a dead line takes no bytes
				defer asking.Store(false)
				_, _, _ = c.client.SendRequest("keepalive@openssh.com", true, nil)
			}()
		}
	}
}

// end notes why the connection ended; the first reason counts.
func (c *conn) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		c.why = why
	}
}

func (c *conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// ended tells whether the connection cannot be used any more.
func (c *conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return c.reason() != nil
	}
}

// close ends the connection and all of its sessions.
func (c *conn) close() {
	c.end(errors.New("the connection was closed"))
	c.hangUp()
	<-c.done
}

// clock rings once after a while, unless it is paused: a person who types a
// passphrase is not a machine that hangs.
type clock struct {
	mu     sync.Mutex
	timer  *time.Timer
	left   time.Duration
	since  time.Time
	rung   bool
	paused int
}

func newClock(limit time.Duration, ring func()) *clock {
	c := &clock{left: limit, since: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(limit, func() {
		c.mu.Lock()
		if c.paused > 0 {
			c.mu.Unlock()
			return
		}
		c.rung = true
		c.mu.Unlock()
		ring()
	})
	return c
}

func (c *clock) pause() (resume func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused++; c.paused == 1 {
		c.timer.Stop()
		c.left -= time.Since(c.since)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.paused--; c.paused == 0 {
			c.since = time.Now()
			c.timer.Reset(max(c.left, time.Second))
		}
	}
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused++ // never again
	c.timer.Stop()
}

func (c *clock) rang() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rung
}
