package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host/ssh"
)

// reach is what the machines that are reached over SSH share.
type reach struct {
	keys     *ssh.Keys
	binary   *ssh.Binary
	machines []*ssh.Transport
}

// overSSH prepares a machine; nothing is dialled yet.
func (a *app) overSSH(h cluster.Host) (*ssh.Transport, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("find the folder of known host keys: %w", err)
	}
	if a.reach.keys == nil {
		a.reach.keys = &ssh.Keys{Agent: os.Getenv("SSH_AUTH_SOCK"), Home: home, Ask: a.asker()}
		a.reach.binary = ssh.ThisBinary()
	}
	o := ssh.Options{
		Name: h.Name, KnownHosts: ssh.DefaultKnownHosts(home), Keys: a.reach.keys,
		Sudo: h.Sudo, StateDir: h.State(), Binary: a.reach.binary, Placed: a.placed,
	}
	if o.Address, err = address(h.Address); err != nil {
		return nil, err
	}
	for _, j := range h.Jump {
		hop, err := address(j)
		if err != nil {
			return nil, err
		}
		o.Jump = append(o.Jump, hop)
	}
	for _, f := range h.Identities {
		o.Identities = append(o.Identities, below(home, f))
	}
	if h.KnownHosts != "" {
		o.KnownHosts = []string{below(home, h.KnownHosts)}
	}
	t, err := ssh.New(o)
	if err != nil {
		return nil, err
	}
	a.reach.machines = append(a.reach.machines, t)
	return t, nil
}

func address(s string) (ssh.Address, error) {
	p, err := cluster.ParseSSHAddress(s)
	return ssh.Address{User: p.User, Host: p.Host, Port: p.Port}, err
}

// below resolves "~/".
func below(home, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

// asker reads passphrases from the terminal; nil without one.
func (a *app) asker() func(string) ([]byte, error) {
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return nil
	}
	return func(prompt string) ([]byte, error) {
		fmt.Fprint(a.err, prompt)
		defer fmt.Fprintln(a.err)
		return term.ReadPassword(int(terminal.Fd()))
	}
}

// placed tells that salvor has travelled to a machine.
func (a *app) placed(machine string, p ssh.Placement) {
	if a.output == "json" {
		return
	}
	note := ""
	if p.Resumed > 0 {
		note = ", the rest of an earlier attempt"
	}
	if p.Replaced {
		note += ", in the place of something else, which is kept beside it"
	}
	fmt.Fprintf(a.err, "%s: salvor was placed there: %.1f MB in %s%s\n", machine, float64(p.Sent)/1e6, p.Took.Round(100*time.Millisecond), note)
}

// removeBinaries removes salvor's own binary from every machine that it was
// prepared for. Connections that are open go on.
func (a *app) removeBinaries(ctx context.Context) error {
	var all error
	for _, m := range a.reach.machines {
		all = errors.Join(all, m.Remove(ctx))
	}
	return all
}
