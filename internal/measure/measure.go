// Package measure says what a command costs: for the benchmarks. It needs Linux.
package measure

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Cost is what one run of a command took.
type Cost struct {
	Took time.Duration
	// CPU is user and system time: what a busy machine does not falsify.
	CPU time.Duration
	// Anonymous is the peak of anonymous memory in bytes, sampled every 10 ms.
	Anonymous int64
}

// Add makes one cost of two commands that run one after the other.
func (c Cost) Add(d Cost) Cost {
	return Cost{c.Took + d.Took, c.CPU + d.CPU, max(c.Anonymous, d.Anonymous)}
}

// Run runs a command to its end.
func Run(c *exec.Cmd) (Cost, error) {
	begin := time.Now()
	if err := c.Start(); err != nil {
		return Cost{}, err
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	var cost Cost
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case err := <-done:
			tick.Stop()
			cost.Took, cost.CPU = time.Since(begin), c.ProcessState.UserTime()+c.ProcessState.SystemTime()
			if err != nil {
				return cost, fmt.Errorf("%s: %w", c.Path, err)
			}
			return cost, nil
		case <-tick.C:
			cost.Anonymous = max(cost.Anonymous, anonymous(c.Process.Pid))
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

// Cold drops the page cache; it needs root.
func Cold() error {
	if err := exec.Command("sync").Run(); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// Load is how many processes wanted a core in the last minute, in the kernel's
// own words; empty where it does not say.
func Load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
