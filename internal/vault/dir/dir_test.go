package dir_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/vault/dir"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/internal/vault/targettest"
)

func open(t *testing.T, root string) *dir.Target {
	t.Helper()
	one, err := dir.New("disk", root, target.Properties{Media: "disk"})
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestTarget(t *testing.T) {
	targettest.Run(t, func(t *testing.T) (one, again target.Target) {
		root := t.TempDir()
		return open(t, root), open(t, root)
	})
}

func TestMissingFolderIsNotMade(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not-mounted")
	one := open(t, root)
	if err := one.Put(t.Context(), "a/f", bytes.NewReader(nil), target.PutOptions{}); !errors.Is(err, target.ErrAbsent) {
		t.Errorf("put: %v", err)
	}
	if _, err := one.List(t.Context(), ""); !errors.Is(err, target.ErrAbsent) {
		t.Errorf("list: %v", err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// TestFullAndReadOnly mounts a small disk of its own.
func TestFullAndReadOnly(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	one := open(t, root)
	err := one.Put(t.Context(), "a/f", bytes.NewReader(targettest.Bytes(1, 2<<20)), target.PutOptions{})
	if !errors.Is(err, target.ErrFull) {
		t.Errorf("full: %v", err)
	}
	if _, err := one.Stat(t.Context(), "a/f"); !errors.Is(err, target.ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
	if err := one.Delete(t.Context(), "a/f"); err != nil { // the partial, to have room again
		t.Fatal(err)
	}
	if err := one.Put(t.Context(), "a/g", bytes.NewReader([]byte("small")), target.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	err = one.Put(t.Context(), "a/h", bytes.NewReader([]byte("x")), target.PutOptions{})
	if !errors.Is(err, target.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	if err := one.Delete(t.Context(), "a/g"); !errors.Is(err, target.ErrReadOnly) {
		t.Errorf("delete: %v", err)
	}
}
