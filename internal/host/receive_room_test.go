package host

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReceiveAsksForRoomFirst is sent a file of an exabyte: it is refused
// before the first byte, and not when the disk that etcd needs is full.
func TestReceiveAsksForRoomFirst(t *testing.T) {
	r := &receiver{path: filepath.Join(t.TempDir(), "x"), have: map[string]*prefix{}}
	if err := r.create(); err != nil {
		t.Fatal(err)
	}
	defer r.root.Close()
	err := r.file(t.Context(), header{Size: 1 << 60, Mode: 0o600})
	var f *Failure
	if !errors.As(err, &f) || f.Code != CodeNoSpace {
		t.Errorf("got %v", err)
	}
	if info, err := os.Stat(r.part()); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
}
