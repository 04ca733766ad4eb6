package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/durable"
)

// busyWait is how long a receiver waits for an earlier one of the same path:
// it may not have noticed yet that its coordinator is gone.
const busyWait = 5 * time.Second

// look finds what lies at the target or at its part, and locks the part.
func (r *receiver) look(ctx context.Context) error {
	for deadline := time.Now().Add(busyWait); ; {
		if _, err := os.Lstat(r.path); err == nil {
			r.exists, r.complete = true, true
			return r.scan(ctx, r.path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f, err := openPart(r.part())
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err == nil:
			r.exists, r.root = true, f
			return r.scan(ctx, r.part())
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return err
		case time.Now().After(deadline):
			return &Failure{Code: CodeBusy, Hint: "wait until the other transfer to this path ends", Err: fmt.Errorf("another transfer writes to %s", r.part())}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// openPart opens and locks an existing part. EWOULDBLOCK says that another
// receiver has it, or just had it.
func openPart(path string) (*os.File, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDWR
	if st.IsDir() {
		flags = os.O_RDONLY
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is neither a regular file nor a folder: move it away", path)
	}
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := lockPart(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockPart locks an open part and makes sure that it still has its name.
func lockPart(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(f.Name())
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !os.SameFile(mine, named)) {
		return syscall.EWOULDBLOCK
	}
	return err
}

// create makes and locks a new part.
func (r *receiver) create() error {
	if err := durable.MakeDir(filepath.Dir(r.path)); err != nil {
		return err
	}
	if r.dir {
		if err := os.Mkdir(r.part(), 0o700); err != nil {
			return err
		}
		f, err := openPart(r.part())
		r.root = f
		return err
	}
	f, err := os.OpenFile(r.part(), os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	r.root = f
	return lockPart(f)
}

// open opens one file of the part for writing.
func (r *receiver) open(name string) (*os.File, error) {
	if !r.dir {
		return r.root, nil
	}
	return os.OpenFile(filepath.Join(r.part(), name), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// scan hashes what lies at path.
func (r *receiver) scan(ctx context.Context, path string) error {
	files, dir, err := sources(path)
	if err != nil {
		return err
	}
	r.dir = dir
	for _, s := range files {
		f, err := os.Open(s.path)
		if err != nil {
			return err
		}
		p := &prefix{size: s.size, sum: sha256.New()}
		err = hashPrefix(ctx, p.sum, f, p.size, r.w.alive)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		r.have[s.name] = p
	}
	return nil
}

// finish gives the part its final name.
func (r *receiver) finish() error {
	extra := r.extra()
	if r.complete {
		if len(extra) > 0 {
			return r.other(fmt.Sprintf("it also holds the file %q", extra[0]))
		}
		return nil
	}
	if r.dir {
		// Scratch of an earlier attempt, of files that the source lost since.
		for _, name := range extra {
			if err := os.Remove(filepath.Join(r.part(), name)); err != nil {
				return err
			}
		}
		if err := durable.SyncDir(r.part()); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(r.path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			r.complete = true
			err = r.other("it appeared during the transfer")
		}
		return err
	}
	if err := os.Rename(r.part(), r.path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(r.path))
}

// extra names the files that lie here and were not sent.
func (r *receiver) extra() []string {
	sent := map[string]bool{}
	for _, h := range r.got {
		sent[h.Name] = true
	}
	var names []string
	for name := range r.have {
		if !sent[name] {
			names = append(names, name)
		}
	}
	return names
}
