package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// builtin are the methods that every host has.
func (s *server) builtin() Methods {
	mirror := Mirror{Dir: CasesDir(s.opts.StateDir)}
	return Methods{
		methodHello: typed(s.hello),
		methodLock:  typed(s.takeLock),
		methodCasePut: typed(func(_ context.Context, p casePut) (any, error) {
			return nil, mirror.Put(p.Case, p.Name, p.Data)
		}),
		methodCaseAppend: typed(func(_ context.Context, p caseAppend) (any, error) {
			return nil, mirror.Append(p.Case, p.Name, p.Line, p.Seq)
		}),
		methodCaseList: typed(func(context.Context, struct{}) (any, error) { return mirror.List() }),
		methodCaseGet: typed(func(_ context.Context, p caseGet) (any, error) {
			data, err := mirror.Get(p.Case, p.Name)
			return casePut{Case: p.Case, Name: p.Name, Data: data}, err
		}),
		methodFileStat: typed(fileStat),
	}
}

// The parameters of the built-in methods.
type (
	casePut struct {
		Case string `json:"case"`
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	caseAppend struct {
		Case string `json:"case"`
		Name string `json:"name"`
		Line []byte `json:"line"`
		Seq  int64  `json:"seq"`
	}
	caseGet struct {
		Case string `json:"case"`
		Name string `json:"name"`
	}
	statParams struct {
		Path string `json:"path"`
	}
)

// FileInfo is what lies at a path of a host.
type FileInfo struct {
	Size int64 `json:"size"`
	// Mode holds the permission bits only.
	Mode     uint32    `json:"mode"`
	Dir      bool      `json:"dir"`
	Modified time.Time `json:"modified"`
}

// typed makes a Method of a function that takes its parameters decoded.
func typed[P any](f func(context.Context, P) (any, error)) Method {
	return func(ctx context.Context, raw json.RawMessage, _ func(Progress)) (any, error) {
		p, err := Params[P](raw)
		if err != nil {
			return nil, err
		}
		return f(ctx, p)
	}
}

// Params decodes a method's parameters strictly: the two sides are the same
// binary, so that a field which is not known is a defect.
func Params[P any](raw json.RawMessage) (P, error) {
	var p P
	if len(raw) == 0 || string(raw) == "null" {
		return p, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, &Failure{Code: CodeBadRequest, Err: fmt.Errorf("read the parameters: %w", err)}
	}
	return p, nil
}

// hello compares protocol and version.
func (s *server) hello(_ context.Context, p helloParams) (any, error) {
	if err := sameVersion(p.Protocol, p.Version, s.opts.Version); err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host's name: %w", err)
	}
	s.mu.Lock()
	if !s.greeted && p.Silence > 0 {
		s.listen(p.Silence)
	}
	s.greeted = true
	s.mu.Unlock()
	return Hello{Protocol: Protocol, Version: s.opts.Version, Hostname: hostname, OS: runtime.GOOS + "/" + runtime.GOARCH, PID: os.Getpid()}, nil
}

// sameVersion compares the other side's protocol and version with ours.
func sameVersion(protocol int, theirs, ours string) error {
	if protocol == Protocol && theirs == ours {
		return nil
	}
	return &Failure{
		Code: CodeVersion,
		Hint: "use the same salvor binary on both sides",
		Err:  fmt.Errorf("%w: protocol %d, version %q there; protocol %d, version %q here", ErrVersion, protocol, theirs, Protocol, ours),
	}
}

// takeLock locks the host for this connection.
func (s *server) takeLock(_ context.Context, owner Owner) (any, error) {
	return nil, s.lock.take(s.opts.StateDir, owner)
}

// fileStat tells what lies at a path; symbolic links are followed.
func fileStat(_ context.Context, p statParams) (any, error) {
	if !filepath.IsAbs(p.Path) {
		return nil, &Failure{Code: CodeBadRequest, Err: fmt.Errorf("stat %q: the path must be absolute", p.Path)}
	}
	st, err := os.Stat(p.Path)
	if err != nil {
		return nil, err // names the operation and the path
	}
	return FileInfo{Size: st.Size(), Mode: uint32(st.Mode().Perm()), Dir: st.IsDir(), Modified: st.ModTime()}, nil
}
