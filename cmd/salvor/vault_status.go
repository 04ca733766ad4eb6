package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

func (a *app) vaultStatusCommand(o *vaultFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Judge the vault by 3-2-1 and by the age that salvor.yaml allows",
		Long: `Status says of the newest backup and of the newest proven one: copies, media,
offsite, offline, under a lock, age; and what is missing. It exits with 0 only
if nothing is, and with 3 otherwise: fit for cron. -o prometheus writes metrics.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withVault(c.Context(), o, backup.Options{}, []string{"text", "json", "prometheus"}, a.vaultStatus)
		},
	}
}

func (a *app) vaultStatus(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
	s, err := v.Status(ctx, time.Now())
	if err != nil {
		return err
	}
	switch a.output {
	case "prometheus":
		if err := a.say("%s", s.Metrics()); err != nil {
			return err
		}
	case "json":
		if err := report.JSON(a.out, "VaultStatus", map[string]any{"ok": s.OK, "clusters": s.Clusters, "objectives": v.Objectives,
			"problems": a.problemLines(s.Problems)}); err != nil {
			return err
		}
	default:
		if err := a.showStatus(v, s); err != nil {
			return err
		}
	}
	if !s.OK {
		return errFindings
	}
	return nil
}

func (a *app) showStatus(v *backup.Vault, s backup.Status) error {
	for _, c := range s.Clusters {
		name := c.Cluster.Name
		if name == "" {
			name = c.Cluster.Key()
		}
		if c.Newest.Backup != "" {
			if err := a.say("cluster %s\n", name); err != nil {
				return err
			}
		}
		var t sheet
		for _, row := range []struct {
			what string
			of   policy.Standing
		}{{"newest", c.Newest}, {"newest proven", c.Proven}, {"newest offline", c.LastOffline}} {
			t.standing(row.what, row.of)
		}
		if err := a.say("%s", t.String()); err != nil {
			return err
		}
		if err := a.missing(c); err != nil {
			return err
		}
	}
	var serious []vault.Problem
	for _, p := range s.Problems {
		if p.Code != vault.TargetDown {
			serious = append(serious, p)
		}
	}
	a.warn(serious)
	verdict := "OK: every objective is met"
	if !s.OK {
		verdict = "NOT OK"
	}
	return a.say("%s (%s)\n", verdict, objectives(v.Objectives))
}

// missing says what is missing, and to which backup if it is one's.
func (a *app) missing(c policy.Status) error {
	newest, proven := "the newest: ", "the newest proven: "
	if c.Newest.Backup == c.Proven.Backup {
		newest, c.Proven.Missing = "", nil // one backup, said once
	}
	for _, of := range []struct {
		what  string
		notes []noteLine
	}{{"", a.noteLines(c.Lacks)}, {newest, a.noteLines(c.Newest.Missing)}, {proven, a.noteLines(c.Proven.Missing)}} {
		for _, n := range of.notes {
			if err := a.say("MISSING  %s%s\n", of.what, n.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *sheet) standing(what string, s policy.Standing) {
	if s.Backup == "" {
		t.row(what, "none")
		return
	}
	t.row(what, "%s, %s old", s.Backup, ago(s.Age))
	t.row("", "%d copies on %d media (%s); offsite %d, offline %d, under a lock %d", len(s.Copies), len(s.Media), strings.Join(s.Copies, ", "),
		s.Offsite, s.Offline, s.Immutable)
}

func objectives(o policy.Objectives) string {
	return fmt.Sprintf("wanted: %d copies, %d media, %d offsite, %d offline; newest within %s, proven within %s", o.Copies, o.Media, o.Offsite, o.Offline,
		ago(o.RPO), ago(o.ProofAge))
}
