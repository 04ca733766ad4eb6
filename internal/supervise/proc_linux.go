package supervise

import (
	"bytes"
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

// processes reads the process table from /proc (proc(5)), without this process
// itself. What ends meanwhile is left out.
func processes() ([]process, error) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	var table []process
	for _, e := range dir {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, ok := readProcess(pid, boot); ok {
			p.command = nullSeparated(procFile(pid, "cmdline"))
			table = append(table, p)
		}
	}
	return table, nil
}

// clockTick is USER_HZ, 100 on every architecture that Go runs on.
const clockTick = 100

// readProcess reads what /proc/PID/stat says; a process that has ended with all
// its threads but was not collected is none.
func readProcess(pid int, boot time.Time) (process, bool) {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return process{}, false
	}
	// The name in parentheses may hold blanks and parentheses itself.
	_, after, ok := bytesCutLast(stat, ')')
	f := strings.Fields(after)
	if !ok || len(f) < 20 || ended(f[0], f[17]) {
		return process{}, false
	}
	p := process{pid: pid}
	p.parent, _ = strconv.Atoi(f[1])
	ticks, _ := strconv.ParseInt(f[19], 10, 64)
	p.since = boot.Add(time.Duration(ticks) * time.Second / clockTick)
	return p, true
}

// ended tells from a process's state and its number of threads whether all of it
// is gone. A first thread that has ended ("Z") leaves the process's files and
// ports open until its last thread ends too; /proc/PID/task is no substitute,
// its listing breaks off where a thread ends meanwhile.
func ended(state, threads string) bool {
	n, err := strconv.Atoi(threads)
	return (state == "Z" || state == "X") && err == nil && n <= 1
}

// alive tells whether a process that was found still is the same one.
func alive(pid int, since time.Time) bool {
	boot, err := bootTime()
	if err != nil {
		return false
	}
	p, ok := readProcess(pid, boot)
	return ok && p.since.Equal(since)
}

// startOf is when a process started; zero when it is gone.
func startOf(pid int) time.Time {
	boot, err := bootTime()
	if err != nil {
		return time.Time{}
	}
	p, _ := readProcess(pid, boot)
	return p.since
}

func procFile(pid int, parts ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(pid)}, parts...)...)
}

func bytesCutLast(b []byte, sep byte) (string, string, bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return "", "", false
	}
	return string(b[:i]), string(b[i+1:]), true
}

func nullSeparated(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// environment gives a variable with which a process was started; a process
// that may not be looked at has none.
func environment(pid int, name string) (string, bool) {
	for _, e := range nullSeparated(procFile(pid, "environ")) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v, true
		}
	}
	return "", false
}

// onHostNetwork tells whether a process is in the network namespace of process
// 1; true where that cannot be seen.
func onHostNetwork(pid int) bool {
	own, err := os.Readlink(procFile(pid, "ns", "net"))
	first, ferr := os.Readlink(procFile(1, "ns", "net"))
	return err != nil || ferr != nil || own == first
}

func workingDir(pid int) string {
	dir, err := os.Readlink(procFile(pid, "cwd"))
	if err != nil {
		return "/"
	}
	return dir
}

// writesAny tells whether a process has a file open for writing that holds
// accepts: somebody who only reads a member's files (a backup, another salvor)
// does not run it. The error says that it may not be looked at; a process that
// ended writes nothing.
func writesAny(pid int, holds func(path string, id func() (fileID, error)) bool) (bool, error) {
	fds, err := os.ReadDir(procFile(pid, "fd"))
	if errors.Is(err, os.ErrPermission) {
		return false, err
	}
	for _, fd := range fds {
		link := procFile(pid, "fd", fd.Name())
		path, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(path, "/") {
			continue
		}
		path = strings.TrimSuffix(path, " (deleted)")
		if holds(path, func() (fileID, error) { return identify(link) }) && writable(procFile(pid, "fdinfo", fd.Name())) {
			return true, nil
		}
	}
	return false, nil
}

// writable reads the octal "flags:" line of fdinfo.
func writable(info string) bool {
	b, err := os.ReadFile(info)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		v, ok := strings.CutPrefix(line, "flags:")
		if !ok {
			continue
		}
		flags, err := strconv.ParseInt(strings.TrimSpace(v), 8, 64)
		return err == nil && flags&syscall.O_ACCMODE != syscall.O_RDONLY
	}
	return false
}

// identify gives a file's device and inode.
func identify(path string) (fileID, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileID{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, fmt.Errorf("identify %s: the file system gives no inode", path)
	}
	return fileID{dev: uint64(st.Dev), ino: st.Ino}, nil
}

func bootTime() (time.Time, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			s, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("read boot time: %w", err)
			}
			return time.Unix(s, 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("read boot time: /proc/stat has no btime")
}

// closeOnExec marks every file of this process that a child would inherit: what
// salvor itself was started with must not stay open in an etcd for years.
func closeOnExec() {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, fd := range fds {
		if n, err := strconv.Atoi(fd.Name()); err == nil && n > 2 {
			syscall.CloseOnExec(n)
		}
	}
}

// detached makes a child the leader of a session of its own, which no
// terminal's hang-up or interrupt reaches.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// become has a detached command run as another user.
func become(cmd *exec.Cmd, uid, gid int) {
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
