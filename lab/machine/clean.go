package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/lab/proc"
)

// Clean removes everything that any lab left on this box but its folder:
// processes, cgroups, networks and mounts. It goes by names, not by a state
// file, and may be repeated.
func Clean(ctx context.Context, dir string) error {
	spaces, err := namespaces(ctx)
	if err != nil {
		return err
	}
	for _, ns := range spaces {
		if err := killAll(ctx, ns); err != nil {
			return err
		}
		if err := forget(ctx, Machine{Name: strings.TrimPrefix(ns, prefix)}); err != nil {
			return err
		}
	}
	if err := unmountBelow(ctx, dir); err != nil {
		return err
	}
	removeGroups()
	return disconnect(ctx)
}

// killAll kills all processes in a network namespace. Those are the machine's:
// its init takes the others along.
func killAll(ctx context.Context, namespace string) error {
	for end := time.Now().Add(20 * time.Second); ; {
		pids, err := members(ctx, namespace)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("kill processes of %s: %v still run", namespace, pids)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d of %s: %w", pid, namespace, err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// forget removes what systemd-nspawn leaves behind when its machine is killed,
// and refuses to boot over.
func forget(ctx context.Context, m Machine) error {
	dir := filepath.Join("/run/systemd/nspawn/propagate", m.namespace())
	if _, err := os.Stat(dir); err != nil {
		return nil //nolint:nilerr // nothing was left
	}
	if err := unmountBelow(ctx, dir); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what nspawn left: %w", err)
	}
	return nil
}

// unmountBelow takes away all mounts at and below a folder, the last first.
func unmountBelow(ctx context.Context, dir string) error {
	all, err := mounts(dir)
	if err != nil {
		return err
	}
	sort.Sort(sort.Reverse(sort.StringSlice(all)))
	for _, at := range all {
		if err := proc.Run(ctx, "umount", at); err == nil {
			continue
		}
		if err := proc.Run(ctx, "umount", "-l", at); err != nil {
			return err
		}
	}
	return nil
}

// mounts are the mount points at and below a folder.
func mounts(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 4 && (fields[4] == dir || strings.HasPrefix(fields[4], dir+"/")) {
			all = append(all, fields[4])
		}
	}
	return all, nil
}

// removeGroups removes the lab's cgroups. Processes leave them a little after
// they were killed; a group that stays busy does no harm.
func removeGroups() {
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		tops, _ := filepath.Glob(cgroups + "/*/salvor-lab")
		if _, err := os.Stat(cgroups + "/salvor-lab"); err == nil {
			tops = append(tops, cgroups+"/salvor-lab")
		}
		if len(tops) == 0 {
			return
		}
		for _, top := range tops {
			removeTree(top)
		}
	}
}

// removeTree removes empty cgroups, the innermost first.
func removeTree(top string) {
	var dirs []string
	_ = filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		_ = os.Remove(dirs[i])
	}
}
