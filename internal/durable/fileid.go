package durable

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FileID tells a file in one state from every other file, and from the same one
// after somebody wrote to it, gave it another name or other rights. Times are
// nanoseconds since 1970. A write within the same tick of the kernel's clock as
// the one before leaves no trace in it: see Settled.
type FileID struct {
	Device   uint64 `json:"device"`
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
	Changed  int64  `json:"changed"`
}

// Identify gives the identity of the file at a path; a symbolic link is one of
// its own.
func Identify(path string) (FileID, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return FileID{}, fmt.Errorf("look at %s: %w", path, err)
	}
	return FileID{Device: uint64(st.Dev), Inode: st.Ino, Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano()}, nil
}

// tick is longer than the kernel's clock stands still between two times that it
// gives to files, in nanoseconds.
const tick = 20_000_000

// Settled tells whether a write after now, nanoseconds since 1970, would change
// the identity. A file of the future is so: its clock was set back since.
func (id FileID) Settled(now int64) bool { return now < id.Changed || now-id.Changed > tick }
