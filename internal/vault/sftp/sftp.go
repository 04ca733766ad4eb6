// Package sftp is a vault's target over SFTP, on any machine with an OpenSSH
// server. The host's key is always verified. An object is written beside its
// place, as .NAME.partial, synced if the server can, and renamed, which in
// SFTP never replaces a file.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/salvor-project/salvor/internal/vault/target"
)

// Target holds backups in a folder of another machine.
type Target struct {
	name  string
	root  string
	props target.Properties
	dial  Dial

	mu  sync.Mutex
	ssh *ssh.Client
	c   *sftp.Client
}

var _ target.Target = (*Target)(nil)

// New names a target in the folder root, an absolute path that exists. The
// connection is made when it is first needed, and made again after it broke.
func New(name, root string, dial Dial, props target.Properties) (*Target, error) {
	if !path.IsAbs(root) {
		return nil, fmt.Errorf("target %s: %s is not an absolute path", name, root)
	}
	props.Immutable = false
	return &Target{name: name, root: path.Clean(root), props: props, dial: dial}, nil
}

// Close ends the connection, if there is one.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.c == nil {
		return nil
	}
	err := errors.Join(t.c.Close(), t.ssh.Close())
	t.c, t.ssh = nil, nil
	return err
}

// client gives the connection and looks that the root is there.
func (t *Target) client(ctx context.Context) (*sftp.Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.c != nil {
		if _, err := t.c.Stat(t.root); err == nil {
			return t.c, nil
		}
		_ = t.c.Close()   // it is given up
		_ = t.ssh.Close() // it is given up
		t.c, t.ssh = nil, nil
	}
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	c, err := sftp.NewClient(conn, sftp.MaxConcurrentRequestsPerFile(inFlight))
	if err != nil {
		_ = conn.Close() // it is given up
		return nil, fmt.Errorf("start SFTP: %w", err)
	}
	if _, err := c.Stat(t.root); err != nil {
		_ = c.Close()    // it is given up
		_ = conn.Close() // it is given up
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: the folder %s does not exist", target.ErrAbsent, t.root)
		}
		return nil, err
	}
	t.c, t.ssh = c, conn
	go keepAlive(conn)
	return c, nil
}

// inFlight is how many packets of 32 KiB of one file are on their way at once.
const inFlight = 32

// Name is the target's name.
func (t *Target) Name() string { return t.name }

// Properties are the target's labels.
func (t *Target) Properties() target.Properties { return t.props }

// Put writes an object; see target.Target.
func (t *Target) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	return t.wrap("put", key, t.put(ctx, key, r, o.Offset))
}

func (t *Target) put(ctx context.Context, key string, r io.Reader, offset int64) error {
	if err := target.CheckKey(key); err != nil {
		return err
	}
	c, err := t.client(ctx)
	if err != nil {
		return err
	}
	at := path.Join(t.root, key)
	if _, err := c.Lstat(at); err == nil {
		return target.ErrExists
	}
	if err := c.MkdirAll(path.Dir(at)); err != nil {
		return err
	}
	part := partialPath(at)
	if err := fill(ctx, c, part, r, offset); err != nil {
		return err
	}
	if err := c.Rename(part, at); err != nil {
		if _, there := c.Lstat(at); there == nil {
			return target.ErrExists
		}
		return err
	}
	return nil
}

