package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Start starts every member that does not run and waits until the cluster
// serves a linearizable read through each of them.
func (c *Cluster) Start(ctx context.Context) error {
	if err := c.Launch(); err != nil {
		return err
	}
	return c.Ready(ctx)
}

// Launch starts every member that does not run and waits for nothing.
func (c *Cluster) Launch() error {
	for _, m := range c.members {
		if pids, err := c.running(m.name); err != nil {
			return err
		} else if len(pids) > 0 {
			continue
		}
		if err := c.launch(m.name); err != nil {
			return err
		}
	}
	return nil
}

// launch starts one member in a session of its own, as an init system would,
// with extra arguments after those of Config.
func (c *Cluster) launch(name string, extra ...string) error {
	log, err := os.OpenFile(c.LogPath(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start member %s: %w", name, err)
	}
	defer log.Close()
	line := append(c.memberCommand(name), extra...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start member %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }() // only reaps: the exit shows in the log and in /proc
	return nil
}

// Kill sends SIGKILL to every process that runs the member, whoever started
// it, and returns when they are gone. A member that does not run is no error.
func (c *Cluster) Kill(name string) error { return c.signal(name, syscall.SIGKILL, 5*time.Second) }

// KillAll kills every member, all before waiting for any.
func (c *Cluster) KillAll() error {
	return c.each(func(name string) error { return c.Kill(name) })
}

// stopPatience bounds a clean stop: etcd itself allows 7 s for handing over.
const stopPatience = 15 * time.Second

// Stop ends all members cleanly, so that their db files hold everything. The
// leader goes last: it would wait long for a successor that is stopping too.
func (c *Cluster) Stop(ctx context.Context) error {
	leader, err := c.Leader(ctx)
	if err != nil {
		leader = c.members[0].name // no leader, nothing to hand over
	}
	err = c.each(func(name string) error {
		if name == leader {
			return nil
		}
		return c.signal(name, syscall.SIGTERM, stopPatience)
	})
	if err != nil {
		return err
	}
	return c.signal(leader, syscall.SIGTERM, stopPatience)
}

func (c *Cluster) each(do func(name string) error) error {
	failed := make(chan error, len(c.members))
	for _, m := range c.members {
		go func() { failed <- do(m.name) }()
	}
	var errs []error
	for range c.members {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// PIDs gives the processes that run a member now, whoever started them.
func (c *Cluster) PIDs(name string) ([]int, error) {
	found, err := c.running(name)
	var pids []int
	for _, p := range found {
		pids = append(pids, p.Pid)
	}
	return pids, err
}

func (c *Cluster) signal(name string, sig syscall.Signal, patience time.Duration) error {
	found, err := c.running(name)
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal member %s (pid %d): %w", name, p.Pid, err)
		}
	}
	deadline := time.Now().Add(patience)
	for _, p := range found {
		for !c.ended(name, p.Pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("stop member %s: pid %d still runs %s after %s", name, p.Pid, patience, sig)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}

// ended tells whether a process that ran the member is gone with all its
// threads. A dying process loses its command line (its memory) before its files
// and ports, and its first thread may end before the others: then the next
// start would find the port taken.
func (c *Cluster) ended(name string, pid int) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(line) > 0 && !names(line, c.configPath(name)) {
		return true // the number is another process's by now
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return true
	}
	// proc_pid_stat(5): after the name in parentheses, the state is the first
	// field and the number of threads the eighteenth.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(f) > 17 && f[0] == "Z" && (f[17] == "0" || f[17] == "1")
}

// running finds a member's processes by the configuration file on their
// command line. A zombie has no command line and does not count.
func (c *Cluster) running(name string) ([]*os.Process, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, fmt.Errorf("find member %s: %w", name, err)
	}
	var found []*os.Process
	for _, path := range lines {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() || !runs(path, c.configPath(name)) {
			continue
		}
		p, err := os.FindProcess(pid) // holds the process, not only its number
		if err == nil && runs(path, c.configPath(name)) {
			found = append(found, p)
		}
	}
	return found, nil
}

func runs(cmdline, config string) bool {
	line, err := os.ReadFile(cmdline)
	return err == nil && names(line, config)
}

// names tells whether a command line, as /proc gives it, names a member's
// configuration.
func names(line []byte, config string) bool {
	args := strings.Split(string(line), "\x00")
	for i, a := range args {
		if a == "--config-file="+config || (a == config && i > 0 && args[i-1] == "--config-file") {
			return true
		}
	}
	return false
}
