package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// result is one measured run in a process of its own.
type result struct {
	Seconds float64 `json:"seconds"`
	// Note is what the run has to say of itself.
	Note string `json:"note"`
	// cpu is user and system time in seconds: what a busy machine does not
	// falsify.
	cpu float64
	// anonymous is the peak of anonymous memory in bytes, sampled.
	anonymous int64
}

// run starts this program again for one task, and watches its memory.
func run(ctx context.Context, task string, args ...string) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	c := exec.CommandContext(ctx, self, append([]string{"-task", task}, args...)...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := c.Start(); err != nil {
		return result{}, err
	}
	stop, peak := make(chan struct{}), make(chan int64)
	go watch(c.Process.Pid, stop, peak)
	var r result
	decodeErr := json.NewDecoder(out).Decode(&r)
	close(stop)
	r.anonymous = <-peak
	if err := c.Wait(); err != nil {
		return r, fmt.Errorf("%s: %w", task, err)
	}
	r.cpu = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	return r, decodeErr
}

// watch samples a process's anonymous memory every 10 ms.
func watch(pid int, stop <-chan struct{}, peak chan<- int64) {
	var most int64
	for {
		select {
		case <-stop:
			peak <- most
			return
		case <-time.After(10 * time.Millisecond):
			most = max(most, anonymous(pid))
		}
	}
}

// anonymous reads RssAnon of /proc/PID/status.
func anonymous(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// cold drops the page cache; it needs root.
func cold() error {
	if err := exec.Command("sync").Run(); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// warm reads a file once.
func warm(path string) error {
	_, err := cat(path)
	return err
}
