package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/lab/proc"
)

// cgroups are the hierarchies in which each machine gets a folder of its own,
// so that two machines' systemds and pods never meet.
const cgroups = "/sys/fs/cgroup"

// Boot switches a machine on and returns when its init runs. It does not wait
// for anything in it; see Ready.
func (s Site) Boot(ctx context.Context, m Machine) error {
	pid, err := Init(ctx, m)
	if err != nil || pid != 0 {
		return err
	}
	if err := forget(ctx, m); err != nil {
		return err
	}
	if err := reconnect(ctx, m); err != nil {
		return err
	}
	if err := s.Mount(ctx, m); err != nil {
		return err
	}
	console, err := os.OpenFile(s.Console(m), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer console.Close()
	// The shell moves itself into the machine's cgroups, lets go of the other
	// machines' disks and networks in a mount namespace of its own (nspawn would
	// hold them, hidden under the machine's root, as long as it runs), and
	// becomes nspawn.
	const enter = `for d in $1; do echo $$ > "$d/cgroup.procs" || exit 1; done; umount -l $2; shift 2; exec "$@"`
	folders, err := groups(m)
	if err != nil {
		return err
	}
	foreign, err := s.foreign(m)
	if err != nil {
		return err
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private",
		"sh", "-c", enter, "sh", strings.Join(folders, " "), strings.Join(foreign, " "),
		"systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--console=pipe",
		"--machine="+m.namespace(), "--hostname="+m.Name,
		"--network-namespace-path=/run/netns/"+m.namespace(), "--capability=all",
		"--bind="+s.Containerd(m)+":/var/lib/containerd", "--bind=/dev/kmsg",
		"-D", s.Root(m), "--boot")
	cmd.Env = append(os.Environ(), "SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes")
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("boot %s: %w", m.Name, err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }() // a machine may end while this process still runs
	return s.initRuns(ctx, m, gone)
}

// foreign are the mounts of all machines but m.
func (s Site) foreign(m Machine) ([]string, error) {
	disks, err := mounts(filepath.Join(s.Dir, "machines"))
	if err != nil {
		return nil, err
	}
	networks, err := mounts("/run/netns")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, at := range append(disks, networks...) {
		own := strings.HasPrefix(at, s.folder(m)+"/") || at == "/run/netns/"+m.namespace()
		if !own && (strings.HasPrefix(at, s.Dir) || strings.HasPrefix(at, "/run/netns/"+prefix)) {
			all = append(all, at)
		}
	}
	return all, nil
}

func (s Site) initRuns(ctx context.Context, m Machine, gone <-chan error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		select {
		case err := <-gone:
			return fmt.Errorf("boot %s: systemd-nspawn ended (%w): read %s", m.Name, err, s.Console(m))
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return fmt.Errorf("boot %s: no init in 20 s: read %s", m.Name, s.Console(m))
		case <-tick.C:
			if pid, err := Init(ctx, m); err != nil || pid != 0 {
				return err
			}
		}
	}
}

// Ready waits until a machine's sshd answers.
func Ready(ctx context.Context, m Machine, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", m.Addr+":22")
		if err == nil {
			_ = conn.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for sshd of %s: %w", m.Name, errors.Join(ctx.Err(), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Init is the process ID, on this box, of the machine's init; 0 means that
// the machine is off. It is found by the machine's network namespace, so also
// when systemd-nspawn itself is gone.
func Init(ctx context.Context, m Machine) (int, error) {
	if _, err := os.Stat("/run/netns/" + m.namespace()); err != nil {
		return 0, nil //nolint:nilerr // without a network there was never a machine
	}
	pids, err := members(ctx, m.namespace())
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		if ids := pidsOf(pid); len(ids) == 2 && ids[1] == "1" {
			return pid, nil
		}
	}
	return 0, nil
}

// members are all processes in a network namespace.
func members(ctx context.Context, namespace string) ([]int, error) {
	out, err := proc.Cmd{Args: []string{"ip", "netns", "pids", namespace}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, word := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// pidsOf are the IDs of a process in all PID namespaces from this one down.
func pidsOf(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(string(data), "\n") {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(ids)
		}
	}
	return nil
}

// Cut takes a machine's power away: every process in it is killed at once.
// What it had written stays, also what it had not yet synced.
func (s Site) Cut(ctx context.Context, m Machine) error {
	pid, err := Init(ctx, m)
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cut power of %s: %w", m.Name, err)
	}
	return off(ctx, m, 10*time.Second)
}

// Stop shuts a machine down as its own poweroff does.
func (s Site) Stop(ctx context.Context, m Machine) error {
	pid, err := Init(ctx, m)
	if err != nil || pid == 0 {
		return err
	}
	// systemd's SIGRTMIN+4 starts poweroff.target.
	if err := syscall.Kill(pid, syscall.Signal(34+4)); err != nil {
		return fmt.Errorf("stop %s: %w", m.Name, err)
	}
	return off(ctx, m, 60*time.Second)
}

// off waits until nothing of a machine runs any more.
func off(ctx context.Context, m Machine, limit time.Duration) error {
	for end := time.Now().Add(limit); ; {
		pids, err := members(ctx, m.namespace())
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("switch off %s: processes %v still run", m.Name, pids)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// groups makes the machine's cgroups and gives their folders.
func groups(m Machine) ([]string, error) {
	all, err := filepath.Glob(cgroups + "/*/cgroup.procs")
	if err != nil {
		return nil, err
	}
	if len(all) == 0 { // one hierarchy of version 2
		all = []string{cgroups + "/cgroup.procs"}
	}
	var folders []string
	for _, path := range all {
		top := filepath.Dir(path)
		if filepath.Base(top) == "cpuset" {
			continue // a new folder of it has no CPUs
		}
		dir := filepath.Join(top, "salvor-lab", m.Name)
		// A real machine comes up without the groups of its earlier life. A
		// kubelet spends three seconds on each container that is no more.
		removeTree(dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make cgroup of %s: %w", m.Name, err)
		}
		folders = append(folders, dir)
	}
	return folders, nil
}

// Memory is what a machine's processes hold in memory, in bytes, without the
// page cache.
func Memory(m Machine) (int64, error) {
	data, err := os.ReadFile(filepath.Join(cgroups, "memory", "salvor-lab", m.Name, "memory.stat"))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(data), "\n") {
		if n, ok := strings.CutPrefix(line, "total_rss "); ok {
			return strconv.ParseInt(n, 10, 64)
		}
	}
	return 0, fmt.Errorf("read memory of %s: no total_rss", m.Name)
}
