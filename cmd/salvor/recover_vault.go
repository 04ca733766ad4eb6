package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// fromVault begins the ID of a candidate that lies in the vault.
const fromVault = "vault:"

// withBackups adds what the vault holds to an observation that has found the
// data neither alive nor on the members' disks, and diagnoses again.
func (a *app) withBackups(ctx context.Context, cfg cluster.Config, s seen, budget time.Duration) seen {
	if cfg.Vault == nil || s.diagnosis.Level.Data != diagnose.D2 && s.diagnosis.Level.Data != diagnose.D3 {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	all, down, err := a.backups(ctx, cfg)
	s.facts.Backups, s.facts.BackupsDown = cluster.From(factsOf(all), err), down
	s.diagnosis = diagnose.Diagnose(s.facts)
	return s
}

// backups lists the vault's backups of this cluster's name, those of others left
// out, and the targets that do not answer. An error says that nothing is known
// of the vault, which is not the same as that it is empty.
func (a *app) backups(ctx context.Context, cfg cluster.Config) (ours []backup.Candidate, down []string, err error) {
	v, _, err := a.openVaultOf(cfg, backup.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer v.Close()
	all, _, cat, err := v.Candidates(ctx, catalog.Cluster{}, time.Now())
	if err != nil {
		return nil, nil, err
	}
	if down, err = backup.Down(cat); err != nil {
		return nil, nil, err
	}
	others := map[string]bool{}
	for _, c := range all {
		if c.Cluster.Name == "" || c.Cluster.Name == cfg.Cluster {
			ours = append(ours, c)
		} else {
			others[c.Cluster.Name] = true
		}
	}
	if len(ours) == 0 {
		err = unbelieved(cat.Problems)
		if names := slices.Sorted(maps.Keys(others)); err == nil && len(names) > 0 {
			err = fmt.Errorf("it holds no backup of a cluster %s, but of %s: is that its name in salvor.yaml?", cfg.Cluster, strings.Join(names, ", "))
		}
	}
	return ours, down, err
}

// unbelieved names what lies in a vault and would be a backup, were it right.
func unbelieved(problems []vault.Problem) error {
	var all []string
	for _, p := range problems {
		switch p.Code {
		case vault.ManifestDamaged, vault.ManifestForged, vault.ManifestMisplaced, vault.Orphan:
			all = append(all, problemText(p).String())
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("no backup in it is believed: %s", strings.Join(all, " "))
}

func factsOf(all []backup.Candidate) []cluster.BackupFacts {
	var out []cluster.BackupFacts
	for _, c := range all {
		b := cluster.BackupFacts{ID: c.ID, Created: c.Created, Revision: c.Revision, Failed: c.Failed, Salvaged: c.Salvaged,
			Here: c.Here, Away: c.Away, Fetch: c.Fetch, Bytes: c.Bytes, SHA256: c.SHA256,
			Untrusted: c.Trust != catalog.TrustConfigured, ClusterID: c.Cluster.ID, KubeSystemUID: c.Cluster.KubeSystemUID}
		if c.Proven != nil {
			b.Proven = c.Proven.When
		}
		for _, n := range c.Missing {
			b.Missing = append(b.Missing, noteText(n).String())
		}
		out = append(out, b)
	}
	return out
}

// atHand fetches the backup that the recovery would start from, if it is one of
// the vault, to a machine that is reached, and looks again: from there on it is
// a snapshot like any other, and is checked like one. It gives the source under
// its new name. The file carries the case's name, so that `salvor cleanup` of the
// case removes it: it is all of the cluster's secrets.
func (a *app) atHand(ctx context.Context, fleet *remote.Fleet, caseName string, s seen, source string) (seen, string, error) {
	id := source
	if c, ok := s.diagnosis.Chosen(); ok && id == "" && c.Kind == diagnose.FromVault {
		id = c.ID
	}
	id, ok := strings.CutPrefix(id, fromVault)
	if !ok {
		return s, source, nil
	}
	h, err := landing(fleet, s.facts)
	if err != nil {
		return s, source, err
	}
	// The case is there before its backup, so that `salvor cleanup` finds both,
	// however this run ends.
	if _, err := a.writeSeen(caseName, s); err != nil {
		return s, source, err
	}
	path, err := a.bring(ctx, fleet, h, caseName, id)
	if err != nil {
		return s, source, err
	}
	place := cluster.SnapshotPlace{Host: h.Name, Path: path}
	if !slices.Contains(fleet.Config.Snapshots, place) {
		fleet.Config.Snapshots = append(slices.Clone(fleet.Config.Snapshots), place)
	}
	if source != "" {
		source = fmt.Sprintf("snapshot:%s:%s", h.Name, path)
	}
	s = a.look(ctx, fleet)
	s.brought = h.Name + ":" + path
	return s, source, nil
}

// landing chooses the machine to which a backup is fetched: that of the first
// member which can be worked on.
func landing(fleet *remote.Fleet, f cluster.Facts) (cluster.Host, error) {
	for _, m := range f.Config.Members {
		if h, ok := f.Host(m.Host); ok && h.Reached.OK {
			host, _ := fleet.Config.Host(m.Host)
			return host, nil
		}
	}
	return cluster.Host{}, hint(errors.New("no member's machine can be reached to put a backup on"), "bring one up, then again")
}

// bring puts a backup's snapshot on a machine and gives its path there. It goes
// there while it is fetched, and is digested where it is stored: nothing lies
// here. Then it is checked there, once for all that a recovery asks of it; no
// later step reads all of it again while nobody touches it.
func (a *app) bring(ctx context.Context, fleet *remote.Fleet, to cluster.Host, caseName, id string) (path string, err error) {
	t := a.fetchProgress()
	v, _, err := a.openVaultOf(fleet.Config, backup.Options{Progress: t.moved})
	if err != nil {
		return "", err
	}
	defer v.Close()
	c, err := a.candidate(ctx, v, id, getOptions{any: true})
	if err != nil {
		return "", err
	}
	in, err := v.Incoming(c)
	if err != nil {
		return "", err
	}
	h, err := fleet.Host(to.Name)
	if err != nil {
		return "", err
	}
	client, err := h.Client(ctx)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(a.err, "fetching backup %s (%s) from the vault to %s …\n", id, size(c.Fetch), to.Name)
	t.expect(c)
	begin := time.Now()
	path = filepath.Join(to.State(), plan.FetchedDir, caseName, id+".db")
	stored, err := client.PutContent(ctx, host.Content{Size: in.Size, SHA256: in.SHA256, Open: in.Open}, path, nil)
	if err != nil {
		return "", hintFetch(fmt.Errorf("put backup %s on %s: %w", id, to.Name, err))
	}
	fmt.Fprintf(a.err, "fetched %s from %s in %s; it lies in %s on %s until `salvor cleanup %s`\n",
		size(in.Size), sources(in.Fetched()), took(time.Since(begin)), path, to.Name, caseName)
	notice := time.AfterFunc(silence, func() { fmt.Fprintf(a.err, "checking it on %s …\n", to.Name) })
	defer notice.Stop()
	if err := h.Land(ctx, fleet.Config, path, stored); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		fmt.Fprintf(a.err, "%s looks at it again before it is used: %s\n", to.Name, err)
	}
	return path, nil
}
