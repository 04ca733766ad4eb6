package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
)

// ballast is the file that fills a disk.
const ballast = "/var/lib/ballast"

// fillDisk fills the machine's root file system.
func fillDisk() Fault {
	return Fault{
		Name: "fill-disk",
		What: "fill the machine's disk with a file, " + ballast,
		Keys: []Key{{"left", "0", "bytes that stay free"}},
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			left, err := strconv.ParseInt(s.Keys["left"], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("fill-disk: left=%s is no number of bytes", s.Keys["left"])
			}
			return nil, fill(s.Site.Disk(m), s.root(m, ballast), left)
		},
		Heal: func(_ context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			if err := os.Remove(s.root(m, ballast)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return nil
		},
	}
}

// fill makes a file as large as the file system allows. The blocks are only
// reserved, so that it costs this box nothing.
func fill(disk, path string, left int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var size int64
	for step := int64(1 << 30); step >= 4096; {
		var st syscall.Statfs_t
		if err := syscall.Statfs(disk, &st); err != nil {
			return err
		}
		free := int64(st.Bavail)*st.Bsize - left
		if free < step {
			step /= 2
			continue
		}
		switch err := syscall.Fallocate(int(f.Fd()), 0, size, step); {
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case err != nil:
			return fmt.Errorf("fill disk: %w", err)
		default:
			size += step
		}
	}
	return nil
}

// readOnly makes the kernel find the disk in error, as it does when a real one
// fails: the file system turns read only under everything that runs.
func readOnly() Fault {
	return Fault{
		Name: "read-only",
		What: "an error of the disk: its file system turns read only (healing it needs a power cycle and fsck)",
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return nil, s.Site.FailDisk(m)
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			if err := s.Site.RepairDisk(ctx, m); err != nil {
				return err
			}
			if err := s.Site.Boot(ctx, m); err != nil {
				return err
			}
			return machine.Ready(ctx, m, time.Minute)
		},
	}
}
