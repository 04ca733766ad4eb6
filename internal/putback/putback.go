// Package putback puts the files of a backup's bundle back onto this machine: it
// compares first, writes what is missing, and replaces only what it was told to,
// after a copy of that was set aside. It deletes nothing and follows no path out
// of the one that it was given.
package putback

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/durable"
)

// Entry is what a file ought to be, without its content.
type Entry struct {
	Path   string      `json:"path"` // absolute
	Mode   fs.FileMode `json:"mode"` // permission bits
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
	Link   string      `json:"link,omitempty"`
	SHA256 string      `json:"sha256,omitempty"`
}

// EntryOf describes a file of a bundle.
func EntryOf(f bundle.File) Entry {
	e := Entry{Path: f.Path, Mode: f.Mode.Perm(), UID: f.UID, GID: f.GID, Link: f.Link}
	if f.Link == "" {
		e.SHA256 = digest(f.Data)
	}
	return e
}

func digest(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }

// Standing is how a file of the backup stands to what is on the machine.
type Standing string

// The standings.
const (
	Missing  Standing = "missing"  // there is nothing: it would be written
	Same     Standing = "same"     // content, mode and owner
	Differs  Standing = "differs"  // something else is there: it stays, unless it is to be replaced
	Written  Standing = "written"  // it was missing and is there now
	Replaced Standing = "replaced" // what was there lies in the folder for it
)

// State is how one file stands.
type State struct {
	Path     string   `json:"path"`
	Standing Standing `json:"standing"`
	Why      string   `json:"why,omitempty"`   // in what it differs
	Aside    string   `json:"aside,omitempty"` // where what was there is now
}

// Compare holds files against the machine; it changes nothing.
func Compare(all []Entry) ([]State, error) {
	out := make([]State, 0, len(all))
	for _, e := range all {
		if err := e.check(); err != nil {
			return nil, err
		}
		out = append(out, e.compare())
	}
	return out, nil
}

func (e Entry) check() error {
	if !path.IsAbs(e.Path) || path.Clean(e.Path) != e.Path || e.Path == "/" || strings.ContainsRune(e.Path, 0) {
		return fmt.Errorf("put back %q: it is no path of a file", e.Path)
	}
	return nil
}

func (e Entry) compare() State {
	differs := func(why string) State { return State{Path: e.Path, Standing: Differs, Why: why} }
	info, err := os.Lstat(e.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Path: e.Path, Standing: Missing}
	}
	if err != nil {
		return differs(err.Error())
	}
	kind := info.Mode().Type()
	switch {
	case e.Link != "" && kind == fs.ModeSymlink:
		if to, err := os.Readlink(e.Path); err != nil || to != e.Link {
			return differs(fmt.Sprintf("a link to %s, in the backup to %s", to, e.Link))
		}
		return State{Path: e.Path, Standing: Same}
	case e.Link != "" || kind != 0:
		return differs("it is of another kind (" + info.Mode().Type().String() + ")")
	}
	b, err := os.ReadFile(e.Path)
	if err != nil {
		return differs(err.Error())
	}
	if digest(b) != e.SHA256 {
		return differs("content")
	}
	var why []string
	if info.Mode().Perm() != e.Mode {
		why = append(why, fmt.Sprintf("mode %04o, in the backup %04o", info.Mode().Perm(), e.Mode))
	}
	if own, ok := info.Sys().(*syscall.Stat_t); ok && (int(own.Uid) != e.UID || int(own.Gid) != e.GID) {
		why = append(why, fmt.Sprintf("owner %d:%d, in the backup %d:%d", own.Uid, own.Gid, e.UID, e.GID))
	}
	if len(why) > 0 {
		return differs(strings.Join(why, "; "))
	}
	return State{Path: e.Path, Standing: Same}
}

// Covered tells whether a path is one of those, or lies below one.
func Covered(p string, by []string) bool {
	return slices.ContainsFunc(by, func(b string) bool {
		b = strings.TrimSuffix(b, "/")
		return p == b || strings.HasPrefix(p, b+"/")
	})
}

// Put writes the files that are missing, and replaces those that differ and are
// covered by replace; what was there is copied below aside first, a folder that
// only its owner can enter, with its whole path. It stops at the first error:
// what it gives until then was done. It is safe to repeat.
func Put(files []bundle.File, replace []string, aside string) ([]State, error) {
	var done []State
	for _, f := range files {
		e := EntryOf(f)
		if err := e.check(); err != nil {
			return done, err
		}
		s := e.compare() // again: two paths may lead to one file, and time has passed
		var err error
		switch {
		case s.Standing == Missing:
			if err = os.MkdirAll(filepath.Dir(e.Path), 0o755); err == nil {
				err = write(f)
			}
			s.Standing = Written
		case s.Standing == Differs && Covered(e.Path, replace):
			if s.Aside, err = setAside(e.Path, aside); err == nil {
				err = write(f)
			}
			s.Standing = Replaced
		}
		if err != nil {
			return done, fmt.Errorf("put back %s: %w", e.Path, err)
		}
		done = append(done, s)
	}
	return done, nil
}

// setAside copies what is at a path below a folder, durably. It stays at its
// place until the new file takes it.
func setAside(p, folder string) (string, error) {
	info, err := os.Lstat(p)
	if err != nil {
		return "", err
	}
	to := filepath.Join(folder, p)
	if err := durable.MakeDir(filepath.Dir(to)); err != nil {
		return "", err
	}
	switch info.Mode().Type() {
	case 0:
		b, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		if own, ok := info.Sys().(*syscall.Stat_t); ok {
			return to, place(to, b, info.Mode().Perm(), int(own.Uid), int(own.Gid))
		}
		return to, place(to, b, info.Mode().Perm(), os.Getuid(), os.Getgid())
	case fs.ModeSymlink:
		link, err := os.Readlink(p)
		if err != nil {
			return "", err
		}
		return to, errors.Join(os.Symlink(link, to), durable.SyncDir(filepath.Dir(to)))
	}
	return "", errors.New("it is a folder or a device: look at it and move it away by hand")
}

func write(f bundle.File) error {
	if f.Link == "" {
		if err := place(f.Path, f.Data, f.Mode.Perm(), f.UID, f.GID); err != nil {
			return err
		}
		return os.Chtimes(f.Path, f.Modified, f.Modified)
	}
	temp, err := beside(f.Path)
	if err != nil {
		return err
	}
	if err := os.Symlink(f.Link, temp); err != nil {
		return err
	}
	if err := errors.Join(os.Lchown(temp, f.UID, f.GID), os.Rename(temp, f.Path)); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return durable.SyncDir(filepath.Dir(f.Path))
}

// beside gives the name under which a file is written before it takes its place.
// What a run that was killed has left there is our own, and goes.
func beside(p string) (string, error) {
	temp := filepath.Join(filepath.Dir(p), ".salvor-"+digest([]byte(p))[:16])
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return temp, nil
}

// place writes a file with its owner, whole or not at all. Until it has its name
// nobody else can read it, and a kubelet, which passes over names that begin with
// a dot, does not take it for a manifest.
func place(p string, b []byte, mode fs.FileMode, uid, gid int) error {
	temp, err := beside(p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(bytes.NewReader(b))
	if err == nil {
		err = f.Chown(uid, gid)
	}
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, p)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return durable.SyncDir(filepath.Dir(p))
}
