// Package scratch makes folders for copies that nobody misses, and removes
// those that a killed process has left. A folder in use is locked; the lock
// ends with its process.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const lockName = ".salvor-scratch"

// Make makes a folder in dir (empty: the temporary one), whose name begins
// with prefix, and first removes those of the same prefix that no process uses
// any more. Done removes it.
func Make(dir, prefix string) (path string, done func() error, err error) {
	if dir == "" {
		dir = os.TempDir()
	}
	sweep(dir, prefix)
	for range 3 { // another's sweep may take an empty folder for a leftover
		path, done, err = makeLocked(dir, prefix)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return path, done, err
}

func makeLocked(dir, prefix string) (path string, done func() error, err error) {
	path, err = os.MkdirTemp(dir, prefix)
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for copies: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a folder for copies: %w", err), os.RemoveAll(path))
	}
	return path, func() error { return errors.Join(remove(path), lock.Close()) }, nil
}

// sweep removes what killed processes left: folders with our lock file that
// nobody holds. What cannot be removed, or is somebody else's, stays.
func sweep(dir, prefix string) {
	old, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return
	}
	for _, p := range old {
		lock, err := os.OpenFile(filepath.Join(p, lockName), os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err != nil {
			if strings.Trim(p[len(filepath.Join(dir, prefix)):], "0123456789") == "" {
				_ = os.Remove(p) // empty: its process was killed before it had locked it
			}
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = remove(p) // tried again next time
		}
		_ = lock.Close() // nothing was written
	}
}

// remove removes a folder, its lock file last: what a kill in the middle leaves,
// or a child that still writes, can be told for ours and is swept next time.
func remove(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(path)
}
