// Package build makes what the lab's machines consist of: programs from pinned
// Go modules, a root file system from Debian's packages, container images and
// containerd's store. Everything is kept in a cache outside the tree, in
// folders whose names say the versions, and made once.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/salvor-project/salvor/lab/tell"
)

// Builder makes things and remembers them in a cache.
type Builder struct {
	Cache string // ${XDG_CACHE_HOME:-~/.cache}/salvor
	Tree  string // the checkout
	Tell  *tell.Teller
}

// New is a builder for the checkout that holds the working directory.
func New(t *tell.Teller) (*Builder, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the cache folder: %w", err)
	}
	tree, err := checkout()
	if err != nil {
		return nil, err
	}
	return &Builder{Cache: filepath.Join(cache, "salvor"), Tree: tree, Tell: t}, nil
}

// checkout is the folder above the working directory that holds lab/modules.
func checkout() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "lab", "modules", "kubernetes", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find lab/modules: run the lab from the checkout of Salvor")
		}
	}
	return "", fmt.Errorf("find the working directory: %w", err)
}

// once makes path with make, which is given a name beside it to make it under.
// Only one process makes a path at a time.
func (b *Builder) once(ctx context.Context, path, what string, make func(ctx context.Context, part string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(filepath.Dir(path), ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return nil // another process made it meanwhile
	}
	done := b.Tell.Step("%s", what)
	part := path + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := make(ctx, part); err != nil {
		return fmt.Errorf("make %s: %w", what, err)
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	done()
	return nil
}

// lock waits until this process alone works in a folder.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// key is a short name for everything that something was made from.
func key(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}
