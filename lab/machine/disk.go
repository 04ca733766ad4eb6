package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/lab/proc"
)

// FailDisk makes the kernel meet an error on a machine's disk, which turns its
// file system read only.
func (s Site) FailDisk(m Machine) error {
	device, err := deviceOf(s.Disk(m))
	if err != nil {
		return err
	}
	path := filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error")
	if err := os.WriteFile(path, []byte("lab"), 0o200); err != nil {
		return fmt.Errorf("fail disk of %s: %w", m.Name, err)
	}
	return nil
}

// RepairDisk takes a machine's power, checks its disk and mounts it again.
func (s Site) RepairDisk(ctx context.Context, m Machine) error {
	if err := s.Cut(ctx, m); err != nil {
		return err
	}
	if err := forget(ctx, m); err != nil {
		return err
	}
	for _, at := range []string{s.Root(m), s.Disk(m)} { // never lazily: fsck must be alone
		if err := proc.Run(ctx, "umount", at); err != nil {
			return err
		}
	}
	if err := s.released(ctx, m); err != nil {
		return fmt.Errorf("repair disk of %s: %w", m.Name, err)
	}
	err := proc.Run(ctx, "e2fsck", "-f", "-y", s.Image(m))
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) { // 1: errors were corrected
		return fmt.Errorf("repair disk of %s: %w", m.Name, err)
	}
	return s.Mount(ctx, m)
}

// released waits until nobody has a machine's disk mounted any more: the mount
// namespaces of its processes end a little after they do.
func (s Site) released(ctx context.Context, m Machine) error {
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		busy, err := proc.Cmd{Args: []string{"losetup", "--noheadings", "-j", s.Image(m)}}.Output(ctx)
		if err != nil || len(busy) == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("another mount namespace still has it: %s", strings.TrimSpace(string(busy)))
		}
	}
}

// deviceOf is the block device that is mounted at a folder.
func deviceOf(dir string) (string, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == dir {
			return fields[0], nil
		}
	}
	return "", fmt.Errorf("find the device of %s: not mounted", dir)
}
