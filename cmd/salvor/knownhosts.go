package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host/ssh"
)

func (a *app) knownHostsCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "known-hosts",
		Short: "Make machines known by their SSH host keys",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	fingerprint, file := "", ""
	accept := &cobra.Command{
		Use:   "accept HOST...",
		Short: "Show the host key of a machine, and accept it if you agree",
		Long: `Accept connects to a machine, and to those on the way to it, and shows the host
keys that are not known yet. Compare them with what the machine itself says:
ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. What you agree to is added to
the file of known host keys. A key that differs from a known one is never
accepted.

HOST is a host of the configuration, or [user@]host[:port].

` + exitCodes,
		Args: args(cobra.MinimumNArgs(1)),
	}
	accept.Flags().StringVar(&fingerprint, "fingerprint", "", "do not ask; accept only keys with this fingerprint (SHA256:…)")
	accept.Flags().StringVar(&file, "known-hosts", "", "the file of known host keys, in the place of salvor.yaml's or ssh's own (as for `salvor init`)")
	accept.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text"); err != nil {
			return err
		}
		if fingerprint != "" && !strings.HasPrefix(fingerprint, "SHA256:") {
			return usageError{fmt.Errorf("--fingerprint %q: one begins with SHA256: and is written as ssh-keygen -l does", fingerprint)}
		}
		for _, name := range list {
			if err := a.acceptHost(c, name, fingerprint, file); err != nil {
				return err
			}
		}
		return nil
	}
	group.AddCommand(accept)
	return group
}

// named finds a host by its name in the configuration, or takes the name as
// an address.
func (a *app) named(name string) (cluster.Host, error) {
	cfg, cfgErr := a.load()
	if cfgErr == nil {
		if h, ok := cfg.Host(name); ok {
			return h, nil
		}
	}
	if strings.ContainsAny(name, "@.:") || cfgErr != nil {
		_, err := cluster.ParseSSHAddress(name)
		return cluster.Host{Name: name, Via: cluster.ViaSSH, Address: name}, err
	}
	return cluster.Host{}, fmt.Errorf("host %q is not in the configuration, and is no address", name)
}

func (a *app) acceptHost(c *cobra.Command, name, fingerprint, file string) error {
	h, err := a.named(name)
	if err != nil {
		return usageError{err}
	}
	if file != "" {
		h.KnownHosts = ownPath(file)
	}
	if h.Via != cluster.ViaSSH {
		return usageError{fmt.Errorf("host %s is not reached over SSH", name)}
	}
	t, err := a.overSSH(h)
	if err != nil {
		return err
	}
	accepted, err := t.Accept(c.Context(), func(k *ssh.HostKeyError) (bool, error) { return a.acceptKey(k, fingerprint) })
	for _, k := range accepted {
		if err := a.say("%s: accepted %s %s\n", k.Address, k.Type, k.Fingerprint); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, ssh.ErrAuth): // the host keys are in order
		fmt.Fprintf(a.err, "%s: its host key is known; but %v\n", name, err)
	case err != nil:
		return err
	case len(accepted) == 0:
		return a.say("%s: nothing to accept, its host key is known\n", name)
	}
	return nil
}

// acceptKey asks, unless the flag has answered.
func (a *app) acceptKey(k *ssh.HostKeyError, fingerprint string) (bool, error) {
	fmt.Fprintf(a.err, "%s shows the host key\n  %s %s\n", k.Address, k.Type, k.Fingerprint)
	if fingerprint != "" {
		if k.Fingerprint != fingerprint {
			return false, fmt.Errorf("%w: %s shows %s, not %s", ssh.ErrHostKey, k.Address, k.Fingerprint, fingerprint)
		}
		return true, nil
	}
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return false, hint(errDeclined, "there is no terminal to ask on: add --fingerprint %s once you have compared it", k.Fingerprint)
	}
	fmt.Fprint(a.err, "Is it the one that the machine itself shows? Type yes to accept it: ")
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return false, errDeclined
	}
	return true, nil
}
