package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/salvor-project/salvor/internal/durable"
)

// Accept makes the host keys known that are not known yet, of the machine and
// of those on the way to it: ask is shown each, and the ones that it agrees to
// are appended to the first of Options.KnownHosts. A key that differs from a
// known one is never accepted. ErrAuth in the error means that the host keys
// are in order, but the machine named in it lets nobody in.
func (t *Transport) Accept(ctx context.Context, ask func(*HostKeyError) (bool, error)) (accepted []*HostKeyError, err error) {
	for range len(t.opts.Jump) + 2 {
		c, err := t.opts.dial(ctx, &t.traffic)
		if err == nil {
			c.close()
			return accepted, nil
		}
		var unknown *HostKeyError
		if !errors.As(err, &unknown) || unknown.Line > 0 || unknown.Revoked {
			return accepted, fmt.Errorf("%s: %w", t, err)
		}
		yes, askErr := ask(unknown)
		if askErr != nil {
			return accepted, askErr
		}
		if !yes {
			return accepted, fmt.Errorf("%s: %w", t, err)
		}
		if err := remember(t.opts.KnownHosts[0], unknown); err != nil {
			return accepted, err
		}
		accepted = append(accepted, unknown)
	}
	return accepted, fmt.Errorf("%s: %w: it shows another host key each time", t, ErrHostKey)
}

// remember appends a key to a file of known hosts. It is not replaced by
// rename: it may be a link, and ssh appends to it too.
func remember(file string, e *HostKeyError) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("add the host key of %s to %s: %w", e.Address, file, err)
		}
	}()
	if err := durable.MakeDir(filepath.Dir(file)); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	line := knownhosts.Line([]string{e.Address}, e.key) + "\n"
	end, err := f.Seek(0, io.SeekEnd)
	if last := []byte{'\n'}; err == nil && end > 0 {
		if _, err = f.ReadAt(last, end-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	if err == nil {
		_, err = f.WriteString(line)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(file))
}
