package operate

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// labelName is where SELinux keeps a file's context (xattr(7)).
const labelName = "security.selinux"

// labelOf reads a file's SELinux context; nil where it has none. A folder that
// is made beside a member's own gets that of the folder around both, under
// which a confined etcd may not be allowed to read it.
func labelOf(path string) []byte {
	b := make([]byte, 512)
	n, err := unix.Lgetxattr(path, labelName, b)
	if err != nil || n == 0 {
		return nil
	}
	return b[:n]
}

// setLabel gives a file a context. It is no error where the file system keeps
// none.
func setLabel(path string, label []byte) error {
	if label == nil || bytes.Equal(labelOf(path), label) {
		return nil
	}
	if err := unix.Lsetxattr(path, labelName, label, 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("set the SELinux context of %s: %w", path, err)
	}
	return nil
}
