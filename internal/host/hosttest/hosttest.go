// Package hosttest is the conformance suite of host's transports: each of them
// must pass Run.
package hosttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host"
)

// Version is the version of Command.
const Version = "1.2.3-test"

// Run tries the transport that open makes. Its sessions must run Command, on
// a machine that shares this one's files; open is called once a test.
func Run(t *testing.T, open func(t *testing.T) host.Transport) {
	for _, c := range []struct {
		name string
		test func(*testing.T, fixture)
	}{
		{"Hello", testHello},
		{"VersionMismatch", testVersionMismatch},
		{"UnknownCommand", testUnknownCommand},
		{"ConcurrentCallsWithProgress", testConcurrent},
		{"ProgressInOrder", testProgress},
		{"Cancel", testCancel},
		{"CancelStubborn", testCancelStubborn},
		{"RemoteError", testRemoteError},
		{"CloseStopsWork", testCloseStopsWork},
		{"Lock", testLock},
		{"LockOutlivesTheConnectionUntilWorkStops", testLockUntilStopped},
		{"ServerKilled", testServerKilled},
		{"SilentCoordinatorIsGone", testSilence},
		{"HeartbeatKeepsTheConnection", testHeartbeat},
		{"Mirror", testMirror},
		{"Stat", testStat},
		{"Relay", testRelay},
		{"RelayResumes", testRelayResumes},
		{"RelayCorruptPart", testRelayCorruptPart},
		{"RelayFolder", testRelayFolder},
		{"RelayRefusesOtherContent", testRelayRefuses},
		{"RelayErrors", testRelayErrors},
		{"FetchAndPut", testFetchAndPut},
		{"PutContent", testPutContent},
		{"PutSealed", testPutSealed},
		{"PutContentOfASlowSource", testPutContentSlow},
		{"Pour", testPour},
		{"PourFails", testPourFails},
		{"PourStops", testPourStops},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkGoroutines(t)
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			t.Cleanup(cancel)
			c.test(t, fixture{ctx: ctx, open: open(t), dir: t.TempDir()})
		})
	}
}

// fixture is what one test works with.
type fixture struct {
	ctx  context.Context
	open host.Transport
	dir  string
}

// dial connects, and closes at the test's end; it also checks that the
// server's process is gone then.
func (f fixture) dial(t *testing.T) *host.Client {
	t.Helper()
	c, err := host.Dial(f.ctx, f.open, host.DialOptions{Version: Version, StateDir: f.dir + "/state"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		pid := c.Hello().PID
		if pid != os.Getpid() && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			t.Errorf("process %d outlives its connection", pid)
		}
	})
	return c
}

// separate tells whether the server is a process of its own.
func separate(c *host.Client) bool { return c.Hello().PID != os.Getpid() }

// Command is salvor's command line with the methods that the suite calls.
func Command() host.Command {
	return host.Command{Version: Version, Methods: methods, Springs: springs()}
}

// block is the parameter of the method "block".
type block struct {
	// Stopped is a file that is written when the method has been cancelled
	// and has stopped.
	Stopped string
	// Linger is how long stopping takes.
	Linger time.Duration
}

func methods(string) host.Methods {
	m := meeting{all: make(chan struct{})}
	return host.Methods{
		"echo":  func(_ context.Context, p json.RawMessage, _ func(host.Progress)) (any, error) { return p, nil },
		"meet":  m.meet,
		"count": count,
		"block": blockUntilCancelled,
		"fail": func(context.Context, json.RawMessage, func(host.Progress)) (any, error) {
			f := &host.Failure{Code: "teapot", Hint: "use the kettle", Err: errors.New("no coffee")}
			return nil, fmt.Errorf("brew: %w", f)
		},
		"missing": func(context.Context, json.RawMessage, func(host.Progress)) (any, error) {
			return os.ReadFile("/no/such/file")
		},
		"panic": func(context.Context, json.RawMessage, func(host.Progress)) (any, error) { panic("test") },
		"huge": func(context.Context, json.RawMessage, func(host.Progress)) (any, error) {
			return make([]byte, 26<<20), nil
		},
		"kill": func(ctx context.Context, _ json.RawMessage, _ func(host.Progress)) (any, error) {
			return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
		},
	}
}

// meeting lets calls wait for each other.
type meeting struct {
	mu   sync.Mutex
	here int
	all  chan struct{}
}

// meet returns when as many calls as its parameter says are in it.
func (m *meeting) meet(ctx context.Context, p json.RawMessage, progress func(host.Progress)) (any, error) {
	n, err := host.Params[[]int](p)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.here++
	if m.here == n[0] {
		close(m.all)
	}
	m.mu.Unlock()
	progress(host.Progress{Done: 1, Total: int64(n[1]), Unit: "entries"})
	select {
	case <-m.all:
		return n[1], nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// count reports progress as fast as it can.
func count(_ context.Context, p json.RawMessage, progress func(host.Progress)) (any, error) {
	n, err := host.Params[[]int64](p)
	if err != nil {
		return nil, err
	}
	for i := range n[0] {
		progress(host.Progress{Done: i + 1, Total: n[0], Unit: "entries", Note: "counting"})
	}
	return nil, nil
}

func blockUntilCancelled(ctx context.Context, p json.RawMessage, progress func(host.Progress)) (any, error) {
	b, err := host.Params[block](p)
	if err != nil {
		return nil, err
	}
	progress(host.Progress{Note: "begun"})
	<-ctx.Done()
	time.Sleep(b.Linger)
	if err := os.WriteFile(b.Stopped, nil, 0o600); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("stopped: %w", ctx.Err())
}
