package looktime

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is how many the kernel counts in a second (sysconf(_SC_CLK_TCK)), which
// is 100 on every platform that it runs on today.
const ticks = 100

// cost is what the machines of a stage spend: processor time tells what a
// diagnosis takes of a machine whatever else runs on this one.
type cost struct {
	// places are folders that hold the programs of the machines.
	places []string
	before time.Duration
	stop   chan struct{}
	most   chan int64
}

// count begins to count.
func count(places []string) *cost {
	c := &cost{places: places, before: settled(), stop: make(chan struct{}), most: make(chan int64, 1)}
	go c.watch()
	return c
}

// end gives the processor time of all machines, and the most anonymous memory
// that one process of theirs had.
func (c *cost) end() (spent time.Duration, anonymous int64) {
	close(c.stop)
	return settled() - c.before, <-c.most
}

// watch looks at the memory of the programs every 20 ms.
func (c *cost) watch() {
	most := int64(0)
	for {
		select {
		case <-c.stop:
			c.most <- most
			return
		case <-time.After(20 * time.Millisecond):
			for _, pid := range processes() {
				if exe, err := os.Readlink("/proc/" + pid + "/exe"); err == nil && c.placed(exe) {
					most = max(most, anonymousOf(pid))
				}
			}
		}
	}
}

func (c *cost) placed(exe string) bool {
	for _, dir := range c.places {
		if strings.HasPrefix(exe, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

func anonymousOf(pid string) int64 {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	var kb int64
	_, _ = fmt.Sscan(rest, &kb)
	return kb << 10
}

// settled is the processor time of the ended children of this process's children,
// which are the sshd processes of the machines, once none of them has any left.
func settled() time.Duration {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		sum, left := int64(0), false
		mine := map[string]bool{}
		for _, pid := range processes() {
			if f := statOf(pid); len(f) > 14 && f[1] == strconv.Itoa(os.Getpid()) {
				mine[pid] = true
				for _, n := range f[13:15] { // cutime, cstime
					v, _ := strconv.ParseInt(n, 10, 64)
					sum += v
				}
			}
		}
		for _, pid := range processes() {
			f := statOf(pid)
			left = left || len(f) > 1 && mine[f[1]]
		}
		if !left || time.Now().After(end) {
			return time.Duration(sum) * time.Second / ticks
		}
	}
}

func processes() []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// statOf gives the fields of /proc/PID/stat behind the program's name
// (proc_pid_stat(5)): state, ppid, and so on.
func statOf(pid string) []string {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
}
