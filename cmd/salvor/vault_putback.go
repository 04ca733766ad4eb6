package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/putback"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/report"
)

// putBackOptions are the flags of vault put-back.
type putBackOptions struct {
	getOptions
	hosts, at, replace []string
	dry, yes, other    bool
}

func (a *app) vaultPutBackCommand(o *vaultFlags) *cobra.Command {
	var p putBackOptions
	c := &cobra.Command{
		Use:   "put-back [BACKUP]",
		Short: "Put keys, manifests and units back onto machines that were installed anew",
		Long: `Put-back takes the bundle of the newest proven backup, or of the one that is
named, and compares it with every machine. It shows the difference, asks, and
writes what is missing, with owners and modes. What is there and differs stays,
unless --replace names it: then it is set aside first, in replaced/ of the
machine's state folder. A kubelet is stopped before anything is written, so that
it starts no etcd without data; recover starts it. A machine on which etcd runs
is left alone. No data of etcd is touched: that is what recover does, afterwards.

Without a salvor.yaml that of the backup is taken, and written here. A machine
that it calls local is another one now: say where it is with --at.

Example:
  salvor vault put-back --target "$T" --identity KEY.txt
  salvor recover        --target "$T" --identity KEY.txt

` + exitCodes,
		Args: args(cobra.MaximumNArgs(1)),
	}
	f := c.Flags()
	f.StringArrayVar(&p.hosts, "host", nil, "this host of salvor.yaml only; may be repeated")
	f.StringArrayVar(&p.at, "at", nil, "where a host is now, over SSH: NAME=[user@]host[:port]; may be repeated")
	f.StringArrayVar(&p.replace, "replace", nil, "replace this file, or all below this folder, where it differs; may be repeated")
	f.BoolVar(&p.dry, "dry-run", false, "show the difference and write nothing")
	f.BoolVar(&p.yes, "yes", false, "do not ask")
	f.BoolVar(&p.other, "other-machine", false, "accept a machine that has neither the name nor an address of the host")
	f.StringVar(&p.of, "of", "", "the cluster that is meant: its kube-system UID, or its etcd cluster ID")
	f.BoolVar(&p.any, "any-cluster", false, "take a backup of whatever cluster")
	c.RunE = func(c *cobra.Command, list []string) error {
		name := ""
		if len(list) == 1 && list[0] != "newest" {
			name = list[0]
		}
		return a.withVault(c.Context(), o, backup.Options{}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, cfg cluster.Config) error {
			return a.vaultPutBack(ctx, v, name, cfg, p)
		})
	}
	return c
}

// putBackLine is a host, and what becomes of its files.
type putBackLine struct {
	Host     string          `json:"host"`
	Hostname string          `json:"hostname,omitempty"`
	Kubelet  string          `json:"kubelet,omitempty"`
	Why      string          `json:"why,omitempty"` // nothing is put there
	Files    []putback.State `json:"files"`

	machine *remote.Host
	bundle  bundle.Host
}

func (a *app) vaultPutBack(ctx context.Context, v *backup.Vault, name string, cfg cluster.Config, p putBackOptions) (err error) {
	c, err := a.candidate(ctx, v, name, p.getOptions)
	if err != nil {
		return err
	}
	b, err := v.Bundle(ctx, c)
	if err != nil {
		return hintFetch(err)
	}
	ours := len(cfg.Hosts) == 0
	if ours {
		if cfg, err = config.Parse("salvor.yaml of backup "+c.ID, b.Config); err != nil {
			return hint(err, "write a salvor.yaml, for example with `salvor init --host …`, and run this again")
		}
	}
	if err := placeAt(&cfg, p.at); err != nil {
		return err
	}
	if err := a.tell("backup  %s of cluster %s, made %s (%s ago)\n", c.ID, orNone(c.Cluster.Name), c.Created.Format(time.RFC3339), ago(c.Age)); err != nil {
		return err
	}
	fleet, err := a.fleet(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	lines, err := putBackLines(fleet, b, p.hosts)
	if err != nil {
		return err
	}
	if err := fleet.Lock(ctx, host.NewOwner("put-back-"+c.ID)); err != nil {
		return err
	}
	lookBare(ctx, cfg, lines, p)
	changes, err := a.showPutBack(lines, p.replace)
	if err != nil {
		return err
	}
	if changes && !p.dry {
		if err := a.agreePutBack(ctx, p.yes); err != nil {
			return err
		}
		a.putAll(ctx, cfg, lines, p.replace, c.ID+"-"+time.Now().UTC().Format("20060102T150405Z"))
	}
	return a.putBackEnd(lines, c.ID, cfg, b, p, ours)
}

// placeAt puts where machines are now in the place of where they were.
func placeAt(cfg *cluster.Config, at []string) error {
	cfg.Hosts = slices.Clone(cfg.Hosts)
	for _, text := range at {
		name, address, ok := strings.Cut(text, "=")
		i := slices.IndexFunc(cfg.Hosts, func(h cluster.Host) bool { return h.Name == name })
		if !ok || i < 0 {
			return usageError{fmt.Errorf("--at %q: write NAME=root@10.0.0.11, with the name of a host of salvor.yaml", text)}
		}
		if _, err := cluster.ParseSSHAddress(address); err != nil {
			return usageError{fmt.Errorf("--at %s: %w", name, err)}
		}
		h := &cfg.Hosts[i]
		if h.Via != cluster.ViaSSH {
			*h = cluster.Host{Name: h.Name, StateDir: h.StateDir}
		}
		h.Via, h.Address = cluster.ViaSSH, address
	}
	return nil
}

// putBackLines pairs the hosts of the backup with the machines.
func putBackLines(fleet *remote.Fleet, b bundle.Bundle, only []string) ([]*putBackLine, error) {
	var lines []*putBackLine
	for _, h := range b.Hosts {
		if len(h.Files) == 0 || len(only) > 0 && !slices.Contains(only, h.Name) {
			continue
		}
		machine, err := fleet.Host(h.Name)
		if err != nil {
			return nil, hint(fmt.Errorf("the backup has files of %s: %w", h.Name, err), "name it there as the backup does, or leave it out with --host")
		}
		lines = append(lines, &putBackLine{Host: h.Name, Files: []putback.State{}, machine: machine, bundle: h})
	}
	for _, name := range only {
		if !slices.ContainsFunc(lines, func(l *putBackLine) bool { return l.Host == name }) {
			return nil, usageError{fmt.Errorf("--host %s: the backup has no files of it", name)}
		}
	}
	if len(lines) == 0 {
		return nil, errors.New("the backup holds no files of any machine: only etcd is in it")
	}
	return lines, nil
}

// lookBare asks all machines at the same time how the files stand there, and
// whether files may be put there.
func lookBare(ctx context.Context, cfg cluster.Config, lines []*putBackLine, p putBackOptions) {
	var wg sync.WaitGroup
	for _, l := range lines {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, surveyBudget)
			defer cancel()
			look, err := l.machine.LookBare(ctx, cfg, l.bundle.Files)
			if err != nil {
				l.Why = err.Error()
				return
			}
			l.judge(look, p)
		})
	}
	wg.Wait()
}

