package demo

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// guard is the held lock that keeps members alive.
type guard struct{ file *os.File }

// holdGuard takes the exclusive flock of a file, which the kernel gives back
// when this process ends. It fails at once when another process holds it.
func holdGuard(path string) (*guard, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("hold guard: %w", err)
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("hold guard %s: another demo works in this folder: %w", path, err)
	}
	return &guard{file: f}, nil
}

func (g *guard) release() error { return g.file.Close() }

// awaitGuard returns when nobody holds the guard exclusively any more.
func awaitGuard(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("watch guard: %w", err)
	}
	defer f.Close()
	if err := flock(f, syscall.LOCK_SH); err != nil {
		return fmt.Errorf("watch guard %s: %w", path, err)
	}
	return nil
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
