package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/durable"
)

// Owner is who holds a host's lock: the coordinator, not the server.
type Owner struct {
	PID      int       `json:"pid"`
	Hostname string    `json:"hostname"`
	User     string    `json:"user"`
	Case     string    `json:"case"`
	Since    time.Time `json:"since"`
}

// NewOwner describes this process as the owner of a case.
func NewOwner(caseName string) Owner {
	o := Owner{PID: os.Getpid(), Hostname: "unknown", User: "unknown", Case: caseName, Since: time.Now().UTC()}
	if name, err := os.Hostname(); err == nil {
		o.Hostname = name
	}
	if u, err := user.Current(); err == nil {
		o.User = u.Username
	}
	return o
}

// String names the owner for people.
func (o Owner) String() string {
	if o.PID == 0 {
		return "somebody who has not signed yet"
	}
	return fmt.Sprintf("%s@%s, process %d, case %q, since %s", o.User, o.Hostname, o.PID, o.Case, o.Since.Format(time.RFC3339))
}

// LockedError says who holds a host's lock. errors.Is(err, ErrLocked) holds.
type LockedError struct {
	Host  string
	Owner Owner
}

// Error names host and owner.
func (e *LockedError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Host, ErrLocked, e.Owner) }

// Unwrap gives ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// hostLock is the flock(2) of one connection. The kernel frees it with the
// process that holds it, however that ends; the file itself stays.
type hostLock struct {
	mu   sync.Mutex
	file *os.File
}

// lockPath gives the lock file of a state folder.
func lockPath(stateDir string) string { return filepath.Join(stateDir, "lock") }

// take locks the state folder, or fails with CodeLocked and the Owner as
// detail. Taking it again on the same connection succeeds.
func (l *hostLock) take(stateDir string, owner Owner) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return nil
	}
	if err := durable.MakeDir(stateDir); err != nil {
		return err
	}
	f, err := os.OpenFile(lockPath(stateDir), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("open the host's lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		return refusal(f)
	}
	if err == nil {
		err = sign(f, owner)
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	l.file = f
	return nil
}

// free gives the lock back.
func (l *hostLock) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	_ = l.file.Truncate(0) // only a courtesy: the flock is what counts
	_ = l.file.Close()
	l.file = nil
}

// sign writes the owner's name into the lock file.
func sign(f *os.File, owner Owner) error {
	b, err := json.Marshal(owner)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteAt(append(b, '\n'), 0); err != nil {
		return err
	}
	return f.Sync()
}

// refusal names the lock's owner, who may be about to sign.
func refusal(f *os.File) error {
	var owner Owner
	for range 10 {
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 64<<10))
		if err == nil && json.Unmarshal(b, &owner) == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return &Failure{
		Code:   CodeLocked,
		Hint:   "wait until that run ends, or stop it; the lock goes with its process",
		Detail: owner,
		Err:    fmt.Errorf("%w: %s", ErrLocked, owner),
	}
}
