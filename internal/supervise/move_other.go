//go:build !linux

package supervise

import "os"

// moveNew renames and never replaces anything, but for what appears between
// the look and the rename.
func moveNew(from, to string) error {
	if exists(to) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: os.ErrExist}
	}
	return os.Rename(from, to)
}
