package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/observe"
)

// TestKeepStaysInItsFolder: a host that names its files ../plan.json writes
// none.
func TestKeepStaysInItsFolder(t *testing.T) {
	folder := casefile.Folder{Dir: t.TempDir()}
	files := []observe.EvidenceFile{{Name: "../../plan.json", Data: []byte("{}")}, {Name: "/abs", Data: []byte("x")}, {Name: "files/etc/fstab", Data: []byte("ok")}}
	if err := keep(folder, "cp-1", files, nil); err != nil {
		t.Fatal(err)
	}
	var found []string
	err := filepath.WalkDir(folder.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 || found[0] != folder.Path("evidence/cp-1/files/etc/fstab") {
		t.Errorf("%v: kept %v", err, found)
	}
	if err := keep(folder, "cp-2", nil, errors.New("no route to host")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(folder.Path("evidence/cp-2-missing.txt")); err != nil || string(b) != "no route to host\n" {
		t.Errorf("what is missing is not noted: %q, %v", b, err)
	}
}
