package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/say"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

func (a *app) language() say.Language { return say.Language(a.lang) }

// backupLine is one backup in a list.
type backupLine struct {
	ID       string           `json:"id"`
	Created  time.Time        `json:"created"`
	Cluster  catalog.Cluster  `json:"cluster"`
	Revision int64            `json:"revision"`
	Salvaged bool             `json:"salvaged,omitempty"`
	Source   string           `json:"source,omitempty"`
	Bytes    int64            `json:"bytes"`
	Sealed   int64            `json:"sealed"`
	Copies   []catalog.Copy   `json:"copies"`
	Proven   *catalog.Proof   `json:"proven,omitempty"`
	Proof    string           `json:"proof"` // none, passed, failed
	Holds    []catalog.Hold   `json:"holds,omitempty"`
	Missing  []noteLine       `json:"missing"`
	Trust    catalog.Trust    `json:"trust"`
	Members  []catalog.Member `json:"members,omitempty"`
}

// problemLine is something that is wrong in a vault.
type problemLine struct {
	Code   vault.ProblemCode `json:"code"`
	Target string            `json:"target,omitempty"`
	Backup string            `json:"backup,omitempty"`
	Object string            `json:"object,omitempty"`
	Text   string            `json:"text"`
}

func (a *app) backupLine(e catalog.Entry, level int) backupLine {
	m := e.Manifest
	l := backupLine{ID: m.ID, Created: m.Created, Cluster: m.Cluster, Revision: m.Revision, Salvaged: m.Salvaged, Source: m.Source,
		Copies: e.Copies, Proof: "none", Holds: e.Holds, Missing: a.noteLines(m.Missing), Trust: e.Trust, Members: m.Members}
	for _, p := range m.Parts {
		l.Bytes, l.Sealed = l.Bytes+p.Plain.Size, l.Sealed+p.Sealed.Size
	}
	if p, ok := e.Proven(level); ok {
		l.Proven, l.Proof = &p, "passed"
	} else if len(e.Proofs) > 0 {
		l.Proof = "failed"
	}
	return l
}

func (a *app) problemLines(problems []vault.Problem) []problemLine {
	all := []problemLine{}
	for _, p := range problems {
		all = append(all, problemLine{p.Code, p.Target, p.Backup, p.Object, problemText(p).In(a.language())})
	}
	return all
}

func (a *app) vaultListCommand(o *vaultFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the backups of all targets, and what is wrong with them",
		Long: `Ls rebuilds the catalogue from the manifests that lie on the targets. It needs
no key. It exits with 3 when something is wrong: a target that does not answer,
a damaged or forged manifest, a copy that is gone; with 4 when no target answers.

` + exitCodes,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withVault(c.Context(), o, backup.Options{}, []string{"text", "json"}, a.vaultList)
		},
	}
}

func (a *app) vaultList(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
	cat, err := v.List(ctx)
	if err != nil {
		return err
	}
	lines := []backupLine{}
	for _, e := range cat.Entries {
		lines = append(lines, a.backupLine(e, v.Objectives.ProofLevel))
	}
	slices.SortStableFunc(lines, func(x, y backupLine) int { return strings.Compare(x.Cluster.Key(), y.Cluster.Key()) })
	if a.output == "json" {
		if err := report.JSON(a.out, "VaultList", map[string]any{"backups": lines, "problems": a.problemLines(cat.Problems)}); err != nil {
			return err
		}
		return wrong(cat)
	}
	if len(lines) == 0 {
		text := "no backup"
		if unseen(cat) {
			text = "no target answers: what there is, nobody knows"
		}
		if err := a.say("%s\n", text); err != nil {
			return err
		}
	} else if err := a.say("%-28s %-10s %10s %10s %-8s %-7s %s\n", "BACKUP", "AGE", "REVISION", "SEALED", "PROOF", "LACKS", "COPIES"); err != nil {
		return err
	}
	of := ""
	for _, l := range lines {
		if k := l.Cluster.Key(); severalClusters(lines) && k != of {
			of = k
			if err := a.say("cluster %s (%s)\n", orNone(l.Cluster.Name), k); err != nil {
				return err
			}
		}
		if err := a.say("%-28s %-10s %10d %10s %-8s %-7d %s\n", l.ID, ago(max(0, time.Since(l.Created))), l.Revision, size(l.Sealed), l.Proof,
			len(l.Missing), copies(l)); err != nil {
			return err
		}
	}
	if len(lines) > 10 && !severalClusters(lines) { // the first lines have left the screen
		if err := a.say("%d backups; the newest %s (%s ago), %s\n", len(lines), lines[0].ID, ago(max(0, time.Since(lines[0].Created))), newestProven(lines)); err != nil {
			return err
		}
	}
	a.warn(cat.Problems)
	return wrong(cat)
}

func newestProven(lines []backupLine) string {
	i := slices.IndexFunc(lines, func(l backupLine) bool { return l.Proven != nil })
	if i < 0 {
		return "none proven"
	}
	return fmt.Sprintf("the newest proven %s (%s ago)", lines[i].ID, ago(max(0, time.Since(lines[i].Created))))
}

// severalClusters tells whether the backups are of more than one cluster.
func severalClusters(lines []backupLine) bool {
	return slices.ContainsFunc(lines, func(l backupLine) bool { return l.Cluster.Key() != lines[0].Cluster.Key() })
}

// copies writes where a backup lies.
func copies(l backupLine) string {
	var all []string
	for _, c := range l.Copies {
		text := c.Target
		if c.Medium != "" {
			text += "/" + c.Medium
		}
		if c.State != catalog.Whole {
			text += fmt.Sprintf(" (%s)", c.State)
		}
		all = append(all, text)
	}
	if len(l.Holds) > 0 {
		all = append(all, "held")
	}
	if l.Salvaged {
		all = append(all, "salvaged")
	}
	return strings.Join(all, ", ")
}

// wrong is findings, if anything is wrong in a catalogue; unseen, if no target
// answered: then nobody knows what there is.
func wrong(cat vault.Catalogue) error {
	if unseen(cat) {
		return errUnseen
	}
	if slices.ContainsFunc(cat.Problems, func(p vault.Problem) bool {
		return p.Code != vault.KeysFromVault && p.Code != vault.Leftover && !absentMedium(cat, p)
	}) {
		return errFindings
	}
	return nil
}

func unseen(cat vault.Catalogue) bool {
	return !slices.ContainsFunc(cat.Targets, func(t vault.TargetState) bool { return t.Err == nil })
}

// absentMedium tells a removable medium that is not in from a target that is
// down.
func absentMedium(cat vault.Catalogue, p vault.Problem) bool {
	return p.Code == vault.TargetDown && slices.ContainsFunc(cat.Targets, func(t vault.TargetState) bool {
		return t.Name == p.Target && t.Properties.Absent
	})
}
