package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/durable"
)

// Remembered is what an agent knows after its restart.
type Remembered struct {
	LastTry     time.Time `json:"lastTry,omitzero"`
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	LastBackup  string    `json:"lastBackup,omitempty"`
	LastFailure time.Time `json:"lastFailure,omitzero"`
	LastError   string    `json:"lastError,omitempty"`
	Failures    int       `json:"failures"`        // in a row
	Notified    bool      `json:"notified"`        // somebody was told that it fails
	Alone       bool      `json:"alone,omitempty"` // and the other agents could not see that
	// Targets are those that lack the newest backup, by name. The map is never
	// changed, only replaced.
	Targets map[string]Trouble `json:"targets,omitempty"`
	Took    time.Duration      `json:"took_ns,omitempty"`
	Retry   time.Time          `json:"-"` // another has the turn until then
}

// Store keeps what an agent remembers.
type Store interface {
	Load() (Remembered, error)
	Save(Remembered) error
}

// Folder is a Store in a folder, and the lock that keeps a second agent of this
// machine out of it.
type Folder struct {
	path string
	lock *os.File
}

// OpenFolder makes the folder if it is not there and locks it. Close it in the
// end.
func OpenFolder(path string) (*Folder, error) {
	if err := durable.MakeDir(path); err != nil {
		return nil, fmt.Errorf("open agent's folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open agent's folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another agent of this machine works in %s", path), lock.Close())
	}
	return &Folder{path: path, lock: lock}, nil
}

// Close frees the folder.
func (f *Folder) Close() error { return f.lock.Close() }

func (f *Folder) file() string { return filepath.Join(f.path, "agent.json") }

// Load reads what was remembered; nothing, if that cannot be read: the vault
// tells what was done.
func (f *Folder) Load() (Remembered, error) {
	var r Remembered
	b, err := os.ReadFile(f.file())
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read agent's memory: %w", err)
	}
	if json.Unmarshal(b, &r) != nil {
		return Remembered{}, nil
	}
	return r, nil
}

// Save writes it, whole or not at all.
func (f *Folder) Save(r Remembered) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write agent's memory: %w", err)
	}
	return durable.WriteFile(f.file(), append(b, '\n'), 0o600)
}
