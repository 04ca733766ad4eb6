package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Child is the machine that this process runs on, reached through child
// processes. They get a process group of their own, so that an interrupt from
// the terminal reaches the coordinator alone, and end when their standard
// input ends, so that they do not outlive it.
type Child struct {
	// Binary is the path of salvor; this process's own when empty.
	Binary string
	// Env is added to this process's environment, as NAME=VALUE.
	Env []string
	// Name is what String gives, "child" when empty.
	Name string
	// Grace is how long a closed session may take before it is killed;
	// DefaultGrace when 0.
	Grace time.Duration
}

// String names the machine.
func (c Child) String() string {
	if c.Name == "" {
		return "child"
	}
	return c.Name
}

// Start runs the binary as a child process.
func (c Child) Start(ctx context.Context, args ...string) (Stream, error) {
	binary := c.Binary
	if binary == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find salvor's own binary for %s: %w", c, err)
		}
		binary = self
	}
	stdinR, stdinW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a session on %s: %w", c, err)
	}
	stdoutR, stdoutW, err := os.Pipe()
	if err != nil {
		_, _ = stdinR.Close(), stdinW.Close()
		return nil, fmt.Errorf("start a session on %s: %w", c, err)
	}
	defer stdinR.Close()
	defer stdoutW.Close()

	ctx, cancel := context.WithCancel(ctx)
	s := &childStream{
		in: stdinW, out: stdoutR, cancel: cancel, done: make(chan struct{}),
		grace: orDefault(c.Grace, DefaultGrace), name: c.String(),
	}
	s.cmd = exec.CommandContext(ctx, binary, args...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = stdinR, stdoutW, &s.tail
	s.cmd.Env = append(os.Environ(), c.Env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = s.disconnect
	s.cmd.WaitDelay = s.grace
	if err := s.cmd.Start(); err != nil {
		cancel()
		_, _ = stdinW.Close(), stdoutR.Close()
		return nil, fmt.Errorf("start %s for %s: %w", binary, c, err)
	}
	go func() {
		defer close(s.done)
		s.err = s.cmd.Wait()
		cancel()
	}()
	return s, nil
}

// childStream is a session in a child process.
type childStream struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	tail   Tail
	cancel context.CancelFunc
	done   chan struct{}
	err    error // written before done is closed
	grace  time.Duration
	name   string

	once     sync.Once
	closeErr error
}

func (s *childStream) Read(p []byte) (int, error)  { return s.out.Read(p) }
func (s *childStream) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *childStream) Stderr() string              { return s.tail.String() }

// disconnect breaks both pipes; exec.Cmd kills the process when it has not
// ended WaitDelay later. The returned error tells exec.Cmd not to report the
// context's end as the process's own error.
func (s *childStream) disconnect() error {
	_, _ = s.in.Close(), s.out.Close()
	return os.ErrProcessDone
}

func (s *childStream) Wait() error {
	<-s.done
	return s.err
}

func (s *childStream) Close() error {
	s.once.Do(func() {
		ended := false
		select {
		case <-s.done:
			ended = true
		default:
		}
		_ = s.disconnect()
		s.cancel() // starts the grace period
		<-s.done
		if !ended && s.killed() {
			s.closeErr = fmt.Errorf("close the session on %s: process %d did not stop its work within %s and was killed", s.name, s.cmd.Process.Pid, s.grace)
		}
	})
	return s.closeErr
}

// killed tells whether SIGKILL ended the process.
func (s *childStream) killed() bool {
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
