//go:build !linux

package operate

import (
	"os"
	"syscall"
)

// rename never replaces anything but an empty folder.
func rename(from, to string) error {
	if emptyFolder(to) {
		return syscall.Rename(from, to)
	}
	if _, err := os.Lstat(to); !os.IsNotExist(err) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EEXIST}
	}
	return os.Rename(from, to)
}
