package host

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// RunFunc runs one command line of salvor, as a process would: args begin with
// "host". Command.Run is one.
type RunFunc func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error

// Local is the machine that this process runs on, reached without leaving the
// process.
type Local struct {
	// Run answers a session's command line.
	Run RunFunc
	// Name is what String gives, "local" when empty.
	Name string
	// Grace is how long a closed session may take; DefaultGrace when 0.
	Grace time.Duration
}

// String names the machine.
func (l Local) String() string {
	if l.Name == "" {
		return "local"
	}
	return l.Name
}

// Start runs the command line in a goroutine.
func (l Local) Start(ctx context.Context, args ...string) (Stream, error) {
	if l.Run == nil {
		return nil, fmt.Errorf("start a session on %s: no command is wired to it", l)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start a session on %s: %w", l, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stdinR, stdinW := io.Pipe()
	stdoutR, stdoutW := io.Pipe()
	s := &localStream{
		in: stdinW, out: stdoutR, cancel: cancel, done: make(chan struct{}),
		grace: orDefault(l.Grace, DefaultGrace), name: l.String(),
	}
	go func() {
		defer cancel() // after done is closed: see disconnect
		defer close(s.done)
		s.err = l.Run(ctx, args, stdinR, stdoutW, &s.tail)
		if s.err != nil {
			fmt.Fprintln(&s.tail, s.err)
		}
		_ = stdoutW.Close() // never fails: see io.PipeWriter
		_ = stdinR.Close()
	}()
	s.stop = context.AfterFunc(ctx, s.disconnect)
	return s, nil
}

// localStream is a session in this process.
type localStream struct {
	in     *io.PipeWriter
	out    *io.PipeReader
	tail   Tail
	cancel context.CancelFunc
	stop   func() bool
	done   chan struct{}
	err    error // written before done is closed
	grace  time.Duration
	name   string

	once     sync.Once
	closeErr error
}

func (s *localStream) Read(p []byte) (int, error)  { return s.out.Read(p) }
func (s *localStream) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *localStream) Stderr() string              { return s.tail.String() }

// disconnect breaks both pipes. It runs when the session's context ends,
// which is also the case after its command has returned; then what the command
// wrote has been read or is of no interest.
func (s *localStream) disconnect() {
	_ = s.in.Close()
	select {
	case <-s.done: // the command closed its own end: let the reader see EOF
	default:
		_ = s.out.Close()
	}
}

func (s *localStream) Wait() error {
	<-s.done
	return s.err
}

func (s *localStream) Close() error {
	s.once.Do(func() {
		defer s.stop()
		_ = s.in.Close()
		_ = s.out.Close()
		for range 2 { // first politely, then by its context
			select {
			case <-s.done:
				return
			case <-time.After(s.grace):
				s.cancel()
			}
		}
		s.closeErr = fmt.Errorf("close the session on %s: its work did not stop within %s and goes on in the background", s.name, 2*s.grace)
	})
	return s.closeErr
}
