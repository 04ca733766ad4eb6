package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
)

func (a *app) backupCommand() *cobra.Command {
	prove := false
	var o vaultFlags
	c := &cobra.Command{
		Use:   "backup",
		Short: "Back the whole control plane up into the vault: etcd, keys, configuration",
		Long: `Backup streams the snapshot of the most advanced healthy member into all targets
of the vault at once, sealed on the way; without a quorum too. With every member
down it salvages the best data dir, and marks the backup so. It collects PKI,
service-account keys, encryption configuration, manifests, units and kubeconfigs
of all hosts, and holds them against the data: what is missing is named, in the
manifest too, and makes it exit with 3, as does a target that has no copy yet.

` + exitCodes,
		Args: args(cobra.NoArgs),
	}
	c.Flags().BoolVar(&prove, "prove", false, "prove the backup afterwards by restoring it")
	o.addIdentity(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.withVault(c.Context(), &o, backup.Options{Seal: true}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, cfg cluster.Config) error {
			if _, err := v.Identities(); err != nil && prove {
				return fmt.Errorf("the backup could not be proven here: %w", err) // before one is made
			}
			done, err := a.backUp(ctx, v, cfg, nil)
			if err != nil {
				return err
			}
			if err := a.showBackup(done); err != nil {
				return err
			}
			if prove {
				if err := a.proveDone(ctx, v, cfg, done); err != nil {
					return err
				}
			}
			if len(done.Manifest.Missing)+len(done.Failed) > 0 {
				return errFindings
			}
			return nil
		})
	}
	return c
}

// backUp makes one backup.
func (a *app) backUp(ctx context.Context, v *backup.Vault, cfg cluster.Config, fence backup.Fence) (backup.Done, error) {
	fleet, err := a.fleet(cfg)
	if err != nil {
		return backup.Done{}, err
	}
	defer fleet.Close()
	return backup.Job{Vault: v, Fleet: fleet, Version: a.build(), Fence: fence, Say: a.progressSay()}.Run(ctx)
}

func (a *app) proveDone(ctx context.Context, v *backup.Vault, cfg cluster.Config, done backup.Done) error {
	e, err := proveNow(ctx, v, done)
	if err != nil {
		return err
	}
	return a.proveBackup(ctx, v, cfg, e, proveOptions{})
}

// targetLine is what became of a backup on one target.
type targetLine struct {
	Target string `json:"target"`
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"`
}

func (a *app) showBackup(done backup.Done) error {
	m := done.Manifest
	lines := []targetLine{}
	for _, r := range done.Receipts {
		lines = append(lines, targetLine{Target: r.Target, OK: true})
	}
	for name, err := range done.Failed {
		lines = append(lines, targetLine{Target: name, Why: err.Error()})
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i].Target < lines[j].Target })
	if a.output == "json" {
		return report.JSON(a.out, "Backup", map[string]any{"manifest": m, "targets": lines, "missing": a.noteLines(m.Missing), "seconds": done.Took.Seconds()})
	}
	var names []string
	var plain, sealed int64
	for _, r := range done.Receipts {
		names = append(names, r.Target)
	}
	for _, p := range m.Parts {
		plain, sealed = plain+p.Plain.Size, sealed+p.Sealed.Size
	}
	sort.Strings(names)
	var t sheet
	t.row("backup", "%s, revision %d", m.ID, m.Revision)
	t.row("from", "%s", m.Source)
	t.row("size", "%s, sealed %s", size(plain), size(sealed))
	t.row("copies", "%d, read back: %s", len(names), strings.Join(names, ", "))
	t.row("took", "%s", done.Took.Round(100*time.Millisecond))
	for _, l := range lines {
		if !l.OK {
			t.row("NO COPY", "%s: %s (salvor vault complete makes it later)", l.Target, l.Why)
		}
	}
	return errors.Join(a.say("%s", t.String()), a.sayNotes("LACKS              ", m.Missing))
}
