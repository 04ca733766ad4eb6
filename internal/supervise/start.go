package supervise

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

const (
	// startLimit is how long a member may take until its client port accepts:
	// etcd opens it before it reads its data.
	startLimit = 60 * time.Second
	// startSettle is how long a process must have lived: etcd refuses wrong
	// flags, a taken port or a strange cluster within that time.
	startSettle = time.Second
	look        = 50 * time.Millisecond
)

// Start starts the member and waits until its process has lived for a second
// and one of its client ports accepts. When the process dies meanwhile, the
// error is the last fatal line of its log. A member that runs already is only
// waited for. The started process outlives this one.
func Start(ctx context.Context, m cluster.Member, o Override) (cluster.ProcessFacts, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("its client port %s does not accept after %s",
		strings.Join(m.ClientURLs, ","), startLimit))
	defer cancel()
	facts, err := find(m)
	if err != nil {
		return facts, err
	}
	why := func() string { return "it was running and went away" }
	file, settle := "", startSettle
	switch {
	case m.Run.Systemd != "":
		return startUnit(ctx, m, o)
	case facts.Running:
		settle = 0
	case m.Run.Process == nil || len(m.Run.Process.Command) == 0:
		return facts, fmt.Errorf("start %s: the configuration has neither a systemd unit nor a command for it", m.Name)
	default:
		if facts, why, file, err = launch(m, o); err != nil {
			return facts, err
		}
	}
	if facts, err = await(ctx, m, facts, settle, why); err != nil {
		return facts, err
	}
	return facts, endOverride(file)
}

// launch starts the command, detached, and gives its process, a function that
// explains its death and the configuration file that was written for it, if any.
func launch(m cluster.Member, o Override) (facts cluster.ProcessFacts, why func() string, file string, err error) {
	p, file, err := o.process(m)
	if err != nil {
		return facts, nil, "", fmt.Errorf("start %s: %w", m.Name, err)
	}
	log, err := openLog(p.Log)
	if err != nil {
		return facts, nil, "", fmt.Errorf("start %s: %w", m.Name, err)
	}
	defer log.Close()
	from, err := log.Seek(0, 2)
	if err != nil {
		return facts, nil, "", fmt.Errorf("start %s: %w", m.Name, err)
	}
	cmd := exec.Command(p.Command[0], p.Command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, p.Env...)
	cmd.Dir = p.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	// Files, not pipes: the process writes on when salvor is gone.
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = detached()
	if err := as(cmd, m.DataDir, p.User); err != nil {
		return facts, nil, "", fmt.Errorf("start %s: %w", m.Name, err)
	}
	closeOnExec()
	if err := cmd.Start(); err != nil {
		return facts, nil, "", fmt.Errorf("start %s: %w", m.Name, err)
	}
	facts = cluster.ProcessFacts{Running: true, PID: cmd.Process.Pid, Since: startOf(cmd.Process.Pid), Command: p.Command}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	why = func() string {
		state := "it ended"
		select {
		case err := <-ended:
			if err != nil {
				state = "it ended with " + err.Error()
			}
		case <-time.After(time.Second):
		}
		line := lastWords(tail(p.Log, from))
		if line == "" {
			return state + " and left no word in its log"
		}
		return state + ": " + line
	}
	return facts, why, file, nil
}

// endOverride removes a configuration file that was written for one start;
// etcd has read it.
func endOverride(file string) error {
	if file == "" {
		return nil
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("end override: %w", err)
	}
	return nil
}

func openLog(path string) (*os.File, error) {
	if path == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// await waits until the process has settled and its port accepts. A command may
// hand over to another process and end.
func await(ctx context.Context, m cluster.Member, facts cluster.ProcessFacts, settle time.Duration, why func() string) (cluster.ProcessFacts, error) {
	for begin := time.Now(); ; {
		if !alive(facts.PID, facts.Since) {
			other, err := find(m)
			if err != nil {
				return facts, err
			}
			if !other.Running {
				return other, fmt.Errorf("start %s: %s", m.Name, why())
			}
			facts = other
		}
		if time.Since(begin) > settle && Accepts(ctx, m) && alive(facts.PID, facts.Since) {
			break
		}
		if err := sleep(ctx, look); err != nil {
			return facts, fmt.Errorf("start %s: %w", m.Name, context.Cause(ctx))
		}
	}
	// The command may be a wrapper around the process that counts.
	if inner, err := find(m); err == nil && inner.Running {
		return inner, nil
	}
	return facts, nil
}

// Accepts tells whether one of the member's client ports accepts connections.
func Accepts(ctx context.Context, m cluster.Member) bool {
	for _, raw := range m.ClientURLs {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		network, address := "tcp", u.Host
		if strings.HasPrefix(u.Scheme, "unix") {
			network, address = "unix", u.Host+u.Path
		}
		dialer := net.Dialer{Timeout: time.Second}
		if c, err := dialer.DialContext(ctx, network, address); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
