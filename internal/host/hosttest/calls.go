package hosttest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/host"
)

func testHello(t *testing.T, f fixture) {
	c := f.dial(t)
	h := c.Hello()
	if h.Version != Version || h.Protocol != host.Protocol || h.Hostname == "" || h.PID == 0 {
		t.Errorf("hello: %+v", h)
	}
	var got map[string]int
	if err := c.Call(f.ctx, "echo", map[string]int{"a": 7}, &got, nil); err != nil || got["a"] != 7 {
		t.Errorf("echo: %v, %v", got, err)
	}
}

func testVersionMismatch(t *testing.T, f fixture) {
	c, err := host.Dial(f.ctx, f.open, host.DialOptions{Version: "other", StateDir: f.dir})
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, host.ErrVersion) || !strings.Contains(err.Error(), Version) || !strings.Contains(err.Error(), "other") {
		t.Errorf("dial with another version: %v", err)
	}
}

func testUnknownCommand(t *testing.T, f fixture) {
	s, err := f.open.Start(f.ctx, "host", "dance")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Wait(); err == nil || !strings.Contains(s.Stderr(), "usage") {
		t.Errorf("an unknown command: %v, standard error %q", err, s.Stderr())
	}
}

func testConcurrent(t *testing.T, f fixture) {
	c := f.dial(t)
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var got int
			var last host.Progress
			err := c.Call(f.ctx, "meet", []int{n, i}, &got, func(p host.Progress) { last = p })
			want := host.Progress{Done: 1, Total: int64(i), Unit: "entries"}
			if err != nil || got != i || last != want {
				t.Errorf("call %d: result %d, progress %+v, %v", i, got, last, err)
			}
		})
	}
	wg.Wait()
}

func testProgress(t *testing.T, f fixture) {
	c := f.dial(t)
	var seen []host.Progress
	if err := c.Call(f.ctx, "count", []int64{100000}, nil, func(p host.Progress) { seen = append(seen, p) }); err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || seen[len(seen)-1] != (host.Progress{Done: 100000, Total: 100000, Unit: "entries", Note: "counting"}) {
		t.Fatalf("the last progress is missing: %v", seen)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i].Done <= seen[i-1].Done {
			t.Errorf("progress went from %d to %d", seen[i-1].Done, seen[i].Done)
		}
	}
	if len(seen) > 1000 {
		t.Errorf("%d reports: they are not held back", len(seen))
	}
}

// begin starts a "block" call and waits until it runs.
func begin(ctx context.Context, t *testing.T, c *host.Client, b block) <-chan error {
	t.Helper()
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Call(ctx, "block", b, nil, func(host.Progress) { close(begun) })
	}()
	select {
	case <-begun:
	case err := <-done:
		t.Fatal(err)
	}
	return done
}

func testCancel(t *testing.T, f fixture) {
	c := f.dial(t)
	ctx, cancel := context.WithCancel(f.ctx)
	b := block{Stopped: f.dir + "/stopped", Linger: 20 * time.Millisecond}
	done := begin(ctx, t, c, b)
	cancel()
	err := <-done
	var remote *host.RemoteError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &remote) || remote.Code != host.CodeCancelled {
		t.Errorf("a cancelled call: %v", err)
	}
	if _, err := os.Stat(b.Stopped); err != nil {
		t.Errorf("Call returned before the method stopped: %v", err)
	}
	if err := c.Call(f.ctx, "echo", nil, nil, nil); err != nil {
		t.Errorf("the connection is broken after a cancelled call: %v", err)
	}
}

func testCancelStubborn(t *testing.T, f fixture) {
	c, err := host.Dial(f.ctx, f.open, host.DialOptions{Version: Version, StateDir: f.dir, CancelGrace: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(f.ctx)
	done := begin(ctx, t, c, block{Stopped: f.dir + "/stopped", Linger: 300 * time.Millisecond})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may still run") {
		t.Errorf("a cancelled call that goes on: %v", err)
	}
}

func testRemoteError(t *testing.T, f fixture) {
	c := f.dial(t)
	err := c.Call(f.ctx, "fail", nil, nil, nil)
	var got *host.RemoteError
	if !errors.As(err, &got) {
		t.Fatalf("fail: %v", err)
	}
	want := &host.RemoteError{Host: c.Host(), Method: "fail", Code: "teapot", Message: "brew: no coffee", Hint: "use the kettle"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if errors.Is(err, host.ErrDisconnected) {
		t.Error("a method's error looks like a broken connection")
	}
	if err := c.Call(f.ctx, "missing", nil, nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for method, code := range map[string]string{"panic": host.CodePanic, "nothing": host.CodeUnknownMethod, "huge": host.CodeError, "meet": host.CodeBadRequest} {
		err := c.Call(f.ctx, method, map[string]string{"x": "y"}, nil, nil)
		if !errors.As(err, &got) || got.Code != code {
			t.Errorf("%s: %v, want code %s", method, err, code)
		}
	}
}

func testCloseStopsWork(t *testing.T, f fixture) {
	c := f.dial(t)
	b := block{Stopped: f.dir + "/stopped", Linger: 100 * time.Millisecond}
	done := begin(f.ctx, t, c, b)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.Stopped); err != nil {
		t.Errorf("Close returned before the running method stopped: %v", err)
	}
	if err := <-done; !errors.Is(err, host.ErrDisconnected) {
		t.Errorf("a call whose connection is closed: %v", err)
	}
	if err := c.Call(f.ctx, "echo", nil, nil, nil); !errors.Is(err, host.ErrDisconnected) {
		t.Errorf("a call after Close: %v", err)
	}
}

func testLock(t *testing.T, f fixture) {
	a, b := f.dial(t), f.dial(t)
	owner := host.NewOwner("case-1")
	for range 2 { // again on the same connection is harmless
		if err := a.Lock(f.ctx, owner); err != nil {
			t.Fatal(err)
		}
	}
	err := b.Lock(f.ctx, host.NewOwner("case-2"))
	var locked *host.LockedError
	if !errors.Is(err, host.ErrLocked) || !errors.As(err, &locked) {
		t.Fatalf("a second lock: %v", err)
	}
	if d := cmp.Diff(owner, locked.Owner); d != "" {
		t.Errorf("the refusal names another owner: %s", d)
	}
	if st, err := os.Stat(f.dir + "/state"); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("state folder: %v, %v", st, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(f.ctx, host.NewOwner("case-2")); err != nil {
		t.Errorf("the lock is not freed with its connection: %v", err)
	}
	if _, err := os.Stat(f.dir + "/state/lock"); err != nil {
		t.Error(err)
	}
}

func testLockUntilStopped(t *testing.T, f fixture) {
	a, b := f.dial(t), f.dial(t)
	if err := a.Lock(f.ctx, host.NewOwner("case-1")); err != nil {
		t.Fatal(err)
	}
	stopped := f.dir + "/stopped"
	done := begin(f.ctx, t, a, block{Stopped: stopped, Linger: 200 * time.Millisecond})
	closed := make(chan error, 1)
	go func() { closed <- a.Close() }()
	for b.Lock(f.ctx, host.NewOwner("case-2")) != nil {
		if f.ctx.Err() != nil {
			t.Fatal("the lock was never freed")
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := os.Stat(stopped); err != nil {
		t.Errorf("the lock was free while work still ran: %v", err)
	}
	if err := <-done; err == nil {
		t.Error("the call succeeded though its connection was closed")
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func testServerKilled(t *testing.T, f fixture) {
	a := f.dial(t)
	if !separate(a) {
		t.Skip("the server is this process")
	}
	if err := a.Lock(f.ctx, host.NewOwner("case-1")); err != nil {
		t.Fatal(err)
	}
	done := begin(f.ctx, t, a, block{Stopped: f.dir + "/stopped"})
	began := time.Now()
	killErr := a.Call(f.ctx, "kill", nil, nil, nil)
	for _, err := range []error{killErr, <-done} {
		if !errors.Is(err, host.ErrDisconnected) || !strings.Contains(err.Error(), "killed") {
			t.Errorf("a call to a killed server: %v", err)
		}
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("it took %s to notice", d)
	}
	select {
	case <-a.Broken():
	default:
		t.Error("Broken is not closed")
	}
	if err := f.dial(t).Lock(f.ctx, host.NewOwner("case-2")); err != nil {
		t.Errorf("the lock outlives its killed holder: %v", err)
	}
}

func testStat(t *testing.T, f fixture) {
	c := f.dial(t)
	path := f.dir + "/file"
	if err := os.WriteFile(path, []byte("12345"), 0o640); err != nil {
		t.Fatal(err)
	}
	got, err := c.Stat(f.ctx, path)
	if err != nil || got.Size != 5 || got.Mode != 0o640 || got.Dir {
		t.Errorf("stat: %+v, %v", got, err)
	}
	if _, err := c.Stat(f.ctx, f.dir+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of nothing: %v", err)
	}
}
