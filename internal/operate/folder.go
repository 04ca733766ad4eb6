package operate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/supervise"
)

// Moved is the result of SetAside and PutInPlace.
type Moved struct {
	From string `json:"from"`
	To   string `json:"to"`
	Note string `json:"note,omitempty"`
	// Empty tells that the folder which was set aside holds no file, as a wiped
	// disk does: no member can be started on it.
	Empty bool `json:"empty,omitempty"`
}

const nothingThere = "nothing there"

// NothingThere tells whether there was nothing to set aside.
func (m Moved) NothingThere() bool { return m.Note == nothingThere }

// asideDone: To exists. A rename is atomic and To belongs to this case alone,
// so that a From beside it is a later one. Where there was nothing to set aside
// a note in the case folder says so: without it, a resume from a mirror that
// has missed this step's end would take what came of the recovery for the old
// folder.
func (env Env) asideDone(a plan.SetAside) (State, any, error) {
	to, err := exists(a.To)
	if err != nil {
		return Unsure, nil, err
	}
	if to {
		return Yes, Moved{From: a.From, To: a.To, Empty: !holdsFiles(a.To)}, nil
	}
	noted, err := exists(env.absence(a))
	if err != nil {
		return Unsure, nil, err
	}
	if noted {
		return Yes, Moved{From: a.From, To: a.To, Note: nothingThere}, nil
	}
	return No, nil, nil
}

// absence is the note that there was nothing to set aside.
func (env Env) absence(a plan.SetAside) string {
	sum := sha256.Sum256([]byte(a.To))
	return filepath.Join(env.CaseDir, "nothing-there-"+hex.EncodeToString(sum[:8])+".json")
}

func (env Env) noteAbsence(a plan.SetAside) (any, error) {
	result := Moved{From: a.From, To: a.To, Note: nothingThere}
	b, err := encode(result)
	if err != nil {
		return nil, err
	}
	if err := durable.MakeDir(env.CaseDir); err != nil {
		return nil, err
	}
	return result, durable.WriteFile(env.absence(a), append(b, '\n'), 0o600)
}

func (env Env) setAside(ctx context.Context, a plan.SetAside) (any, error) {
	state, result, err := env.asideDone(a)
	if err != nil || state == Yes {
		return result, err
	}
	from, err := exists(a.From)
	if err == nil && !from {
		result, err = env.noteAbsence(a)
		if err == nil {
			return result, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("set %s aside: %w", a.From, err)
	}
	if err := env.move(ctx, a.From, a.To); err != nil {
		return nil, fmt.Errorf("set %s aside: %w", a.From, err)
	}
	return Moved{From: a.From, To: a.To, Empty: !holdsFiles(a.To)}, nil
}

// placeDone: From is gone and To is there. Both there is for a person, unless
// To is an empty folder, which a service manager may have made.
func placeDone(a plan.PutInPlace) (State, any, error) {
	from, err := exists(a.From)
	if err != nil {
		return Unsure, nil, err
	}
	to, err := exists(a.To)
	if err != nil {
		return Unsure, nil, err
	}
	switch {
	case !from && to:
		return Yes, Moved{From: a.From, To: a.To}, nil
	case from && to && !emptyFolder(a.To):
		return Unsure, note{fmt.Sprintf("both %s and %s exist: something made the second one anew; look what it is and move it away", a.From, a.To)}, nil
	case from:
		return No, nil, nil
	}
	return Unsure, note{fmt.Sprintf("neither %s nor %s exists", a.From, a.To)}, nil
}

func (env Env) putInPlace(ctx context.Context, a plan.PutInPlace) (any, error) {
	state, result, err := placeDone(a)
	if err != nil || state == Yes {
		return result, err
	}
	if n, ok := result.(note); ok {
		return nil, fmt.Errorf("put %s in place: %s", a.To, n.Note)
	}
	if err := env.move(ctx, a.From, a.To); err != nil {
		return nil, fmt.Errorf("put %s in place: %w", a.To, err)
	}
	return Moved{From: a.From, To: a.To}, nil
}

// move renames a folder and makes that durable. It never replaces anything but
// an empty folder, and refuses while a process runs a member from either.
func (env Env) move(ctx context.Context, from, to string) error {
	if err := env.idle(ctx, from, to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := rename(from, to); err != nil {
		switch {
		case errors.Is(err, syscall.EBUSY):
			return fmt.Errorf("%w: it is a mount point, which cannot be renamed", err)
		case errors.Is(err, syscall.EXDEV):
			return fmt.Errorf("%w: the two lie on different file systems", err)
		}
		return err
	}
	if err := durable.SyncDir(filepath.Dir(from)); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(to))
}

// idle refuses when a process runs a member whose folders are concerned.
func (env Env) idle(ctx context.Context, paths ...string) error {
	for _, m := range env.Config.Members {
		if m.Host != env.Host || !concerns(m.DataDir, m.WALDir, paths) {
			continue
		}
		m.Run.Systemd = "" // what counts is the process table
		f, err := supervise.Find(ctx, m)
		if err != nil {
			return err
		}
		if f.Running {
			return fmt.Errorf("process %d still runs member %s: stop it first", f.PID, m.Name)
		}
	}
	return nil
}

func concerns(dataDir, walDir string, paths []string) bool {
	for _, p := range paths {
		p = filepath.Clean(p)
		if p == filepath.Clean(dataDir) || p == filepath.Join(dataDir, "member") || (walDir != "" && p == filepath.Clean(walDir)) {
			return true
		}
	}
	return false
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func emptyFolder(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// holdsFiles tells whether there is anything but folders below a path; what
// cannot be read counts as something.
func holdsFiles(path string) bool {
	err := filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			return errHolds
		}
		return err
	})
	return err != nil
}

var errHolds = errors.New("it holds a file")
