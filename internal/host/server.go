package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"
)

// Method does one thing on this machine. It returns soon after ctx ends, and
// may call progress as often as it likes, from one goroutine at a time.
type Method func(ctx context.Context, params json.RawMessage, progress func(Progress)) (any, error)

// Methods are the methods of a server by name.
type Methods map[string]Method

// ServeOptions says what a server answers with.
type ServeOptions struct {
	// Version is this binary's; the coordinator must have the same.
	Version string
	// StateDir is the folder of the host's lock and cases.
	StateDir string
	// Log takes what an engineer wants to see: panics of methods. Discarded
	// when nil.
	Log io.Writer
}

// appCode is the JSON-RPC code of every error that a method returns; the code
// that matters is in the error's data.
const appCode jrpc2.Code = 1

// Serve answers a coordinator over rw until its side of rw ends or ctx does.
// Then it cancels the methods that run, waits until they have returned, and
// frees the host's lock. It does not close rw; a goroutine reads from it until
// a read fails.
func Serve(ctx context.Context, rw io.ReadWriter, methods Methods, opts ServeOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{opts: opts, calls: map[int64]context.CancelFunc{}, early: map[int64]bool{}}
	if opts.Log == nil {
		s.opts.Log = io.Discard
	}
	defer s.lock.free()
	var err error
	if s.methods, err = s.withBuiltin(methods); err != nil {
		return err
	}

	// The copy lets ctx end a read of standard input, which cannot be closed.
	in, feed := io.Pipe()
	defer in.Close()
	ears := newHearing(rw)
	s.listen = func(limit time.Duration) { go ears.watch(ctx, limit, cancel) }
	go func() {
		_, err := io.Copy(feed, ears)
		_ = feed.CloseWithError(err) // nil is io.EOF
		cancel()                     // at once, even while a write blocks jrpc2
	}()
	stop := context.AfterFunc(ctx, func() { _ = feed.Close() })
	defer stop()

	rpc := jrpc2.NewServer(s, &jrpc2.ServerOptions{
		AllowPush:      true,
		DisableBuiltin: true,
		Concurrency:    1 << 20, // a call never waits for another's end
		NewContext:     func() context.Context { return ctx },
	})
	status := rpc.Start(newLines(in, rw)).WaitStatus()
	if status.Err != nil {
		return fmt.Errorf("serve the coordinator: %w", status.Err)
	}
	return nil
}

// server is the state of one connection.
type server struct {
	opts    ServeOptions
	methods Methods
	lock    hostLock
	// listen ends the connection when the coordinator is silent for so long.
	listen func(time.Duration)

	mu      sync.Mutex
	greeted bool
	calls   map[int64]context.CancelFunc
	early   map[int64]bool // cancelled before they began
}

// withBuiltin adds the methods that every host has.
func (s *server) withBuiltin(methods Methods) (Methods, error) {
	all := s.builtin()
	for name, m := range methods {
		if _, taken := all[name]; taken || name == methodCancel || name == methodAlive || m == nil {
			return nil, fmt.Errorf("serve: method %q is nil or built in", name)
		}
		all[name] = m
	}
	return all, nil
}

// Assign finds a method for jrpc2.
func (s *server) Assign(_ context.Context, name string) jrpc2.Handler {
	switch name {
	case methodCancel:
		return s.cancelCall
	case methodAlive:
		return func(context.Context, *jrpc2.Request) (any, error) { return nil, nil }
	}
	m, ok := s.methods[name]
	if !ok {
		return nil
	}
	return func(ctx context.Context, req *jrpc2.Request) (any, error) {
		result, err := s.run(ctx, name, m, req)
		if err != nil {
			f := faultOf(err)
			return nil, jrpc2.Errorf(appCode, "%s", f.Message).WithData(f)
		}
		return result, nil
	}
}

// run runs one call from its envelope to its encoded result.
func (s *server) run(ctx context.Context, name string, m Method, req *jrpc2.Request) (json.RawMessage, error) {
	var e envelope
	if err := req.UnmarshalParams(&e); err != nil {
		return nil, &Failure{Code: CodeBadRequest, Err: fmt.Errorf("read the parameters: %w", err)}
	}
	ctx, end, err := s.begin(ctx, name, e.Call)
	if err != nil {
		return nil, err
	}
	defer end()
	notes := newNotes(e.Call, jrpc2.ServerFromContext(ctx))
	value, err := s.safely(ctx, m, e.Params, notes.add)
	notes.finish()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	if len(b) > maxMessage/2 {
		return nil, fmt.Errorf("encode the result: %d bytes are too many for one message", len(b))
	}
	return b, nil
}

// begin registers a call, so that it can be cancelled.
func (s *server) begin(ctx context.Context, name string, call int64) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.greeted && name != methodHello {
		return nil, nil, &Failure{Code: CodeVersion, Err: errors.New("the first call must be hello")}
	}
	ctx, cancel := context.WithCancel(ctx)
	s.calls[call] = cancel
	if s.early[call] {
		delete(s.early, call)
		cancel()
	}
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, call)
	}, nil
}

// cancelCall is the notification that the coordinator gave a call up. The call
// still answers, when it has stopped.
func (s *server) cancelCall(_ context.Context, req *jrpc2.Request) (any, error) {
	var e envelope
	if err := req.UnmarshalParams(&e); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.calls[e.Call]; ok {
		cancel()
	} else {
		s.early[e.Call] = true
	}
	return nil, nil
}

// safely runs a method; its panic becomes an error, since the other methods
// that run on this host must not die of it half way.
func (s *server) safely(ctx context.Context, m Method, params json.RawMessage, progress func(Progress)) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(s.opts.Log, "panic: %v\n%s", p, debug.Stack())
			err = &Failure{Code: CodePanic, Hint: "this is a defect of salvor: please report it", Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	return m(ctx, params, progress)
}
