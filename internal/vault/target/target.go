// Package target says what a place that holds backups can do. There is one
// interface, with four kinds behind it (directory, S3, SFTP, removable medium)
// and one conformance suite, targettest, that all of them pass.
//
// Everything in a vault is written once: no object is ever replaced. That is
// what makes object locks, several writers and "take the oldest version" safe.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// Target is one place that holds backups. Its methods may be called at the
// same time. Making one touches nothing: a place that is down says so in the
// first call.
type Target interface {
	// Name is the target's name in salvor.yaml, unique in a vault.
	Name() string
	// Properties are what the operator says of the place.
	Properties() Properties
	// Put writes an object whole or not at all, durably, and never replaces
	// one: ErrExists. If it fails after Offset+n bytes, a partial may stay
	// behind: List shows it, Delete removes it, and a Put with its size as
	// Offset goes on there. r is read once, from Offset on. A Put with Offset
	// zero starts anew.
	Put(ctx context.Context, key string, r io.Reader, o PutOptions) error
	// Get reads length bytes from offset, or to the end if length is negative.
	// A range past the end gives what there is. The reader may fail late.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Stat looks at one whole object: ErrNotFound if it is not there.
	Stat(ctx context.Context, key string) (Object, error)
	// List gives the objects whose keys begin with prefix, in no order, whole
	// ones and partial ones. A prefix is a folder with its slash, a key, or "".
	List(ctx context.Context, prefix string) ([]Object, error)
	// Delete removes an object, in all its versions, and its partial. What is
	// not there is no error; what is locked is ErrLocked and stays.
	Delete(ctx context.Context, key string) error
}

// Retainer is a target that can lengthen an object's lock; a lock is never
// shortened.
type Retainer interface {
	Retain(ctx context.Context, key string, until time.Time) error
}

// Properties are the labels that the 3-2-1 rule asks for.
type Properties struct {
	Media     string // what it is stored on: "disk", "object", "tape", …; two that differ are two media
	Offsite   bool   // at another place than the cluster
	Offline   bool   // out of reach of whoever owns the network
	Absent    bool   // mostly not there: copies wait for it
	Immutable bool   // keeps an object until its time, against its owner too
}

// Object is one object, or what an interrupted Put left of it.
type Object struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
	Partial  bool
}

// PutOptions say how an object is written.
type PutOptions struct {
	Offset      int64     // where r begins: the size of the partial that List showed
	RetainUntil time.Time // locked until then where the target can; zero: not at all
}

// What a target answers; the error around it says which target, which key and
// what to do. An answer that is none of these is a target that is down.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already, and a vault never replaces")
	ErrAbsent   = errors.New("medium is not there")
	ErrFull     = errors.New("no space left")
	ErrReadOnly = errors.New("read-only")
	ErrDenied   = errors.New("access denied")
	ErrLocked   = errors.New("locked against deletion")
	ErrOffset   = errors.New("no partial of that size")
)

// Error is what every target returns.
type Error struct {
	Target, Op, Key string
	Hint            string // what the operator can do; may be empty
	Err             error
}

// Error says op, key, target, cause and hint.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s on target %s: %v", e.Op, e.Key, e.Target, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CheckKey refuses what is not a clean relative path of plain characters, or
// has a folder or name that begins with a dot: those are the targets' own.
func CheckKey(key string) error {
	if key == "" || len(key) > 512 || path.Clean(key) != key || path.IsAbs(key) {
		return fmt.Errorf("%q is no key of a vault", key)
	}
	for _, part := range strings.Split(key, "/") {
		if part[0] == '.' || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+=") != "" {
			return fmt.Errorf("%q is no key of a vault", key)
		}
	}
	return nil
}

// Partial gives the size of what an interrupted Put of key left, zero if
// nothing.
func Partial(ctx context.Context, t Target, key string) (int64, error) {
	found, err := t.List(ctx, key)
	if err != nil {
		return 0, err
	}
	for _, o := range found {
		if o.Key == key && o.Partial {
			return o.Size, nil
		}
	}
	return 0, nil
}

// ReadAll reads a small object whole; more than limit bytes is an error.
func ReadAll(ctx context.Context, t Target, key string, limit int64) ([]byte, error) {
	r, err := t.Get(ctx, key, 0, limit+1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s on target %s: %w", key, t.Name(), err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("read %s on target %s: more than %d bytes", key, t.Name(), limit)
	}
	return b, nil
}

// WithContext makes a reader that stops when ctx ends.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
