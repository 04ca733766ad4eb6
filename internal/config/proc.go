package config

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// process is what /proc (proc(5)) tells of one process.
type process struct {
	pid     int
	root    string // /proc/PID
	command []string
	// exe is the program's file, empty when it cannot be seen or was replaced
	// on disk.
	exe string
	dir string
	env []string
	// envKnown is false when the environment may not be read.
	envKnown bool
	// unit is the systemd service of the process's control group.
	unit string
	// container is true when the process sees other file systems than ours
	// and lies in a container's control group.
	container bool
	// pod is true for a container of Kubernetes.
	pod bool
}

// processes lists all but this one. What ends meanwhile is left out.
func processes(root string) ([]process, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("read process table (salvor finds processes on Linux only): %w", err)
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, ok := readProcess(root, pid); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return a.pid - b.pid })
	return all, nil
}

func readProcess(root string, pid int) (process, bool) {
	p := process{pid: pid, root: filepath.Join(root, strconv.Itoa(pid))}
	b, err := os.ReadFile(filepath.Join(p.root, "cmdline"))
	if err != nil || len(b) == 0 {
		return p, false // ended, or a thread of the kernel
	}
	p.command = zeroSeparated(b)
	if exe, err := os.Readlink(filepath.Join(p.root, "exe")); err == nil && !strings.HasSuffix(exe, " (deleted)") {
		p.exe = exe
	}
	if dir, err := os.Readlink(filepath.Join(p.root, "cwd")); err == nil && !strings.HasSuffix(dir, " (deleted)") {
		p.dir = dir
	}
	if b, err := os.ReadFile(filepath.Join(p.root, "environ")); err == nil {
		p.env, p.envKnown = zeroSeparated(b), true
	}
	if b, err := os.ReadFile(filepath.Join(p.root, "cgroup")); err == nil {
		group := string(b)
		p.unit = unitOf(group)
		p.pod = strings.Contains(group, "kubepods")
		p.container = (p.pod || containerGroup(group)) && otherMounts(root, p.root)
	}
	return p, true
}

func zeroSeparated(b []byte) []string {
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// unitOf finds the service in /proc/PID/cgroup (cgroups(7)): the last path
// element that is one, of systemd's own hierarchy or the unified one.
func unitOf(group string) string {
	unit := ""
	for line := range strings.Lines(group) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || (f[1] != "" && f[1] != "name=systemd") {
			continue
		}
		for part := range strings.SplitSeq(f[2], "/") {
			if strings.HasSuffix(part, ".service") {
				unit = part
			}
		}
	}
	return unit
}

func containerGroup(group string) bool {
	for _, mark := range []string{"docker", "libpod", "cri-containerd", "containerd", "crio", "nerdctl", "/lxc"} {
		if strings.Contains(group, mark) {
			return true
		}
	}
	return false
}

func otherMounts(root, proc string) bool {
	ours, err1 := os.Readlink(filepath.Join(root, "self", "ns", "mnt"))
	theirs, err2 := os.Readlink(filepath.Join(proc, "ns", "mnt"))
	return err1 == nil && err2 == nil && ours != theirs
}

// user names the process's user, "" when it is our own or cannot be seen.
func (p process) user() string {
	info, err := os.Stat(p.root)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return ""
	}
	uid := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

// program is the absolute path with which to start the process again.
func (p process) program() (string, error) {
	if p.exe != "" {
		return p.exe, nil
	}
	name := p.command[0]
	if strings.Contains(name, "/") {
		path := absolute(p.dir, name)
		if _, err := os.Stat(path); err == nil && filepath.IsAbs(path) {
			return path, nil
		}
		return "", fmt.Errorf("its program %s is gone", name)
	}
	for dir := range strings.SplitSeq(lookup(p.env, "PATH"), ":") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && filepath.IsAbs(path) && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path, nil
		}
	}
	return "", errors.New("its program cannot be found")
}

// log is the regular file that standard error or output goes to, "" when
// there is none.
func (p process) log() string {
	for _, fd := range []string{"2", "1"} {
		link := filepath.Join(p.root, "fd", fd)
		path, err := os.Readlink(link)
		if err != nil || !filepath.IsAbs(path) || strings.HasSuffix(path, " (deleted)") {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// uses tells whether the process has a file below one of the folders open;
// known is false when its files may not be looked at.
func (p process) uses(folders ...string) (yes, known bool) {
	fds, err := os.ReadDir(filepath.Join(p.root, "fd"))
	if err != nil {
		return false, false
	}
	for _, fd := range fds {
		path, err := os.Readlink(filepath.Join(p.root, "fd", fd.Name()))
		for _, dir := range folders {
			if err == nil && dir != "" && within(path, dir) {
				return true, true
			}
		}
	}
	return false, true
}
