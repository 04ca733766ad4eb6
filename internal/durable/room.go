package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Room checks that the file system of a folder, or of the nearest one above it
// that exists, has at least need bytes left for ordinary users. The error says
// how many there are.
func Room(dir string, need int64) error {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = syscall.Statfs(dir, &s)
	}
	if err != nil {
		return fmt.Errorf("ask for the room in %s: %w", dir, err)
	}
	if free := int64(s.Bavail) * int64(s.Bsize); free < need {
		return fmt.Errorf("%s has %d bytes free and %d are needed: free some, or choose another folder", dir, free, need)
	}
	return nil
}
