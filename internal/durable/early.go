package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeEvery is after how many bytes the kernel is told to begin writing to the
// disk.
const writeEvery = 16 << 20

// StartWriting lets the kernel write to the disk what lies in a file between two
// places, when that is much, and gives the place up to which it does: so an
// fsync at the end finds little left to do. It is only a hint.
func StartWriting(f *os.File, begun, at int64) int64 {
	if at-begun < writeEvery {
		return begun
	}
	_ = unix.SyncFileRange(int(f.Fd()), begun, at-begun, unix.SYNC_FILE_RANGE_WRITE)
	return at
}

// Early is a file that is written from its beginning to its end, and on its way
// to the disk meanwhile.
type Early struct {
	File      *os.File
	at, begun int64
}

// Write appends.
func (e *Early) Write(b []byte) (int, error) {
	n, err := e.File.Write(b)
	e.at += int64(n)
	e.begun = StartWriting(e.File, e.begun, e.at)
	return n, err
}
