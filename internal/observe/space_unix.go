//go:build unix

package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
)

// space measures the file system that holds path or, where path is gone, the
// nearest folder above it.
func space(path string) (cluster.Space, error) {
	dir := path
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return cluster.Space{}, fmt.Errorf("measure the file system of %s: %w", dir, err)
	}
	size := uint64(st.Bsize)
	return cluster.Space{Path: dir, TotalBytes: uint64(st.Blocks) * size, FreeBytes: uint64(st.Bavail) * size,
		TotalInodes: uint64(st.Files), FreeInodes: uint64(st.Ffree), ReadOnly: readOnly(st)}, nil
}
