package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// checkedLine is one copy that was read.
type checkedLine struct {
	Backup string `json:"backup"`
	Target string `json:"target"`
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"`
}

func (a *app) vaultCheckCommand(o *vaultFlags) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "check [BACKUP...]",
		Short: "Read every byte of every copy and hold it against the manifests",
		Long: `Check reads the newest backup, the named ones, or --all, from every target, and
compares each chunk's digest. It needs no key. It exits with 3 when a byte is
wrong; ` + "`salvor vault complete`" + ` then makes that copy anew from another one.

` + exitCodes,
	}
	c.Flags().BoolVar(&all, "all", false, "all backups")
	c.RunE = func(c *cobra.Command, list []string) error {
		return a.withVault(c.Context(), o, backup.Options{}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
			cat, err := v.List(ctx)
			if err != nil {
				return err
			}
			entries, err := chosen(cat, list, all)
			if err != nil {
				return err
			}
			return a.vaultCheck(ctx, v, cat, entries)
		})
	}
	return c
}

// chosen gives the named backups, all, or the newest.
func chosen(cat vault.Catalogue, names []string, all bool) ([]catalog.Entry, error) {
	if all {
		return cat.Entries, nil
	}
	if len(names) == 0 {
		names = []string{"newest"}
	}
	var entries []catalog.Entry
	for _, n := range names {
		e, err := pick(cat, n)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (a *app) vaultCheck(ctx context.Context, v *backup.Vault, cat vault.Catalogue, entries []catalog.Entry) error {
	lines := []checkedLine{}
	bad := wrong(cat) != nil
	for _, e := range entries {
		for _, c := range v.Check(ctx, e) {
			l := checkedLine{Backup: e.Manifest.ID, Target: c.Target, OK: c.Err == nil}
			word := "right"
			if c.Err != nil {
				l.Why, bad, word = c.Err.Error(), true, "WRONG: "+c.Err.Error()
			}
			lines = append(lines, l)
			if err := a.tell("%-28s %-14s %s\n", l.Backup, l.Target, word); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if a.output == "json" {
		if err := report.JSON(a.out, "VaultCheck", map[string]any{"copies": lines, "problems": a.problemLines(cat.Problems)}); err != nil {
			return err
		}
	}
	a.warn(cat.Problems)
	if bad {
		return errFindings
	}
	return nil
}

// proveOptions are the flags of vault prove.
type proveOptions struct {
	from    []string
	scratch string
	missing bool
}

func (a *app) vaultProveCommand(o *vaultFlags) *cobra.Command {
	var p proveOptions
	c := &cobra.Command{
		Use:   "prove [BACKUP]",
		Short: "Prove a backup by restoring it: fetch, unseal, restore, start an etcd on it",
		Long: `Prove fetches the newest backup, or the named one, unseals it, restores it into a
scratch folder, climbs the ladder of ` + "`salvor snapshot check`" + ` up to an etcd that
serves it, and holds the bundle against the data. The result is stored, signed,
beside the backup. It exits with 13 when the backup does not pass.

` + exitCodes,
		Args: args(cobra.MaximumNArgs(1)),
	}
	c.Flags().StringArrayVar(&p.from, "from", nil, "fetch from this target only; may be repeated")
	c.Flags().StringVar(&p.scratch, "scratch", "", "folder for copies, with room for three times a snapshot (default: backup.scratch, else scratch in the agent's folder)")
	c.Flags().BoolVar(&p.missing, "if-unproven", false, "do nothing if the backup is proven already")
	c.RunE = func(c *cobra.Command, list []string) error {
		name := ""
		if len(list) == 1 {
			name = list[0]
		}
		return a.withVault(c.Context(), o, backup.Options{Write: true}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, cfg cluster.Config) error {
			cat, err := v.List(ctx)
			if err != nil {
				return err
			}
			e, err := pick(cat, name)
			if err != nil {
				return err
			}
			if proof, ok := e.Proven(v.Objectives.ProofLevel); ok && p.missing {
				return a.showProof(proof)
			}
			return a.proveBackup(ctx, v, cfg, e, p)
		})
	}
	return c
}

// proveBackup proves a backup and shows the result.
func (a *app) proveBackup(ctx context.Context, v *backup.Vault, cfg cluster.Config, e catalog.Entry, p proveOptions) error {
	if p.scratch == "" {
		p.scratch = scratchOf(cfg)
	}
	proof, err := v.Prove(ctx, e, backup.Proving{Targets: p.from, Scratch: p.scratch, Who: who(), Say: a.progressSay()})
	if err != nil && !errors.Is(err, backup.ErrProof) {
		return err
	}
	if err := a.showProof(proof); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errVerdict, err)
	}
	return nil
}

func (a *app) showProof(p catalog.Proof) error {
	if a.output == "json" {
		return report.JSON(a.out, "VaultProof", map[string]any{"proof": p, "notes": a.noteLines(p.Notes)})
	}
	verdict := "PROVEN"
	if !p.Passed {
		verdict = "NOT PROVEN"
	}
	if err := a.say("%s  %s, up to L%d, from %s, fetched and restored in %s (%s, %s)\n", verdict, p.Backup, p.Level, p.From, took(p.Duration), p.Who,
		p.When.Format(time.RFC3339)); err != nil {
		return err
	}
	return a.sayNotes("  ", p.Notes)
}

// progressSay writes what goes on to standard error.
func (a *app) progressSay() func(format string, args ...any) {
	return func(format string, args ...any) {
		if a.output != "json" {
			fmt.Fprintf(a.err, format+"\n", args...)
		}
	}
}

func (a *app) vaultKeyCommand(o *vaultFlags) *cobra.Command {
	n := 3
	check := &cobra.Command{
		Use:   "check",
		Short: "Try whether the private key opens the newest backups: before the disaster",
		Long: `Check fetches the beginning of every part of the newest backups and decrypts it.
It exits with 3 when the key opens one of them not. Run it where the key is
kept, after every change of keys.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withVault(c.Context(), o, backup.Options{}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
				return a.keyCheck(ctx, v, n)
			})
		},
	}
	check.Flags().IntVar(&n, "backups", n, "how many of the newest to try")
	c := &cobra.Command{Use: "key", Short: "Look after the keys of the vault", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(check)
	return c
}

// keyLineOf is one part that was tried.
type keyCheckLine struct {
	Backup string `json:"backup"`
	Part   string `json:"part"`
	Plain  bool   `json:"plain,omitempty"`
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"`
}

func (a *app) keyCheck(ctx context.Context, v *backup.Vault, n int) error {
	keys, err := v.Identities()
	if err != nil {
		return err
	}
	tried, err := v.CheckKey(ctx, keys, n)
	if err != nil {
		return err
	}
	lines, bad := []keyCheckLine{}, false
	for _, k := range tried {
		l := keyCheckLine{Backup: k.Backup, Part: k.Part, Plain: k.Plain, OK: k.Err == nil}
		word := "opens"
		if k.Plain {
			word = "is not encrypted"
		}
		if k.Err != nil {
			l.Why, bad, word = k.Err.Error(), true, "DOES NOT OPEN: "+k.Err.Error()
		}
		lines = append(lines, l)
		if err := a.tell("%-28s %-14s %s\n", l.Backup, l.Part, word); err != nil {
			return err
		}
	}
	if a.output == "json" {
		if err := report.JSON(a.out, "VaultKeyCheck", map[string]any{"parts": lines}); err != nil {
			return err
		}
	}
	if bad {
		return errFindings
	}
	return nil
}
