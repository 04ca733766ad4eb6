// Package dir is a vault's target in a directory: a second disk, NFS, a mount.
// An object is a file; it is written beside its place, as .NAME.partial, synced
// and renamed, which never replaces a file.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Target holds backups in the folder Root.
type Target struct {
	name  string
	root  string
	props target.Properties
}

var _ target.Target = (*Target)(nil)

// New names a target in root, an absolute path. The folder must exist when it
// is used: a missing one is a disk that is not mounted, and is not made.
func New(name, root string, props target.Properties) (*Target, error) {
	if !filepath.IsAbs(root) {
		return nil, fmt.Errorf("target %s: %s is not an absolute path", name, root)
	}
	props.Immutable = false // whoever may write here may delete here
	return &Target{name: name, root: root, props: props}, nil
}

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
	if err := t.there(); err != nil {
		return err
	}
	path := filepath.Join(t.root, key)
	if _, err := os.Lstat(path); err == nil {
		return target.ErrExists
	}
	if err := durable.MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	part := partialPath(path)
	if err := fill(ctx, part, r, offset); err != nil {
		return err
	}
	if err := commit(part, path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// commit gives the partial its name, without replacing a file of that name
// where the file system can promise that (FAT and some network ones cannot).
func commit(part, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, part, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.EEXIST):
		return target.ErrExists
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return os.Rename(part, path)
	}
	return err
}

// fill writes r into the partial from offset on, synced and out of the page
// cache, so that what is read back comes from the disk.
func fill(ctx context.Context, part string, r io.Reader, offset int64) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
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
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, target.WithContext(ctx, r), make([]byte, 1<<20))
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		// A hint: where it does nothing, the digest is read from the cache.
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	return errors.Join(err, f.Close())
}

// Get reads a range; see target.Target.
func (t *Target) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	f, err := t.open(key)
	if err != nil {
		return nil, t.wrap("get", key, err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, t.wrap("get", key, errors.Join(err, f.Close()))
	}
	r := target.WithContext(ctx, f)
	if length >= 0 {
		r = io.LimitReader(r, length)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, &passing{f, offset, max(length, 0)}}, nil
}

// passing is a range that is read once: its pages leave the page cache, which
// the machine's own data needs more. For the kernel it is only a hint.
type passing struct {
	f              *os.File
	offset, length int64 // no length: to the end
}

func (p *passing) Close() error {
	_ = unix.Fadvise(int(p.f.Fd()), p.offset, p.length, unix.FADV_DONTNEED)
	return p.f.Close()
}

func (t *Target) open(key string) (*os.File, error) {
	if err := target.CheckKey(key); err != nil {
		return nil, err
	}
	if err := t.there(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(t.root, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, target.ErrNotFound
	}
	return f, err
}

// Stat looks at one object; see target.Target.
func (t *Target) Stat(_ context.Context, key string) (target.Object, error) {
	f, err := t.open(key)
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
	var found []target.Object
	err := t.there()
	if err == nil {
		start := filepath.Join(t.root, filepath.FromSlash(prefix))
		if !strings.HasSuffix(prefix, "/") && prefix != "" {
			start = filepath.Dir(start)
		}
		err = filepath.WalkDir(start, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // deleted meanwhile, or nothing below this prefix
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil || d.IsDir() {
				return err
			}
			o, ok, err := t.object(path, d)
			if ok && strings.HasPrefix(o.Key, prefix) {
				found = append(found, o)
			}
			return err
		})
	}
	return found, t.wrap("list", prefix, err)
}

// object makes what List says of a file; files that are not the vault's are
// passed over.
func (t *Target) object(path string, d fs.DirEntry) (o target.Object, ok bool, err error) {
	dir, name := filepath.Split(path)
	if strings.HasPrefix(name, ".") && strings.HasSuffix(name, partialSuffix) {
		o.Partial = true
		name = strings.TrimSuffix(name[1:], partialSuffix)
	}
	rel, err := filepath.Rel(t.root, filepath.Join(dir, name))
	if err != nil {
		return o, false, err
	}
	o.Key = filepath.ToSlash(rel)
	if target.CheckKey(o.Key) != nil || !d.Type().IsRegular() {
		return o, false, nil
	}
	info, err := d.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	}
	if err != nil {
		return o, false, err
	}
	o.Size, o.Modified = info.Size(), info.ModTime()
	return o, true, nil
}

// Delete removes an object, its partial, and folders that are empty then; see
// target.Target.
func (t *Target) Delete(_ context.Context, key string) error {
	return t.wrap("delete", key, t.remove(key))
}

func (t *Target) remove(key string) error {
	if err := target.CheckKey(key); err != nil {
		return err
	}
	if err := t.there(); err != nil {
		return err
	}
	path := filepath.Join(t.root, key)
	for _, p := range []string{path, partialPath(path)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := durable.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for ; dir != t.root && len(dir) > len(t.root); dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil { // not empty
			break
		}
	}
	return nil
}

// there refuses to work when the root is not a folder.
func (t *Target) there() error {
	info, err := os.Stat(t.root)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the folder %s does not exist", target.ErrAbsent, t.root)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", t.root)
	}
	return err
}

const partialSuffix = ".partial"

func partialPath(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+partialSuffix)
}

// wrap gives an error its name and what to do.
func (t *Target) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &target.Error{Target: t.name, Op: op, Key: key, Err: err}
	say := func(known error, hint string) *target.Error {
		e.Err, e.Hint = fmt.Errorf("%w: %w", known, err), hint
		return e
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return say(target.ErrFull, "free space below "+t.root+" or prune the vault")
	case errors.Is(err, unix.EROFS):
		return say(target.ErrReadOnly, "mount "+t.root+" writable; a disk that turned read-only may be failing, look at the kernel's log")
	case errors.Is(err, fs.ErrPermission):
		return say(target.ErrDenied, "give this user the folder "+t.root)
	}
	return e
}
