package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrDisconnected says that the connection broke before an answer came:
	// whether the method did its work is unknown.
	ErrDisconnected = errors.New("the connection broke")
	// ErrLocked says that another run holds the host's lock.
	ErrLocked = errors.New("locked by another run")
	// ErrVersion says that the two sides are not the same salvor.
	ErrVersion = errors.New("another version of salvor")
	// ErrExists says that a transfer's target exists with other content.
	ErrExists = errors.New("the target exists with other content")
	// ErrIdle says that nothing moved for too long.
	ErrIdle = errors.New("nothing moved for too long")
)

// The codes of errors on the wire. Methods of other packages may use their
// own.
const (
	CodeError         = "error"
	CodeCancelled     = "cancelled"
	CodeTimeout       = "timeout"
	CodeNotExist      = "not-exist"
	CodePermission    = "permission"
	CodeNoSpace       = "no-space"
	CodeReadOnly      = "read-only"
	CodeLocked        = "locked"
	CodeVersion       = "version"
	CodeExists        = "exists"
	CodeBusy          = "busy"
	CodeCorrupt       = "corrupt"
	CodeConflict      = "conflict"
	CodeBadRequest    = "bad-request"
	CodeUnknownMethod = "unknown-method"
	CodePanic         = "panic"
)

// sentinels are the errors that a code stands for on either side.
func sentinels() []sentinel {
	return []sentinel{
		{CodeLocked, ErrLocked}, {CodeVersion, ErrVersion}, {CodeExists, ErrExists},
		{CodeNoSpace, syscall.ENOSPC}, {CodeReadOnly, syscall.EROFS},
		{CodeNotExist, fs.ErrNotExist}, {CodePermission, fs.ErrPermission},
		{CodeCancelled, context.Canceled}, {CodeTimeout, context.DeadlineExceeded},
	}
}

type sentinel struct {
	code string
	err  error
}

// Failure is an error with what a method wants to tell the coordinator beside
// its text.
type Failure struct {
	Code string
	// Hint tells the operator what to do about it.
	Hint string
	// Detail is any JSON value.
	Detail any
	Err    error
}

// Error gives the text of the error within.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the error within.
func (f *Failure) Unwrap() error { return f.Err }

// RemoteError is an error that a method on a host returned: the connection is
// in order.
type RemoteError struct {
	Host, Method, Code, Message, Hint string
	Detail                            json.RawMessage
}

// Error names host and method, and ends with the hint.
func (e *RemoteError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", e.Host, e.Method, e.Message)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Is matches the error that the code stands for: ErrLocked, ErrVersion,
// ErrExists, fs.ErrNotExist, fs.ErrPermission, syscall.ENOSPC, syscall.EROFS,
// context.Canceled or context.DeadlineExceeded.
func (e *RemoteError) Is(target error) bool {
	for _, s := range sentinels() {
		if s.code == e.Code {
			return s.err == target
		}
	}
	return false
}

// fault is an error on the wire.
type fault struct {
	Code    string          `json:"code"`
	Message string          `json:"message,omitempty"`
	Hint    string          `json:"hint,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// faultOf makes the wire form of an error; code and hint come from the first
// Failure or RemoteError in its chain, or else from what the error is.
func faultOf(err error) fault {
	f := fault{Code: codeOf(err), Message: err.Error()}
	var failure *Failure
	var remote *RemoteError
	switch {
	case errors.As(err, &failure):
		f.Code, f.Hint = failure.Code, failure.Hint
		if b, jerr := json.Marshal(failure.Detail); jerr == nil && failure.Detail != nil {
			f.Detail = b
		}
	case errors.As(err, &remote):
		f.Code, f.Hint, f.Detail = remote.Code, remote.Hint, remote.Detail
	}
	if f.Code == "" {
		f.Code = CodeError
	}
	return f
}

func codeOf(err error) string {
	for _, s := range sentinels() {
		if errors.Is(err, s.err) {
			return s.code
		}
	}
	return CodeError
}

// on makes a fault an error of a host's method.
func (f fault) on(host, method string) error {
	return &RemoteError{Host: host, Method: method, Code: f.Code, Message: f.Message, Hint: f.Hint, Detail: f.Detail}
}
