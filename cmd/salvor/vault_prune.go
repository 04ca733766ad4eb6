package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

// verdictLine is what becomes of one backup.
type verdictLine struct {
	Backup  string      `json:"backup"`
	Keep    bool        `json:"keep"`
	Code    policy.Code `json:"code"`
	Reasons []noteLine  `json:"reasons"`
}

// removedLine is what was removed of a backup on a target.
type removedLine struct {
	Backup string `json:"backup"`
	Target string `json:"target"`
	Why    string `json:"why,omitempty"` // it failed
}

func (a *app) vaultPruneCommand(o *vaultFlags) *cobra.Command {
	dry := false
	c := &cobra.Command{
		Use:   "prune",
		Short: "Drop the backups that no tier keeps any more, with a reason for each",
		Long: `Prune keeps what the tiers of salvor.yaml keep, and in any case the last proven
backup, all that is newer, and what is held or locked. With --dry-run it only
says what it would do. While a target does not answer it drops nothing: a hold
or a proof may lie there. What interrupted uploads and prunes have left is
removed too.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be dropped and why, and drop nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.withVault(c.Context(), o, backup.Options{Write: !dry}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
			return a.vaultPrune(ctx, v, dry)
		})
	}
	return c
}

func (a *app) vaultPrune(ctx context.Context, v *backup.Vault, dry bool) error {
	d, dropped, err := v.Prune(ctx, v.Policy, dry)
	if err != nil && len(d.Keep)+len(d.Drop) == 0 {
		return err
	}
	pruneErr := err
	lines := []verdictLine{}
	for _, verdict := range d.Keep {
		lines = append(lines, verdictLine{verdict.Backup, true, verdict.Code, a.noteLines(verdict.Reasons)})
	}
	for _, verdict := range d.Drop {
		lines = append(lines, verdictLine{verdict.Backup, false, verdict.Code, a.noteLines(verdict.Reasons)})
	}
	removed := []removedLine{}
	failed := pruneErr
	for _, x := range dropped {
		l := removedLine{Backup: x.Backup, Target: x.Target}
		if x.Err != nil {
			l.Why, failed = x.Err.Error(), errors.Join(failed, x.Err)
		}
		removed = append(removed, l)
	}
	if !dry && pruneErr == nil {
		failed = errors.Join(failed, v.LockKept(ctx, time.Now()))
		left, err := v.Collect(ctx)
		failed = errors.Join(failed, err)
		for _, x := range left {
			l := removedLine{Backup: x.Backup, Target: x.Target}
			if x.Err != nil {
				l.Why, failed = x.Err.Error(), errors.Join(failed, x.Err)
			}
			removed = append(removed, l)
		}
	}
	if err := a.showPrune(lines, removed, dry); err != nil {
		return err
	}
	return failed
}

func (a *app) showPrune(lines []verdictLine, removed []removedLine, dry bool) error {
	if a.output == "json" {
		return report.JSON(a.out, "VaultPrune", map[string]any{"dryRun": dry, "backups": lines, "removed": removed})
	}
	drops := 0
	for _, l := range lines {
		word := "keep"
		if !l.Keep {
			word, drops = "DROP", drops+1
		}
		var why []string
		for _, r := range l.Reasons {
			why = append(why, r.Text)
		}
		if err := a.say("%s  %-28s %s\n", word, l.Backup, strings.Join(why, "; ")); err != nil {
			return err
		}
	}
	for _, r := range removed {
		if r.Why == "" {
			if err := a.say("removed %s from %s\n", r.Backup, r.Target); err != nil {
				return err
			}
		}
	}
	if dry {
		return a.say("%d of %d would be dropped; nothing was changed\n", drops, len(lines))
	}
	return nil
}

func (a *app) vaultHoldCommand(o *vaultFlags) *cobra.Command {
	why := ""
	c := &cobra.Command{
		Use:   "hold BACKUP --why TEXT",
		Short: "Keep a backup from being pruned, until it is released",
		Args:  args(cobra.ExactArgs(1)),
	}
	c.Flags().StringVar(&why, "why", "", "the reason, for whoever finds it in a year")
	c.RunE = func(c *cobra.Command, list []string) error {
		if why == "" {
			return usageError{errors.New("--why is missing: say it for whoever finds the hold in a year")}
		}
		return a.onBackup(c.Context(), o, list[0], func(ctx context.Context, v *backup.Vault, e catalog.Entry) error {
			if err := v.Hold(ctx, catalog.Hold{Backup: e.Manifest.ID, Who: who(), When: time.Now().UTC(), Why: why}); err != nil {
				return err
			}
			return a.say("held: %s\n", e.Manifest.ID)
		})
	}
	return c
}

func (a *app) vaultReleaseCommand(o *vaultFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "release BACKUP",
		Short: "End all holds on a backup",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, list []string) error {
			return a.onBackup(c.Context(), o, list[0], func(ctx context.Context, v *backup.Vault, e catalog.Entry) error {
				if err := v.Release(ctx, e.Manifest.ID); err != nil {
					return err
				}
				return a.say("released: %s\n", e.Manifest.ID)
			})
		},
	}
}

// onBackup runs a command on one backup, with the signing key.
func (a *app) onBackup(ctx context.Context, o *vaultFlags, name string, do func(context.Context, *backup.Vault, catalog.Entry) error) error {
	return a.withVault(ctx, o, backup.Options{Write: true}, []string{"text"}, func(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
		cat, err := v.List(ctx)
		if err != nil {
			return err
		}
		e, err := pick(cat, name)
		if err != nil {
			return err
		}
		return do(ctx, v, e)
	})
}

func (a *app) vaultCompleteCommand(o *vaultFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "complete",
		Short: "Make the copies that are missing: on targets that were down, on media that were put in",
		Long: `Complete copies every backup that the tiers keep to every target that has no
whole copy of it, going on where an upload stopped, and makes damaged copies
anew. Run it after a medium was put in. It exits with 3 when a copy could not be
made.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withVault(c.Context(), o, backup.Options{Write: true}, []string{"text", "json"}, a.vaultComplete)
		},
	}
}

func (a *app) vaultComplete(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
	done, err := v.CompleteKept(ctx, time.Now())
	if err != nil {
		return err
	}
	lines, bad := []map[string]any{}, false
	for _, c := range done {
		l := map[string]any{"backup": c.Backup, "target": c.Target, "resumed": c.Resumed, "ok": c.Err == nil}
		word := "copied"
		if c.Resumed > 0 {
			word = fmt.Sprintf("copied, %s were there", size(c.Resumed))
		}
		if c.Object != "" {
			l["object"], word = c.Object, "made right: "+c.Object
		}
		if c.Err != nil {
			l["why"], bad, word = c.Err.Error(), true, "FAILED: "+c.Err.Error()
		}
		lines = append(lines, l)
		if err := a.tell("%-28s %-14s %s\n", c.Backup, c.Target, word); err != nil {
			return err
		}
	}
	if a.output == "json" {
		if err := report.JSON(a.out, "VaultCopies", map[string]any{"copies": lines}); err != nil {
			return err
		}
	} else if len(done) == 0 {
		if err := a.say("nothing to copy: every target that answers has all\n"); err != nil {
			return err
		}
	}
	if bad {
		return errFindings
	}
	return nil
}