// fill writes r into the partial from offset on.
func fill(ctx context.Context, c *sftp.Client, part string, r io.Reader, offset int64) error {
	f, err := c.OpenFile(part, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < offset {
		err = target.ErrOffset
	}
	if err == nil {
		err = f.Truncate(offset)
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err == nil {
		// Many writes at once, in order enough: what fails leaves a partial
		// that may have a hole at its end, so it is cut to what was counted.
		var n int64
		n, err = f.ReadFromWithConcurrency(target.WithContext(ctx, r), inFlight)
		if err != nil {
			err = errors.Join(err, f.Truncate(offset+n))
		}
	}
	if err == nil {
		err = f.Sync()
		var status *sftp.StatusError
		if errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported {
			err = nil // not OpenSSH: the digest that is read back has to do
		}
	}
	return errors.Join(err, f.Close())
}

// Get reads a range; see target.Target.
func (t *Target) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	f, err := t.open(ctx, key)
	if err != nil {
		return nil, t.wrap("get", key, err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, t.wrap("get", key, errors.Join(err, f.Close()))
	}
	if length < 0 {
		length = 1<<62 - 1
	}
	return struct {
		io.Reader
		io.Closer
	}{target.WithContext(ctx, io.LimitReader(f, length)), f}, nil
}

func (t *Target) open(ctx context.Context, key string) (*sftp.File, error) {
	if err := target.CheckKey(key); err != nil {
		return nil, err
	}
	c, err := t.client(ctx)
	if err != nil {
		return nil, err
	}
	f, err := c.Open(path.Join(t.root, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, target.ErrNotFound
	}
	return f, err
}

// Stat looks at one object; see target.Target.
func (t *Target) Stat(ctx context.Context, key string) (target.Object, error) {
	f, err := t.open(ctx, key)
	if err != nil {
		return target.Object{}, t.wrap("stat", key, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = target.ErrNotFound
	}
	if err != nil {
		return target.Object{}, t.wrap("stat", key, err)
	}
	return target.Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

// List gives objects and partials; see target.Target.
func (t *Target) List(ctx context.Context, prefix string) ([]target.Object, error) {
	c, err := t.client(ctx)
	if err != nil {
		return nil, t.wrap("list", prefix, err)
	}
	start := path.Join(t.root, prefix)
	if !strings.HasSuffix(prefix, "/") && prefix != "" {
		start = path.Dir(start)
	}
	var found []target.Object
	for w := c.Walk(start); w.Step(); {
		if err := errors.Join(w.Err(), ctx.Err()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return found, t.wrap("list", prefix, err)
		}
		if o, ok := t.object(w.Path(), w.Stat()); ok && strings.HasPrefix(o.Key, prefix) {
			found = append(found, o)
		}
	}
	return found, nil
}

func (t *Target) object(at string, info fs.FileInfo) (o target.Object, ok bool) {
	if !info.Mode().IsRegular() {
		return o, false
	}
	dir, name := path.Split(at)
	if strings.HasPrefix(name, ".") && strings.HasSuffix(name, partialSuffix) {
		o.Partial = true
		name = strings.TrimSuffix(name[1:], partialSuffix)
	}
	o.Key = strings.TrimPrefix(strings.TrimPrefix(path.Join(dir, name), t.root), "/")
	o.Size, o.Modified = info.Size(), info.ModTime()
	return o, target.CheckKey(o.Key) == nil
}

// Delete removes an object, its partial, and folders that are empty then; see
// target.Target.
func (t *Target) Delete(ctx context.Context, key string) error {
	return t.wrap("delete", key, t.remove(ctx, key))
}

func (t *Target) remove(ctx context.Context, key string) error {
	if err := target.CheckKey(key); err != nil {
		return err
	}
	c, err := t.client(ctx)
	if err != nil {
		return err
	}
	at := path.Join(t.root, key)
	for _, p := range []string{at, partialPath(at)} {
		if err := c.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for dir := path.Dir(at); len(dir) > len(t.root); dir = path.Dir(dir) {
		if c.RemoveDirectory(dir) != nil { // not empty
			break
		}
	}
	return nil
}

const partialSuffix = ".partial"

func partialPath(at string) string { return path.Join(path.Dir(at), "."+path.Base(at)+partialSuffix) }

// wrap gives an error its name and what to do.
func (t *Target) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &target.Error{Target: t.name, Op: op, Key: key, Err: err}
	say := func(known error, hint string) error {
		e.Err, e.Hint = fmt.Errorf("%w: %w", known, err), hint
		return e
	}
	var hostKey *knownhosts.KeyError
	switch {
	case errors.As(err, &hostKey):
		return say(target.ErrDenied, "the host's key is not the one in known_hosts: find out why before you change the file")
	case strings.Contains(err.Error(), "unable to authenticate"):
		return say(target.ErrDenied, "the server takes neither this user nor this key")
	case errors.Is(err, fs.ErrPermission):
		return say(target.ErrDenied, "give the SFTP user the folder "+t.root)
	}
	// SFTP version 3 has no code for these; OpenSSH says only "Failure".
	if free, ok := t.free(); ok && free < 1<<20 && op == "put" {
		return say(target.ErrFull, "free space below "+t.root+" or prune the vault")
	}
	return e
}

// free asks for the bytes that are left, an extension of OpenSSH.
func (t *Target) free() (uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.c == nil {
		return 0, false
	}
	st, err := t.c.StatVFS(t.root)
	if err != nil {
		return 0, false
	}
	return st.Frsize * st.Bavail, true
}
