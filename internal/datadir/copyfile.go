package datadir

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/salvor-project/salvor/internal/durable"
	"golang.org/x/sys/unix"
)

// duplicate makes a copy of a finished file and makes it durable: by sharing
// the blocks where the file system can (FICLONE), else inside the kernel
// (copy_file_range), else by reading and writing.
func duplicate(ctx context.Context, from, to string, seen func(n int)) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
		seen(int(info.Size()))
		return dst.Sync()
	}
	begun := int64(0)
	for at := int64(0); at < info.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.CopyFileRange(int(src.Fd()), nil, int(dst.Fd()), nil, 4<<20, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return errors.Join(copyRest(ctx, src, dst, at, seen), dst.Sync())
		}
		at += int64(n)
		seen(n)
		begun = durable.StartWriting(dst, begun, at)
	}
	return dst.Sync()
}

// copyRest copies from a place on where the kernel does not.
func copyRest(ctx context.Context, src, dst *os.File, at int64, seen func(n int)) error {
	if _, err := src.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if _, err := dst.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, &reader{ctx: ctx, r: src, seen: seen}, make([]byte, 1<<20))
	return err
}
