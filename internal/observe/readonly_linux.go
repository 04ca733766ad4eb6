package observe

import (
	"errors"
	"os"
	"syscall"
)

// stRdonly is ST_RDONLY of statfs(2).
const stRdonly = 1

func readOnly(st syscall.Statfs_t) bool { return st.Flags&stRdonly != 0 }

// refusesSync tells that a folder's file system takes no writes although it is
// mounted read-write: what ext4 does after an error since Linux 6.12, and what a
// layer above it hides (fs/ext4/fsync.c). Nothing of ours is written by asking; what
// others have written goes to the disk, as it would some seconds later.
func refusesSync(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(f.Sync(), syscall.EROFS)
}
