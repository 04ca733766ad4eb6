package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// getOptions are the flags of vault get.
type getOptions struct {
	snapshot, bundle, config string
	of                       string
	any                      bool
}

func (a *app) vaultGetCommand(o *vaultFlags) *cobra.Command {
	var g getOptions
	c := &cobra.Command{
		Use:   "get [BACKUP]",
		Short: "Fetch a backup: its etcd snapshot, its bundle, its salvor.yaml",
		Long: `Get fetches the newest proven backup, or the one that is named: in parallel
ranges from the fastest copies, from another copy where a byte is wrong,
unsealed and verified on the way. Nothing that exists is overwritten. Where the
vault holds backups of several clusters, --of says which is meant.

Example:
  salvor vault get --snapshot /var/lib/salvor/snap.db --bundle plane/

` + exitCodes,
		Args: args(cobra.MaximumNArgs(1)),
	}
	f := c.Flags()
	f.StringVar(&g.snapshot, "snapshot", "", "write the etcd snapshot to this file")
	f.StringVar(&g.bundle, "bundle", "", "write the rest of the control plane into this new folder (it holds secrets)")
	f.StringVar(&g.config, "salvor-yaml", "", "write the backup's salvor.yaml to this file")
	f.StringVar(&g.of, "of", "", "the cluster that is meant: its kube-system UID, or its etcd cluster ID")
	f.BoolVar(&g.any, "any-cluster", false, "take a backup of whatever cluster")
	c.RunE = func(c *cobra.Command, list []string) error {
		if g.snapshot == "" && g.bundle == "" && g.config == "" {
			return usageError{errors.New("say what to fetch: --snapshot FILE, --bundle DIR, --salvor-yaml FILE")}
		}
		name := ""
		if len(list) == 1 && list[0] != "newest" {
			name = list[0]
		}
		t := a.fetchProgress()
		return a.withVault(c.Context(), o, backup.Options{Progress: t.moved}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
			return a.vaultGet(ctx, v, name, g, t)
		})
	}
	return c
}

// identity reads --of.
func (g getOptions) identity() catalog.Cluster {
	if len(g.of) == 36 {
		return catalog.Cluster{KubeSystemUID: g.of}
	}
	return catalog.Cluster{ID: g.of}
}

// candidate chooses the backup, of one cluster only.
func (a *app) candidate(ctx context.Context, v *backup.Vault, name string, g getOptions) (backup.Candidate, error) {
	all, foreign, cat, err := v.Candidates(ctx, g.identity(), time.Now())
	if err != nil {
		return backup.Candidate{}, err
	}
	for _, f := range foreign {
		if f.ID == name && !g.any {
			return backup.Candidate{}, hint(fmt.Errorf("backup %s is refused: %w", name, f.Err), "--any-cluster takes it nevertheless")
		}
	}
	clusters := map[string]bool{}
	for _, c := range all {
		clusters[c.Cluster.Key()] = true
	}
	if name == "" && len(clusters) > 1 && !g.any {
		return backup.Candidate{}, hint(errors.New("the vault holds backups of several clusters"), "say which with --of, or name the backup; `salvor vault ls -o json` tells their identities")
	}
	for _, c := range all {
		if (name == "" || c.ID == name) && len(c.Here) > 0 {
			if name == "" {
				a.noteFurther(c, all)
			}
			return c, nil
		}
	}
	a.warn(cat.Problems)
	for _, c := range all {
		if (name == "" || c.ID == name) && len(c.Away) > 0 {
			return c, hint(fmt.Errorf("backup %s lies on media that are not in: %v", c.ID, c.Away), "put one in")
		}
	}
	_, err = pick(vault.Catalogue{}, name)
	return backup.Candidate{}, err
}

// noteFurther names the backup whose data goes furthest beyond that of the chosen
// one: it is not proven, or it was made after a clock had been set back.
func (a *app) noteFurther(chosen backup.Candidate, all []backup.Candidate) {
	best := chosen
	for _, c := range all {
		if c.Cluster.ID != "" && c.Cluster.ID == chosen.Cluster.ID && c.Revision > best.Revision && !c.Failed && len(c.Here) > 0 {
			best = c
		}
	}
	if best.ID == chosen.ID || a.output == "json" {
		return
	}
	why := "is not proven"
	if best.Proven != nil {
		why = "is proven and bears an older time: a clock was set back"
	}
	fmt.Fprintf(a.err, "backup %s holds more, up to revision %d and not only %d; it %s. To take it, name it.\n", best.ID, best.Revision, chosen.Revision, why)
}

func (a *app) vaultGet(ctx context.Context, v *backup.Vault, name string, g getOptions, t *transfer) error {
	c, err := a.candidate(ctx, v, name, g)
	if err != nil {
		return err
	}
	for _, path := range []string{g.snapshot, g.bundle, g.config} {
		if _, err := os.Lstat(path); path != "" && err == nil {
			return fmt.Errorf("%s exists, and nothing is overwritten: choose another name", path)
		}
	}
	result := map[string]any{"backup": c}
	if g.snapshot != "" {
		t.expect(c)
		got, err := v.Fetch(ctx, c, g.snapshot)
		if err != nil {
			return hintFetch(err)
		}
		result["snapshot"] = got
		if err := a.tell("snapshot  %s, %s, from %s in %s\n", got.Path, size(got.Bytes), sources(got.Targets), took(got.Took)); err != nil {
			return err
		}
	}
	if g.bundle != "" || g.config != "" {
		if err := a.getBundle(ctx, v, c, g, result); err != nil {
			return err
		}
	}
	if a.output == "json" {
		return report.JSON(a.out, "VaultGet", result)
	}
	state := "never proven"
	if c.Proven != nil {
		state = "proven " + c.Proven.When.Format(time.RFC3339)
	} else if c.Failed {
		state = "its last proof FAILED"
	}
	if err := a.say("backup    %s of cluster %s, made %s (%s ago), revision %d, %s\n", c.ID, orNone(c.Cluster.Name), c.Created.Format(time.RFC3339),
		ago(c.Age), c.Revision, state); err != nil {
		return err
	}
	return a.sayNotes("LACKS     ", c.Missing)
}

func (a *app) getBundle(ctx context.Context, v *backup.Vault, c backup.Candidate, g getOptions, result map[string]any) error {
	b, err := v.Bundle(ctx, c)
	if err != nil {
		return hintFetch(err)
	}
	if g.bundle != "" {
		if err := b.Unpack(g.bundle); err != nil {
			return err
		}
		result["bundle"] = g.bundle
		if err := a.tell("bundle    %s\n", g.bundle); err != nil {
			return err
		}
	}
	if g.config == "" {
		return nil
	}
	f, err := os.OpenFile(g.config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Config)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	result["salvorYAML"] = g.config
	return a.tell("salvor.yaml  %s\n", g.config)
}

// tell is say for text output only.
func (a *app) tell(format string, args ...any) error {
	if a.output == "json" {
		return nil
	}
	return a.say(format, args...)
}

func hintFetch(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	return hint(err, "`salvor vault ls` lists other backups, older ones too; `salvor vault key check` tries the key")
}

// sources names the targets that gave something, and those that were wrong.
func sources(all []vault.Fetched) string {
	text := ""
	for _, t := range all {
		if t.Bytes == 0 && len(t.Bad) == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s (%s)", t.Target, size(t.Bytes))
		if len(t.Bad) > 0 {
			text = text[:len(text)-1] + fmt.Sprintf("; %d wrong answers)", len(t.Bad))
		}
	}
	return text
}
