package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/run"
)

// The exit codes; every help text lists them.
const (
	codeOK          = 0
	codeError       = 1
	codeUsage       = 2
	codeFindings    = 3
	codeUnseen      = 4
	codeNoCandidate = 10
	codeLocked      = 11
	codeStale       = 12
	codeVerdict     = 13
	codeStopped     = 20
	codeCancelled   = 130
)

const exitCodes = `Exit codes: 0 ok · 1 error · 2 usage · 3 findings exist · 4 too little could be
observed to say · 10 no usable candidate · 11 locked by another run · 12 plan
stale · 13 verification failed · 20 stopped for the operator, resumable ·
130 cancelled`

// Errors that stand for an exit code and nothing else.
var (
	errFindings = errors.New("findings exist")
	errUnseen   = errors.New("too little could be observed to say")
	errVerdict  = errors.New("verification failed: the cluster is not proven to be well")
	errStale    = errors.New("the plan is stale: what it answers is no longer what is there")
	errDeclined = errors.New("stopped: nothing was agreed to, nothing was done")
)

// usageError is a wrong command line.
type usageError struct{ error }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// exitCode is the one place where an error becomes a number.
func exitCode(err error) int {
	var stopped *run.Stopped
	var usage usageError
	var command commandExit
	switch {
	case errors.As(err, &command):
		return command.code
	case err == nil, errors.Is(err, plan.ErrHealthy):
		return codeOK
	case errors.As(err, &usage):
		return codeUsage
	case errors.Is(err, host.ErrLocked):
		return codeLocked
	case errors.Is(err, errFindings), errors.Is(err, plan.ErrRefused):
		return codeFindings
	case errors.Is(err, errUnseen), errors.Is(err, plan.ErrUnseen):
		return codeUnseen
	case errors.Is(err, plan.ErrNoCandidate):
		return codeNoCandidate
	case errors.Is(err, errStale):
		return codeStale
	case errors.Is(err, errVerdict):
		return codeVerdict
	case errors.Is(err, context.Canceled):
		return codeCancelled
	case errors.As(err, &stopped), errors.Is(err, errDeclined):
		return codeStopped
	}
	return codeError
}

// silent are errors whose message was already the command's output.
func silent(err error) bool { return errors.Is(err, errFindings) || errors.Is(err, errUnseen) }

// errorDocument is an error under -o json, on standard error.
type errorDocument struct {
	Code  int    `json:"code"`
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// complain tells the operator what went wrong and what to do now.
func (a *app) complain(err error, code int) {
	var h interface{ Hint() string }
	advice := ""
	if errors.As(err, &h) {
		advice = h.Hint()
	}
	if a.output == "json" {
		_ = report.JSON(a.err, "Error", errorDocument{code, err.Error(), advice})
		return
	}
	if silent(err) {
		return
	}
	text := strings.TrimSpace(err.Error())
	if text == context.Canceled.Error() {
		text = "cancelled"
	}
	if advice == "" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)) {
		advice = "make room there, or write to another disk: --cases FOLDER for cases, the flag that names the file for others"
	}
	fmt.Fprintf(a.err, "salvor: %s\n", text)
	if advice != "" {
		fmt.Fprintf(a.err, "        → %s\n", advice)
	}
}
