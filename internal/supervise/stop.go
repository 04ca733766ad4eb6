package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

const (
	// stopLimit is how long a member may take to end on SIGTERM: one without a
	// quorum waits for requests that nobody will answer. What it acknowledged
	// is in its log, synced, so that SIGKILL after that loses nothing.
	stopLimit = 3 * time.Second
	// killLimit is how long it may take to vanish after SIGKILL.
	killLimit = 15 * time.Second
	// stopSettle is how long a stopped member must stay down.
	stopSettle = 1500 * time.Millisecond
)

// Stop ends the member and makes sure that it stays down: SIGTERM (or systemd's
// own stop, after its unit was kept from being started by anybody until Start or
// Unhold), and SIGKILL after 3 s; then nothing may hold its files for
// another 1.5 s. When something else starts it again, the error names that
// process and its parent, and the member runs. Stopping what does not run is a
// success.
func Stop(ctx context.Context, m cluster.Member) error {
	if m.Run.Systemd != "" {
		if err := fenceUnit(ctx, m.Run.Systemd); err != nil {
			return fmt.Errorf("stop %s: %w", m.Name, err)
		}
		if err := stopUnit(ctx, unitName(m.Run.Systemd), stopLimit); err != nil {
			return fmt.Errorf("stop %s: %w", m.Name, err)
		}
		return staysDown(ctx, m, nil)
	}
	all, err := findAll(m)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return staysDown(ctx, m, nil)
	}
	if !isMember(m, all[0].Command) {
		return fmt.Errorf("stop %s: process %d (%s, started by %s) holds its files, but it is neither etcd nor the command in salvor.yaml, so it is left alone: end it yourself",
			m.Name, all[0].PID, cut(strings.Join(all[0].Command, " "), 200), parentOf(all[0].PID))
	}
	if err := end(ctx, all[0], stopLimit); err != nil {
		return fmt.Errorf("stop %s: %w", m.Name, err)
	}
	// The others are wrappers, which end with it, or look after it: then they
	// start it again, and that is for a person to stop.
	wrappers := all[1:]
	if err := staysDown(ctx, m, wrappers); err != nil {
		return err
	}
	for _, p := range wrappers {
		if !isMember(m, p.Command) {
			continue
		}
		if err := end(ctx, p, stopLimit); err != nil {
			return fmt.Errorf("stop %s: %w", m.Name, err)
		}
	}
	return nil
}

// Unhold lets a stopped member be started again by whoever wants to; it starts
// nothing itself. Only units are held back so.
func Unhold(ctx context.Context, m cluster.Member) error {
	if m.Run.Systemd == "" {
		return nil
	}
	return unfenceUnit(ctx, m.Run.Systemd)
}

// HeldBack tells whether the member's unit is kept from being started.
func HeldBack(m cluster.Member) bool { return m.Run.Systemd != "" && fenced(m.Run.Systemd) != "" }

// isMember tells whether a process may be signalled as the member: it runs
// etcd, or the very program that salvor.yaml gives for it. A backup job or an
// operator's copy has the member's files open too, and is nobody's to kill.
func isMember(m cluster.Member, command []string) bool {
	if len(command) == 0 {
		return false
	}
	program := filepath.Base(command[0])
	if program == "etcd" {
		return true
	}
	return m.Run.Process != nil && len(m.Run.Process.Command) > 0 && program == filepath.Base(m.Run.Process.Command[0])
}

// end ends one process, by SIGTERM and, after limit, by SIGKILL. The handle that os.FindProcess opens keeps naming the
// same process even if its number is given to another.
func end(ctx context.Context, old cluster.ProcessFacts, limit time.Duration) error {
	p, err := os.FindProcess(old.PID)
	if err != nil {
		return fmt.Errorf("process %d: %w", old.PID, err)
	}
	defer p.Release()
	// Asked after the handle was opened: it still names the member.
	if !alive(old.PID, old.Since) {
		return nil
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := p.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("send %s to process %d: %w", signal, old.PID, err)
		}
		if signal == syscall.SIGKILL {
			limit = killLimit
		}
		for end := time.Now().Add(limit); time.Now().Before(end); {
			if !alive(old.PID, old.Since) {
				return nil
			}
			if err := sleep(ctx, look); err != nil {
				return fmt.Errorf("process %d: %w", old.PID, err)
			}
		}
	}
	return fmt.Errorf("process %d does not end even on SIGKILL: it hangs in the kernel, probably on a disk; only a restart of the machine helps", old.PID)
}

// staysDown watches for a while that nothing but its known wrappers runs the
// member.
func staysDown(ctx context.Context, m cluster.Member, wrappers []cluster.ProcessFacts) error {
	for end := time.Now().Add(stopSettle); ; {
		all, err := findAll(m)
		if err != nil {
			return err
		}
		for _, f := range all {
			if !slices.ContainsFunc(wrappers, func(w cluster.ProcessFacts) bool { return w.PID == f.PID && w.Since.Equal(f.Since) }) {
				return fmt.Errorf("stop %s: it does not stay down: process %d (%s) runs it, started by %s; stop that first",
					m.Name, f.PID, cut(strings.Join(f.Command, " "), 200), parentOf(f.PID))
			}
		}
		if time.Now().After(end) {
			return nil
		}
		if err := sleep(ctx, 3*look); err != nil {
			return fmt.Errorf("stop %s: %w", m.Name, err)
		}
	}
}

// parentOf describes the parent of a process, for people.
func parentOf(pid int) string {
	table, err := processes()
	if err != nil {
		return "an unknown process"
	}
	parent := 0
	for _, p := range table {
		if p.pid == pid {
			parent = p.parent
		}
	}
	if parent == os.Getpid() {
		return fmt.Sprintf("process %d (this one)", parent)
	}
	for _, p := range table {
		if p.pid == parent {
			return fmt.Sprintf("process %d (%s)", parent, cut(strings.Join(p.command, " "), 200))
		}
	}
	return fmt.Sprintf("process %d", parent)
}
