package ssh

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrHostKey says that a machine could not prove that it is the known one.
	ErrHostKey = errors.New("the machine is not proven to be the one that is meant")
	// ErrAuth says that the machine accepted none of the keys.
	ErrAuth = errors.New("the machine accepted no key")
	// ErrDead says that the machine fell silent.
	ErrDead = errors.New("the machine fell silent")
	// ErrSudo says that sudo there does not let the user in without more.
	ErrSudo = errors.New("sudo refused")
	// ErrMachine says that this binary is not made for the machine.
	ErrMachine = errors.New("the machine is of another kind")
	// ErrPlace says that the binary could not be put there, or is not what was
	// sent.
	ErrPlace = errors.New("salvor could not be placed on the machine")
)

// advised is an error with what to do about it. The advice is part of its
// text too: observed facts keep the text only.
type advised struct {
	err    error
	advice string
}

func (a *advised) Error() string { return a.err.Error() + ": " + a.advice }
func (a *advised) Unwrap() error { return a.err }

// Hint tells the operator what to do.
func (a *advised) Hint() string { return a.advice }

func advise(err error, format string, args ...any) error {
	return &advised{err, fmt.Sprintf(format, args...)}
}

// HostKeyError is a host key that was not accepted.
type HostKeyError struct {
	// Machine is the name under which "salvor known-hosts accept" knows the
	// machine; Address is the host and port that showed the key.
	Machine, Address string
	// Type and Fingerprint are the key's, as "ssh-keygen -l" shows them.
	Type, Fingerprint string
	// File and Line say where another key is known, or this one revoked; 0
	// when none is known at all.
	File    string
	Line    int
	Revoked bool

	key ssh.PublicKey
}

// Error says what was shown and what to do now.
func (e *HostKeyError) Error() string {
	shown := fmt.Sprintf("%s showed the host key %s %s", e.Address, e.Type, e.Fingerprint)
	switch {
	case e.Revoked:
		return fmt.Sprintf("%s, which is revoked at %s:%d: %s", shown, e.File, e.Line, e.Hint())
	case e.Line > 0:
		return fmt.Sprintf("%s, but another one is known for it at %s:%d: %s", shown, e.File, e.Line, e.Hint())
	}
	return fmt.Sprintf("%s, which is not known: %s", shown, e.Hint())
}

// Hint tells the operator what to do.
func (e *HostKeyError) Hint() string {
	switch {
	case e.Revoked:
		return "nothing was sent; give the machine a new host key"
	case e.Line > 0:
		return fmt.Sprintf("nothing was sent; either the machine was installed anew or somebody stands in between: "+
			"find out which, and only then delete that line and run `salvor known-hosts accept %s`", e.Machine)
	}
	return fmt.Sprintf("compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub` says on the machine itself, then run `salvor known-hosts accept %s`",
		keyFile(e.Type), e.Machine)
}

// Unwrap gives ErrHostKey.
func (e *HostKeyError) Unwrap() error { return ErrHostKey }

// keyFile gives the middle of a host key file's name.
func keyFile(keyType string) string {
	for _, k := range []string{"ed25519", "ecdsa", "rsa"} {
		if strings.Contains(keyType, k) {
			return k
		}
	}
	return "*"
}

// exitError is how a session's command ended, in the words of os/exec.
func exitError(err error, why error) error {
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.Signal() == "KILL":
		return errors.New("signal: killed")
	case errors.As(err, &exit) && exit.Signal() != "":
		return errors.New("signal: " + exit.Signal())
	case errors.As(err, &exit):
		return fmt.Errorf("exit status %d", exit.ExitStatus())
	case errors.As(err, &missing) && why != nil:
		return why
	case errors.As(err, &missing):
		return errors.New("the session ended without saying how")
	}
	return err
}

// explain adds what a command's last words mean, where Salvor knows it.
func (o Options) explain(err error, said string) error {
	switch {
	case err == nil:
		return nil
	case o.Sudo && (strings.Contains(said, "sudo:") || strings.Contains(said, "sudo: not found")):
		return advise(fmt.Errorf("%w: %q", ErrSudo, lastLine(said)),
			"let %s run commands without a password (a file in /etc/sudoers.d: `%s ALL=(root) NOPASSWD: ALL`), or log in as root",
			o.Address.login(), o.Address.login())
	case said != "" && !strings.Contains(err.Error(), said):
		return fmt.Errorf("%w: it said %q", err, said)
	}
	return err
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }
