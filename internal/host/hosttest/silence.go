package hosttest

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host"
)

// testSilence: a coordinator vanishes without closing anything. Its work is
// stopped, and then its lock is free.
func testSilence(t *testing.T, f fixture) {
	quiet, err := host.Dial(f.ctx, f.open, host.DialOptions{Version: Version, StateDir: f.dir + "/state", Heartbeat: time.Hour, Silence: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	if err := quiet.Lock(f.ctx, host.NewOwner("case-1")); err != nil {
		t.Fatal(err)
	}
	stopped := f.dir + "/stopped"
	done := begin(f.ctx, t, quiet, block{Stopped: stopped})
	other := f.dial(t)
	for {
		err := other.Lock(f.ctx, host.NewOwner("case-2"))
		if err == nil {
			break
		}
		if !errors.Is(err, host.ErrLocked) || f.ctx.Err() != nil {
			t.Fatalf("the lock of a coordinator that has gone: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := os.Stat(stopped); err != nil {
		t.Errorf("the lock was free while work still ran: %v", err)
	}
	if err := <-done; err == nil {
		t.Error("the call of a coordinator that was taken for gone succeeded")
	}
}

// testHeartbeat: a coordinator that only waits is not taken for gone.
func testHeartbeat(t *testing.T, f fixture) {
	c, err := host.Dial(f.ctx, f.open, host.DialOptions{Version: Version, StateDir: f.dir + "/state", Heartbeat: 50 * time.Millisecond, Silence: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case <-c.Broken():
		t.Fatal("the connection ended although the coordinator was heard")
	case <-time.After(1200 * time.Millisecond):
	}
	if err := c.Lock(f.ctx, host.NewOwner("case-1")); err != nil {
		t.Error(err)
	}
}
