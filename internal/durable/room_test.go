package durable

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestRoom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	if err := Room(dir, 1); err != nil {
		t.Errorf("a byte has no room: %v", err)
	}
	if err := Room(dir, 1<<62); err == nil || !strings.Contains(err.Error(), "bytes free and 4611686018427387904 are needed") {
		t.Errorf("there is room for anything: %v", err)
	}
}
