package host

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"
)

// Transport is a way to run the salvor binary on a machine.
type Transport interface {
	// Start runs the binary there with these arguments and connects its
	// standard streams. The session lasts until it ends by itself, is closed,
	// or ctx ends, which has the effect of Close.
	Start(ctx context.Context, args ...string) (Stream, error)
	// String names the machine in messages.
	String() string
}

// Stream is one session: Read reads the other side's standard output, Write
// writes its standard input. Read and Write may run at the same time.
type Stream interface {
	io.Reader
	io.Writer
	// Close ends the other side's standard input, unblocks Read and Write,
	// and waits until the other side has stopped its work and ended. After a
	// grace period the other side is killed, which is an error. Closing twice
	// is harmless.
	Close() error
	// Wait waits for the other side's end and gives its error.
	Wait() error
	// Stderr gives the last lines that the other side wrote to its standard
	// error, for messages.
	Stderr() string
}

// DefaultGrace is how long a closed session may take to stop its work.
const DefaultGrace = 10 * time.Second

// tailSize is how much of a session's standard error is kept, in bytes.
const tailSize = 4 << 10

// Tail keeps the last 4 KiB that were written to it: what a program said before
// it failed, for messages. Its zero value is ready, also for several writers.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - tailSize; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

// String gives what was kept, without surrounding space.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}

// orDefault gives d when v is not positive.
func orDefault(v, d time.Duration) time.Duration {
	if v <= 0 {
		return d
	}
	return v
}
