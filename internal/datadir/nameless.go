package datadir

import (
	"errors"
	"fmt"
	"os"

	"github.com/salvor-project/salvor/internal/durable"
	"golang.org/x/sys/unix"
)

// onDisk is where large temporary files go when the usual folder for them lies
// in memory (file-hierarchy(7)).
const onDisk = "/var/tmp"

// namelessRoom is how many bytes have to be free in the system's folder for a
// temporary file to be begun there: nobody's last room is taken for a look.
const namelessRoom = 64 << 20

// nameless makes a temporary file that goes with its process, in dir or, where
// that is empty, in the system's folder for them.
func nameless(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
		if os.Getenv("TMPDIR") == "" && inMemory(dir) && !inMemory(onDisk) {
			dir = onDisk
		}
		if err := durable.Room(dir, namelessRoom); err != nil {
			return nil, fmt.Errorf("make a temporary file (TMPDIR says where): %w", err)
		}
	}
	if f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp(dir, "salvor-keys-") // a file system that cannot do it
	if err != nil {
		return nil, fmt.Errorf("make a temporary file in %s: %w", dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// inMemory tells whether a folder's files lie in memory, or whether that cannot
// be told.
func inMemory(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) != nil || int64(s.Type) == unix.TMPFS_MAGIC || int64(s.Type) == unix.RAMFS_MAGIC
}
