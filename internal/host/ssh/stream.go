package ssh

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/salvor-project/salvor/internal/host"
)

// stream is one session. Two goroutines carry its bytes, so that Close frees
// Read and Write whatever the machine does.
type stream struct {
	conn    *conn
	opts    Options
	session *ssh.Session
	in      *io.PipeWriter
	out     *io.PipeReader
	tail    host.Tail // standard error
	noise   host.Tail // what came before the launcher's word
	pid     atomic.Int64
	done    chan struct{}
	err     error // written before done is closed
	release func()
	// killer kills the process group of this session's process from beside
	// it; nil for what need not be killed.
	killer func(pid int64) error

	once     sync.Once
	closeErr error
}

// start runs a command line on the machine. Once it has succeeded, release is
// called when the session is over, perhaps more than once. When the machine
// opens no more sessions, it is asked again for a moment: sshd may still have
// to sweep up one that has just ended.
func (c *conn) start(ctx context.Context, o Options, args []string, release func()) (*stream, error) {
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		s, err := c.tryStart(ctx, o, args, release)
		if err == nil || !full(err) || wait > 200*time.Millisecond {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// full tells whether a connection takes no more sessions.
func full(err error) bool {
	var refused *ssh.OpenChannelError
	return errors.As(err, &refused)
}

func (c *conn) tryStart(ctx context.Context, o Options, args []string, release func()) (*stream, error) {
	head, err := words(args)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: c, opts: o, done: make(chan struct{}), release: release}
	stdin, stdout, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	s.in, s.out = inW, outR
	go s.carryIn(stdin, head, inR)
	go s.carryOut(stdout, outW)
	go func() {
		err := s.session.Wait()
		var missing *ssh.ExitMissingError
		if errors.As(err, &missing) { // most likely the connection broke: learn why
			select {
			case <-c.done:
			case <-time.After(200 * time.Millisecond):
			}
		}
		s.err = exitError(err, c.reason())
		close(s.done)
		_ = inR.CloseWithError(io.ErrClosedPipe)
		release()
	}()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() { <-s.done; stop() }()
	return s, nil
}

// open opens the session, within the limit: a machine may accept a connection
// and then be unable to start anything.
func (s *stream) open(ctx context.Context) (stdin io.WriteCloser, stdout io.Reader, err error) {
	opened := make(chan error, 1)
	var session *ssh.Session
	go func() {
		var err error
		if session, err = s.conn.client.NewSession(); err == nil {
			session.Stderr = &s.tail
			stdin, _ = session.StdinPipe() // fails only after Start
			stdout, _ = session.StdoutPipe()
			err = session.Start(launcher)
		}
		opened <- err
	}()
	limit := orDefault(s.opts.Limits.Connect, 10*time.Second)
	select {
	case err = <-opened:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(limit):
		err = fmt.Errorf("it started no session within %s", limit)
	}
	var refused *ssh.OpenChannelError
	switch {
	case err == nil:
		s.session = session
		return stdin, stdout, nil
	case errors.As(err, &refused):
		return nil, nil, advise(fmt.Errorf("the machine opens no more sessions: %w", err), "raise MaxSessions in its sshd_config (10 is the default)")
	case s.conn.ended() && s.conn.reason() != nil:
		err = s.conn.reason()
	}
	go func() { // given up: end it should it come about after all
		if <-opened == nil {
			_ = session.Close()
		}
	}()
	return nil, nil, err
}

// carryIn sends the command line and then what is written. The end of its
// source becomes the end of the far side's standard input.
func (s *stream) carryIn(stdin io.WriteCloser, head []byte, from *io.PipeReader) {
	_, err := stdin.Write(head)
	if err == nil {
		_, err = io.Copy(stdin, from)
	}
	if err == nil {
		err = io.ErrClosedPipe
	}
	_ = stdin.Close()
	_ = from.CloseWithError(err)
}

// carryOut delivers what comes after the launcher's word. When nobody reads
// any more, it goes on reading: a far side that cannot write cannot end.
func (s *stream) carryOut(stdout io.Reader, to *io.PipeWriter) {
	r := bufio.NewReaderSize(stdout, 64<<10)
	err := s.begin(r)
	if err == nil {
		_, err = io.Copy(to, r)
	}
	_ = to.CloseWithError(err) // nil is io.EOF
	_, _ = io.Copy(io.Discard, r)
}

// begin reads up to the launcher's word.
func (s *stream) begin(r *bufio.Reader) error {
	for n := 0; n < maxNoise; {
		line, err := r.ReadSlice('\n')
		n += len(line)
		// A greeting need not end with a line break.
		if i := bytes.LastIndex(line, []byte(begins)); err == nil && i >= 0 {
			if pid, perr := strconv.ParseInt(string(bytes.TrimSpace(line[i+len(begins):])), 10, 64); perr == nil && pid > 1 {
				_, _ = s.noise.Write(line[:i])
				s.pid.Store(pid)
				return nil
			}
		}
		_, _ = s.noise.Write(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	return errors.New("the login shell there says too much before it runs anything")
}

func (s *stream) Read(p []byte) (int, error)  { return s.out.Read(p) }
func (s *stream) Write(p []byte) (int, error) { return s.in.Write(p) }

// endInput ends the far side's standard input; reading goes on.
func (s *stream) endInput() { _ = s.in.Close() }

// Stderr gives the last of what was said, with what the login shell said when
// it never ran the command.
func (s *stream) Stderr() string {
	said := s.tail.String()
	if s.pid.Load() == 0 {
		said = strings.TrimSpace(s.noise.String() + "\n" + said)
	}
	return said
}

func (s *stream) Wait() error {
	<-s.done
	return s.err
}

func (s *stream) Close() error {
	s.once.Do(func() {
		_ = s.in.CloseWithError(io.ErrClosedPipe)
		_ = s.out.CloseWithError(io.ErrClosedPipe)
		grace := orDefault(s.opts.Limits.Grace, host.DefaultGrace)
		select {
		case <-s.done:
		case <-time.After(grace):
			s.closeErr = s.kill(grace)
		}
		s.release()
	})
	return s.closeErr
}

// kill ends a session whose work does not stop. sshd sends no signals to
// root's sessions, so another session does; the launcher leads a process group
// of its own.
func (s *stream) kill(grace time.Duration) error {
	pid := s.pid.Load()
	err := errors.New("its process is not known")
	if pid > 0 && s.killer != nil {
		err = s.killer(pid)
	}
	_ = s.session.Close()
	if err == nil {
		select {
		case <-s.done:
			return fmt.Errorf("close the session on %s: process %d did not stop its work within %s and was killed", s.opts.Name, pid, grace)
		case <-time.After(time.Second):
			err = errors.New("it was killed and does not end")
		}
	}
	return fmt.Errorf("close the session on %s: its work did not stop within %s and may still run: %w", s.opts.Name, grace, err)
}

// output gives what a command line wrote, without surrounding space.
func (c *conn) output(ctx context.Context, o Options, args []string) (string, error) {
	s, err := c.start(ctx, o, args, func() {})
	if err != nil {
		return "", err
	}
	defer s.Close()
	s.endInput()
	b, err := io.ReadAll(io.LimitReader(s, 64<<10))
	if werr := s.Wait(); werr != nil {
		err = werr
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	return string(bytes.TrimSpace(b)), o.explain(err, s.Stderr())
}
