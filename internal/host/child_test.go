package host_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/host/hosttest"
)

// coordinate is a coordinator in a process of its own: it locks the state
// folder dir through a child, has it work, and waits to be killed.
func coordinate(dir string) {
	ctx := context.Background()
	c, err := host.Dial(ctx, host.Child{}, host.DialOptions{Version: hosttest.Version, StateDir: dir})
	if err == nil {
		err = c.Lock(ctx, host.NewOwner("killed"))
	}
	if err == nil {
		block := map[string]any{"Stopped": dir + "/stopped", "Linger": 100 * time.Millisecond}
		err = c.Call(ctx, "block", block, nil, func(host.Progress) { fmt.Println(c.Hello().PID) })
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestCoordinatorKilled(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	coordinator := exec.Command(self, "coordinator", dir)
	out, err := coordinator.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := coordinator.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	killErr := coordinator.Process.Kill()
	_ = coordinator.Wait() // "signal: killed"
	child, numErr := strconv.Atoi(strings.TrimSpace(said))
	if err = errors.Join(err, killErr, numErr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := host.Dial(ctx, host.Local{Run: hosttest.Command().Run}, host.DialOptions{Version: hosttest.Version, StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		err := c.Lock(ctx, host.NewOwner("next"))
		if err == nil {
			break
		}
		if !errors.Is(err, host.ErrLocked) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := os.Stat(dir + "/stopped"); err != nil {
		t.Errorf("the child gave the lock back before its work had stopped: %v", err)
	}
	for syscall.Kill(child, 0) == nil && !zombie(child) {
		if ctx.Err() != nil {
			t.Fatalf("child %d outlives its coordinator", child)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// zombie tells whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestChildHasItsOwnProcessGroup(t *testing.T) {
	c, err := host.Dial(t.Context(), host.Child{}, host.DialOptions{Version: hosttest.Version, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	group, err := syscall.Getpgid(c.Hello().PID)
	if err != nil || group != c.Hello().PID {
		t.Errorf("process group %d, %v", group, err)
	}
}

func TestFrozenChildIsKilled(t *testing.T) {
	c, err := host.Dial(t.Context(), host.Child{Grace: 100 * time.Millisecond}, host.DialOptions{
		Version: hosttest.Version, StateDir: t.TempDir(), CancelGrace: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := c.Hello().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// More than a pipe holds: the write itself blocks.
	if err := c.Call(ctx, "echo", []string{strings.Repeat("x", 1<<20)}, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call to a frozen child: %v", err)
	}
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("close: %v", err)
	}
	if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		t.Error("the frozen child is still there")
	}
}
