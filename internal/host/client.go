package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"
)

// DialOptions says how to talk to a host.
type DialOptions struct {
	// Host names the machine in errors; the transport's name when empty.
	Host string
	// Version is this binary's; the host must have the same.
	Version string
	// StateDir is the folder of the host's lock and cases, on that machine.
	StateDir string
	// HelloTimeout is how long the host may take to answer the first call;
	// 30 s when 0.
	HelloTimeout time.Duration
	// CancelGrace is how long Call waits for a cancelled method to stop; 5 s
	// when 0.
	CancelGrace time.Duration
	// IdleTimeout is how long a transfer may stand still; 60 s when 0.
	IdleTimeout time.Duration
	// Heartbeat is how often the host hears of this side; 5 s when 0. Silence
	// is how long it may hear nothing before it takes this side for gone; 30 s
	// when 0.
	Heartbeat, Silence time.Duration
}

// Client is the coordinator's side of one connection. It is safe for use by
// many goroutines.
type Client struct {
	host      string
	transport Transport
	opts      DialOptions
	hello     Hello
	stream    Stream
	rpc       *jrpc2.Client
	broken    chan struct{} // closed when the connection has ended
	end       context.CancelFunc

	mu    sync.Mutex
	next  int64
	boxes map[int64]chan Progress
	cause error // why the connection ended
}

// Dial starts a server on the machine and greets it. ctx bounds only the
// dialling; the connection lasts until Close.
func Dial(ctx context.Context, t Transport, opts DialOptions) (*Client, error) {
	if opts.Host == "" {
		opts.Host = t.String()
	}
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	// Starting may take long: a machine that is far away, a binary to place.
	bound := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	stream, err := t.Start(life, "host", "serve", "--state-dir", opts.StateDir)
	bound()
	if err != nil {
		end(nil)
		return nil, fmt.Errorf("reach %s: %w", opts.Host, err)
	}
	c := &Client{
		host: opts.Host, transport: t, opts: opts, stream: stream, end: func() { end(nil) },
		broken: make(chan struct{}), boxes: map[int64]chan Progress{},
	}
	l := newLines(stream, stream)
	l.take = c.takeProgress
	c.rpc = jrpc2.NewClient(l, &jrpc2.ClientOptions{OnStop: func(_ *jrpc2.Client, err error) {
		c.mu.Lock()
		c.cause = err
		c.mu.Unlock()
		close(c.broken)
	}})
	if err := c.greet(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("greet %s: %w", opts.Host, err), c.Close())
	}
	go c.beat(orDefault(opts.Heartbeat, heartbeat))
	return c, nil
}

// greet compares versions from both sides: an older host may not refuse us.
func (c *Client) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orDefault(c.opts.HelloTimeout, 30*time.Second))
	defer cancel()
	if err := c.Call(ctx, methodHello, helloParams{Protocol: Protocol, Version: c.opts.Version, Silence: orDefault(c.opts.Silence, silence)}, &c.hello, nil); err != nil {
		return err
	}
	return sameVersion(c.hello.Protocol, c.hello.Version, c.opts.Version)
}

// Host gives the name under which errors speak of this machine.
func (c *Client) Host() string { return c.host }

// Hello gives what the host introduced itself with.
func (c *Client) Hello() Hello { return c.hello }

// Broken is closed when the connection has ended, for whatever reason.
func (c *Client) Broken() <-chan struct{} { return c.broken }

// Close ends the connection: the host cancels what still runs there, waits for
// it and frees the lock. Calls that are pending fail with ErrDisconnected.
func (c *Client) Close() error {
	err := c.stream.Close() // first: it frees writes that block jrpc2
	_ = c.rpc.Close()       // gives the reason why reading ended
	c.end()
	return err
}

// answer is what came of a call.
type answer struct {
	rsp *jrpc2.Response
	err error
}

// Call runs a method on the host and decodes its result into result, unless
// that is nil. Progress, unless nil, is called from this goroutine with the
// latest report; reports that come while it runs are skipped, except the last.
//
// When ctx ends, the method is cancelled and Call waits up to CancelGrace for
// it to stop: a nil error then means that it was done nevertheless, an error
// that wraps ctx's says that it stopped, or that it may still run.
//
// An error of the method is a *RemoteError. ErrDisconnected means that nobody
// knows whether the method did its work.
func (c *Client) Call(ctx context.Context, method string, params, result any, progress func(Progress)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %s: not begun: %w", c.host, method, err)
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("%s: %s: encode the parameters: %w", c.host, method, err)
	}
	call, box := c.register()
	defer c.forget(call)
	answers := make(chan answer, 1)
	go func() {
		rsp, err := c.rpc.Call(context.WithoutCancel(ctx), method, envelope{Call: call, Params: raw})
		answers <- answer{rsp, err}
	}()
	if progress == nil {
		progress = func(Progress) {}
	}
	a, err := c.await(ctx, call, box, answers, progress)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.host, method, err)
	}
	return c.outcome(ctx, method, a, result)
}

