//go:build !linux

package supervise

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

func processes() ([]process, error) {
	return nil, fmt.Errorf("read process table: salvor finds processes on Linux only, this is %s", runtime.GOOS)
}

func identify(path string) (fileID, error) {
	return fileID{}, fmt.Errorf("identify %s: only on Linux", path)
}

func writesAny(int, func(string, func() (fileID, error)) bool) (bool, error) { return false, nil }

func environment(int, string) (string, bool) { return "", false }

func onHostNetwork(int) bool { return true }

func workingDir(int) string { return "/" }

func alive(int, time.Time) bool { return false }

func startOf(int) time.Time { return time.Time{} }

func closeOnExec() {}

func detached() *syscall.SysProcAttr { return nil }

func become(*exec.Cmd, int, int) {}
