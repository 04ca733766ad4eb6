package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// result is what one salvor command said.
type result struct {
	code     int
	out, err string
}

// salvor runs the program with the lab's configuration.
func (l *lab) salvor(args ...string) result {
	l.t.Helper()
	cmd := exec.CommandContext(within(l.t, 90*time.Second), program, append([]string{"--config", l.salvorYAML(), "--cases", l.cases()}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// want checks the exit code and that the complaint holds every phrase.
func (r result) want(t *testing.T, code int, phrases ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit %d, want %d\n%s\n%s", r.code, code, r.out, r.err)
	}
	flat := strings.Join(strings.Fields(r.out+"\n"+r.err), " ")
	for _, p := range phrases {
		if !strings.Contains(flat, p) {
			t.Errorf("nothing says %q:\n%s\n%s", p, r.out, r.err)
		}
	}
}

// diagnosis is what the tests read of `salvor diagnose -o json`.
type diagnosis struct {
	Scenario string
	Level    struct{ Availability, Data string }
	Members  []struct{ Name, State string }
}

func (l *lab) diagnose() diagnosis {
	l.t.Helper()
	r := l.salvor("diagnose", "-o", "json")
	var d diagnosis
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		l.t.Fatalf("exit %d, %v\n%s\n%s", r.code, err, r.out, r.err)
	}
	return d
}

func (d diagnosis) state(member string) string {
	for _, m := range d.Members {
		if m.Name == member {
			return m.State
		}
	}
	return ""
}

// lastCase is the newest case folder.
func (l *lab) lastCase() string {
	l.t.Helper()
	entries, err := os.ReadDir(l.cases())
	must(l.t, err)
	newest, at := "", time.Time{}
	for _, e := range entries {
		info, err := e.Info()
		must(l.t, err)
		if info.ModTime().After(at) {
			newest, at = filepath.Join(l.cases(), e.Name()), info.ModTime()
		}
	}
	if newest == "" {
		l.t.Fatal("there is no case")
	}
	return newest
}

// tree gives a digest of every file below the roots, and the folders and
// links as such. An absent root is in it as absent.
func tree(t *testing.T, roots ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, root := range roots {
		if _, err := os.Lstat(root); errors.Is(err, fs.ErrNotExist) {
			out[root] = "absent"
			continue
		}
		must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			switch {
			case e.IsDir():
				out[path] = "folder"
			case e.Type()&fs.ModeSymlink != 0:
				to, err := os.Readlink(path)
				out[path] = "link to " + to
				return err
			default:
				sum, err := digest(path)
				out[path] = sum
				return err
			}
			return nil
		}))
	}
	return out
}

// digest hashes a file's size and whatever was ever written to it: most of a
// log file is a hole.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	const seekData, seekHole = 3, 4
	h := sha256.New()
	fmt.Fprintf(h, "%d bytes", size)
	for at := int64(0); at < size; {
		data, err := f.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			break // nothing but a hole from here on
		}
		if err != nil {
			return "", err
		}
		if at, err = f.Seek(data, seekHole); err != nil {
			return "", err
		}
		fmt.Fprintf(h, " at %d:", data)
		if _, err := io.Copy(h, io.NewSectionReader(f, data, at-data)); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// unchanged demands that every byte is as it was.
func unchanged(t *testing.T, before, after map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("files have changed (-before +after):\n%s", diff)
	}
}

// homes are the folders of all members' data and all snapshots.
func (l *lab) homes() []string {
	out := []string{l.snapshots()}
	for _, n := range l.nodes {
		out = append(out, filepath.Dir(n.dataDir))
	}
	return out
}

// kept is the tree of all data without what belongs to Salvor and to the
// processes: state folders, logs and configuration.
func (l *lab) kept() map[string]string {
	all := tree(l.t, l.homes()...)
	for path := range all {
		for _, n := range l.nodes {
			if path == n.log || path == n.file || path == n.stateDir || strings.HasPrefix(path, n.stateDir+"/") {
				delete(all, path)
			}
		}
	}
	return all
}
