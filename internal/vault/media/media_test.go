package media_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault/media"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/internal/vault/targettest"
)

func open(t *testing.T, mount string) *media.Target {
	t.Helper()
	one, err := media.New("tape", mount, target.Properties{Media: "tape"})
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestTarget(t *testing.T) {
	targettest.Run(t, func(t *testing.T) (one, again target.Target) {
		mount := t.TempDir()
		first := open(t, mount)
		if err := first.Label("tape 1", time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		return first, open(t, mount)
	})
}

// TestEmptyMountPoint: nothing is written where no medium is.
func TestEmptyMountPoint(t *testing.T) {
	mount := t.TempDir()
	one := open(t, mount)
	if err := one.Put(t.Context(), "a/f", bytes.NewReader(nil), target.PutOptions{}); !errors.Is(err, target.ErrAbsent) {
		t.Errorf("put: %v", err)
	}
	if err := one.Delete(t.Context(), "a/f"); !errors.Is(err, target.ErrAbsent) {
		t.Errorf("delete: %v", err)
	}
	left, err := os.ReadDir(mount)
	if err != nil || len(left) != 0 {
		t.Errorf("written into the mount point: %v, %v", left, err)
	}
}

// TestMediaAreKnown: another target's medium is not written to, and a labelled
// one keeps its label.
func TestMediaAreKnown(t *testing.T) {
	mount := t.TempDir()
	one := open(t, mount)
	if err := one.Label("A", time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if m, err := one.Medium(); err != nil || m.Label != "A" {
		t.Errorf("got %+v, %v", m, err)
	}
	if err := one.Label("B", time.Unix(2, 0)); err == nil {
		t.Error("a label was replaced")
	}
	other := filepath.Join(mount, media.MarkerFile)
	if err := os.WriteFile(other, []byte(`{"label":"X","target":"usb"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := one.List(t.Context(), ""); !errors.Is(err, target.ErrAbsent) {
		t.Errorf("list: %v", err)
	}
}
