package putback_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/putback"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPutBack meets every way in which a file can stand, and repeats itself.
func TestPutBack(t *testing.T) {
	dir, aside := t.TempDir(), filepath.Join(t.TempDir(), "replaced", "one")
	at := func(name string) string { return filepath.Join(dir, name) }
	uid, gid := os.Getuid(), os.Getgid()
	file := func(name, data string, mode os.FileMode) bundle.File {
		return bundle.File{Path: at(name), Data: []byte(data), Mode: mode, UID: uid, GID: gid, Modified: time.Unix(1_700_000_000, 0)}
	}
	files := []bundle.File{
		file("kubernetes/pki/ca.key", "the key", 0o600), file("same", "as it was", 0o644), file("hosts", "ours", 0o644), file("mode", "as it was", 0o600),
		file("unit", "ours", 0o644), file("folder", "a file", 0o644), {Path: at("link"), Link: "same", UID: uid, GID: gid}, {Path: at("bent"), Link: "same", UID: uid, GID: gid},
	}
	for name, data := range map[string]string{"same": "as it was", "hosts": "theirs", "mode": "as it was", "unit": "theirs"} {
		if err := os.WriteFile(at(name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(at("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("hosts", at("bent")); err != nil {
		t.Fatal(err)
	}
	standings := func(all []putback.State) string {
		var out []string
		for _, s := range all {
			out = append(out, filepath.Base(s.Path)+" "+string(s.Standing))
		}
		return strings.Join(out, ", ")
	}
	compare := func(want string) {
		t.Helper()
		var all []putback.Entry
		for _, f := range files {
			all = append(all, putback.EntryOf(f))
		}
		if got, err := putback.Compare(all); err != nil || standings(got) != want {
			t.Errorf("got %s, %v\nwant %s", standings(got), err, want)
		}
	}
	compare("ca.key missing, same same, hosts differs, mode differs, unit differs, folder differs, link missing, bent differs")
	replace := []string{at("unit"), at("bent"), at("mode") + "/", at("ho")}
	got, err := putback.Put(files, replace, aside)
	if want := "ca.key written, same same, hosts differs, mode replaced, unit replaced, folder differs, link written, bent replaced"; err != nil || standings(got) != want {
		t.Errorf("got %s, %v\nwant %s", standings(got), err, want)
	}
	compare("ca.key same, same same, hosts differs, mode same, unit same, folder differs, link same, bent same")
	if read(t, at("hosts")) != "theirs" || read(t, at("unit")) != "ours" || read(t, filepath.Join(aside, at("unit"))) != "theirs" {
		t.Error("what was there is lost, or was not replaced")
	}
	if to, err := os.Readlink(filepath.Join(aside, at("bent"))); err != nil || to != "hosts" {
		t.Errorf("the link that was there: %q, %v", to, err)
	}
	info, err := os.Stat(at("kubernetes/pki/ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 || !info.ModTime().Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("the key: %v, %v", info, err)
	}
	left := filepath.Join(dir, ".salvor-"+fmt.Sprintf("%x", sha256.Sum256([]byte(at("unit"))))[:16]) // of a run that was killed
	if err := errors.Join(os.Remove(at("unit")), os.WriteFile(left, []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := putback.Put(files, nil, aside); err != nil || read(t, at("unit")) != "ours" {
		t.Errorf("after a kill: %v", err)
	}
	if again, err := putback.Put(files, replace, aside+"2"); err != nil || strings.Contains(standings(again), "written") || strings.Contains(standings(again), "replaced") {
		t.Errorf("again: %s, %v", standings(again), err)
	}
	if _, err := putback.Put(files, []string{dir}, aside+"3"); err == nil || !strings.Contains(err.Error(), "move it away by hand") {
		t.Errorf("a folder in the place of a file: %v", err)
	}
	all, err := filepath.Glob(at(".salvor-*"))
	if err != nil || len(all) > 0 {
		t.Errorf("left: %v, %v", all, err)
	}
	for _, path := range []string{"etc/x", "/etc/../x", "/", "/a//b", "/a\x00"} {
		if _, err := putback.Put([]bundle.File{{Path: path}}, nil, aside); err == nil {
			t.Errorf("%q was put back", path)
		}
	}
}
