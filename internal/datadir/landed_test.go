package datadir_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/durable"
)

func place(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lands checks a snapshot as one that has just come: it says what an inspection
// says, and is believed for as long as nobody touches the file.
func (c crashed) lands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "landed.db")
	b := must(os.ReadFile(c.saved))(t)
	place(t, path, b)
	facts, content, err := datadir.InspectContent(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]int{}
	want := datadir.Landed{Path: path, Snapshot: facts, Content: content.Value}
	for name, a := range map[string]datadir.Arrived{
		"digested while it came": {File: must(durable.Identify(path))(t), SHA256: facts.SHA256, Sealed: true},
		"was there before":       {SHA256: "another", Sealed: true},
		"touched since":          {File: durable.FileID{Inode: 1}, SHA256: "another", Sealed: true},
		"not looked at its end":  {File: must(durable.Identify(path))(t), SHA256: "another"},
	} {
		got := must(datadir.Land(t.Context(), path, a, func(key, value []byte) { keys[string(key)] = len(value) }))(t)
		want.Format, want.File = got.Format, must(durable.Identify(path))(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if int64(len(keys)) != facts.Keys || len(keys) == 0 {
			t.Errorf("%s: %d keys were shown of %d", name, len(keys), facts.Keys)
		}
		if _, ok := datadir.LandedAt(path); ok {
			t.Errorf("%s: what was not kept is believed", name)
		}
	}
	l := must(datadir.Land(t.Context(), path, datadir.Arrived{}, func(_, _ []byte) {}))(t)
	c.believed(t, l, b)
}

// believed keeps what was found, and does to the file and to the note what ends
// the belief.
func (c crashed) believed(t *testing.T, l datadir.Landed, b []byte) {
	keep := func() datadir.Landed {
		t.Helper()
		l = must(datadir.Land(t.Context(), l.Path, datadir.Arrived{}, func(_, _ []byte) {}))(t)
		if err := l.Keep(); err != nil {
			t.Fatal(err)
		}
		got, ok := datadir.LandedAt(l.Path)
		if diff := cmp.Diff(l, got); diff != "" || !ok {
			t.Fatalf("%v: %s", ok, diff)
		}
		return l
	}
	keep()
	note := l.Path + ".landed.json"
	nowhere := l
	nowhere.Path = filepath.Join(t.TempDir(), "gone", "s.db")
	if err := nowhere.Keep(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the snapshot is sound") {
		t.Errorf("a note that cannot be left: %v", err)
	}
	if info := must(os.Stat(note))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the note has mode %s", info.Mode())
	}
	raw := must(os.ReadFile(note))(t)
	old := must(os.Stat(l.Path))(t).ModTime()
	flip := func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{b[9000] ^ 1}, 9000)
		return errors.Join(err, f.Close(), os.Chtimes(path, old, old)) // the clock of the content is set back
	}
	for name, touch := range map[string]func() error{
		"a byte, and its time set back": func() error { return flip(l.Path) },
		"another file in its place": func() error {
			return errors.Join(os.WriteFile(l.Path+".x", b, 0o600), os.Chtimes(l.Path+".x", old, old), os.Rename(l.Path+".x", l.Path))
		},
		"grown":       func() error { return os.Truncate(l.Path, int64(len(b))+512) },
		"half a note": func() error { return os.WriteFile(note, raw[:len(raw)/2], 0o600) },
		"no note":     func() error { return os.Remove(note) },
		"a note of another form": func() error {
			return os.WriteFile(note, bytes.Replace(raw, fmt.Appendf(nil, `"format": %d`, l.Format), []byte(`"format": 0`), 1), 0o600)
		},
		"the note of another file": func() error {
			return os.WriteFile(note, bytes.Replace(raw, []byte(l.Path), []byte(c.saved), 1), 0o600)
		},
	} {
		time.Sleep(30 * time.Millisecond) // a tick of the kernel's clock
		if err := touch(); err != nil {
			t.Fatal(err)
		}
		if got, ok := datadir.LandedAt(l.Path); ok {
			t.Errorf("%s: believed %+v", name, got)
		}
		place(t, l.Path, b)
		raw = func() []byte { keep(); return must(os.ReadFile(note))(t) }()
		old = must(os.Stat(l.Path))(t).ModTime()
	}
	c.builtOf(t, l, func() error { return flip(l.Path) })
}

// builtOf builds from what has landed: it is not digested again, which a note
// with another digest shows, until somebody touches it.
func (c crashed) builtOf(t *testing.T, l datadir.Landed, flip func() error) {
	root := t.TempDir()
	b := datadir.Build{Image: l.Path, Dir: filepath.Join(root, "etcd"), Name: "n", PeerURLs: []string{"http://127.0.0.1:1"},
		InitialCluster: "n=http://127.0.0.1:1", Token: "t1", BumpRevision: 1000, MarkCompacted: true}
	noted := l
	noted.Snapshot.SHA256 = "as it was noted"
	if err := noted.Keep(); err != nil {
		t.Fatal(err)
	}
	built := must(datadir.BuildMember(t.Context(), b, nil))(t)
	if built.ImageSHA256 != noted.Snapshot.SHA256 || built.Revision != c.live.Revision+1000 {
		t.Errorf("built %+v", built)
	}
	content := must(datadir.ContentOf(t.Context(), dbOf(b.Dir), 0))(t)
	if content.Keys != l.Content.Keys || content.SHA256 != l.Content.SHA256 {
		t.Errorf("it holds %+v, the image %+v", content, l.Content)
	}
	time.Sleep(30 * time.Millisecond)
	if err := flip(); err != nil {
		t.Fatal(err)
	}
	b.Dir = filepath.Join(root, "again")
	if _, err := datadir.BuildMember(t.Context(), b, nil); err == nil || !strings.Contains(err.Error(), string(cluster.TrailerWrong)) {
		t.Errorf("built from what was touched since it landed: %v", err)
	}
	if _, err := datadir.Land(t.Context(), l.Path, datadir.Arrived{}, func(_, _ []byte) {}); err == nil {
		t.Error("a flipped byte has landed well")
	}
	if _, err := datadir.Land(t.Context(), l.Path+".none", datadir.Arrived{}, func(_, _ []byte) {}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