// await passes progress on until the answer is there, or until a cancelled
// call's grace has passed.
func (c *Client) await(ctx context.Context, call int64, box chan Progress, answers chan answer, progress func(Progress)) (answer, error) {
	cancelled := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case p := <-box:
			progress(p)
		case a := <-answers:
			select {
			case p := <-box:
				progress(p)
			default:
			}
			return a, nil
		case <-cancelled:
			cancelled = nil
			limit := orDefault(c.opts.CancelGrace, 5*time.Second)
			grace = time.After(limit)
			// In a goroutine: writing may block on a host that hangs.
			go func() {
				// Not the call's own context: that has just ended.
				_ = c.rpc.Notify(context.Background(), methodCancel, envelope{Call: call})
			}()
		case <-grace:
			return answer{}, fmt.Errorf("cancelled, but it has not stopped and may still run: %w", ctx.Err())
		}
	}
}

// outcome turns an answer into Call's error.
func (c *Client) outcome(ctx context.Context, method string, a answer, result any) error {
	var rpc *jrpc2.Error
	switch {
	case a.err == nil:
	case errors.As(a.err, &rpc) && rpc.Code == appCode:
		err := decodeFault(rpc).on(c.host, method)
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	case errors.As(a.err, &rpc) && rpc.Code == jrpc2.MethodNotFound:
		return fault{Code: CodeUnknownMethod, Message: "the host does not know this method"}.on(c.host, method)
	case c.rpc.IsStopped() || errors.Is(a.err, errWrite):
		return c.disconnected(method, a.err)
	default:
		// Only a request that is too long.
		return fmt.Errorf("%s: %s: %w", c.host, method, a.err)
	}
	if result == nil {
		return nil
	}
	if err := a.rsp.UnmarshalResult(result); err != nil {
		return fmt.Errorf("%s: %s: decode the result: %w", c.host, method, err)
	}
	return nil
}

func decodeFault(e *jrpc2.Error) fault {
	var f fault
	if err := json.Unmarshal(e.Data, &f); err != nil || f.Code == "" {
		f.Code = CodeError
	}
	f.Message = e.Message
	return f
}

// endWait is how long an error waits for a better explanation of itself.
const endWait = 500 * time.Millisecond

// disconnected explains how the connection ended; why reading ended is better
// than what the call itself knows.
func (c *Client) disconnected(method string, cause error) error {
	select {
	case <-c.broken:
		c.mu.Lock()
		cause = c.cause
		c.mu.Unlock()
	case <-time.After(endWait):
	}
	return brokenSession(c.host, method, c.stream, cause)
}

// brokenSession makes the error of a session that ended too early, with all
// that is known about why.
func brokenSession(host, what string, s Stream, cause error) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	select {
	case err := <-ended:
		switch {
		case err == nil:
		case errors.Is(cause, io.EOF):
			cause = err
		default:
			cause = fmt.Errorf("%w; %w", cause, err)
		}
	case <-time.After(endWait): // it has closed its output and still runs
	}
	err := fmt.Errorf("%s: %s: %w: %w", host, what, ErrDisconnected, cause)
	if said := s.Stderr(); said != "" && !strings.Contains(err.Error(), said) {
		err = fmt.Errorf("%w; it said last: %q", err, said)
	}
	return err
}

// register gives a new call its number and the box of its latest progress.
func (c *Client) register() (int64, chan Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	box := make(chan Progress, 1)
	c.boxes[c.next] = box
	return c.next, box
}

func (c *Client) forget(call int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.boxes, call)
}

// takeProgress puts a progress notification into its call's box, in the place
// of an older one. It is called in the order of arrival and never blocks.
func (c *Client) takeProgress(line []byte) bool {
	if !bytes.Contains(line[:min(len(line), 64)], []byte(`"method"`)) {
		return false // an answer: do not decode it twice
	}
	var msg struct {
		Method string       `json:"method"`
		Params progressNote `json:"params"`
	}
	if err := json.Unmarshal(line, &msg); err != nil || msg.Method != noteProgress {
		return false
	}
	c.mu.Lock()
	box := c.boxes[msg.Params.Call]
	c.mu.Unlock()
	if box == nil {
		return true
	}
	select {
	case <-box:
	default:
	}
	box <- msg.Params.Progress
	return true
}
