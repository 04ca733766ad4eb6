package operate

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// rename never replaces anything but an empty folder: rename(2) by itself does
// that, and RENAME_NOREPLACE refuses everything else in one step.
func rename(from, to string) error {
	if emptyFolder(to) {
		// Fails with ENOTEMPTY if it has been filled meanwhile.
		return pathError(from, to, unix.Rename(from, to))
	}
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return pathError(from, to, err)
	}
	// A file system that does not know the flag, such as NFS.
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return pathError(from, to, unix.EEXIST)
	}
	return os.Rename(from, to)
}

func pathError(from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}