// judge says whether files may be put onto a machine.
func (l *putBackLine) judge(look remote.Bare, p putBackOptions) {
	l.Hostname, l.Kubelet, l.Files = look.Hostname, look.Kubelet, look.Files
	switch {
	case look.Hostname != l.bundle.Hostname && len(look.Has) == 0 && !p.other:
		l.Why = fmt.Sprintf("that machine is %s and has none of the addresses %v, the backup's was %s: if it is in its place all the same, say --other-machine; if %s is elsewhere, --at %s=root@ADDRESS",
			look.Hostname, look.Expected, l.bundle.Hostname, l.Host, l.Host)
	case len(look.Running) > 0 && l.changes(p.replace):
		l.Why = fmt.Sprintf("etcd (%s) runs there: it is not bare. Take single files from `salvor vault get --bundle DIR`, or stop etcd and the kubelet first", strings.Join(look.Running, ", "))
	}
}

// changes tells whether anything would be written.
func (l *putBackLine) changes(replace []string) bool {
	return slices.ContainsFunc(l.Files, func(s putback.State) bool {
		return s.Standing == putback.Missing || s.Standing == putback.Differs && putback.Covered(s.Path, replace)
	})
}

func (a *app) agreePutBack(ctx context.Context, yes bool) error {
	if yes {
		return nil
	}
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return hint(errDeclined, "to write without being asked, add --yes")
	}
	fmt.Fprint(a.err, "Write these files? Type yes: ")
	line, err := a.ask(ctx)
	if err == nil && strings.TrimSpace(line) != "yes" {
		err = errDeclined
	}
	return err
}

// putAll writes, one machine after the other.
func (a *app) putAll(ctx context.Context, cfg cluster.Config, lines []*putBackLine, replace []string, aside string) {
	for _, l := range lines {
		if l.Why != "" || !l.changes(replace) {
			continue
		}
		if l.Kubelet == "active" || l.Kubelet == "activating" || l.Kubelet == "reloading" {
			if err := l.machine.Quiet(ctx, cfg); err != nil {
				l.Why = err.Error() + "; nothing was written there"
				continue
			}
			l.Kubelet = "stopped"
		}
		done, err := l.machine.Put(ctx, cfg, l.bundle.Files, replace, aside)
		for _, s := range done {
			if i := slices.IndexFunc(l.Files, func(f putback.State) bool { return f.Path == s.Path }); i >= 0 {
				l.Files[i] = s
			}
		}
		if err != nil {
			l.Why = err.Error() + "; run this again: what was written is passed over"
		}
	}
}

// putBackEnd says what was done and what comes next, and writes salvor.yaml where
// there was none.
func (a *app) putBackEnd(lines []*putBackLine, id string, cfg cluster.Config, b bundle.Bundle, p putBackOptions, ours bool) error {
	written := ""
	if ours && !p.dry {
		err := writeOwn("salvor.yaml", cfg, b.Config, len(p.at) > 0)
		switch {
		case errors.Is(err, fs.ErrExist):
		case err != nil:
			return err
		default:
			written = "salvor.yaml"
		}
	}
	if a.output == "json" {
		if err := report.JSON(a.out, "VaultPutBack", map[string]any{"backup": id, "dryRun": p.dry, "hosts": lines, "salvorYAML": written}); err != nil {
			return err
		}
	} else if err := a.sayPutBack(lines, written, p.dry); err != nil {
		return err
	}
	failed := 0
	for _, l := range lines {
		if l.Why != "" {
			failed++
		}
	}
	switch failed {
	case 0:
		return nil
	case len(lines):
		return errUnseen
	}
	return errFindings
}

// writeOwn writes the backup's salvor.yaml here, with what --at has changed. One
// that is there stays: the error is fs.ErrExist then.
func writeOwn(path string, cfg cluster.Config, text []byte, changed bool) error {
	if changed {
		_, err := config.Save(path, cfg, config.SaveOptions{})
		return err
	}
	return durable.NewFile(path, text, 0o600)
}
