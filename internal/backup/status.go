package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

// Status is how a vault stands.
type Status struct {
	OK       bool
	Clusters []policy.Status
	Problems []vault.Problem
	Targets  []vault.TargetState
	at       time.Time
}

// Status judges the vault against its objectives. Besides them, whatever
// damages or forges, and a copy that is gone, makes it not OK.
func (v *Vault) Status(ctx context.Context, now time.Time) (Status, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{OK: true, Problems: cat.Problems, Targets: cat.Targets, at: now}
	var places []policy.Place
	for _, t := range cat.Targets {
		places = append(places, policy.Place{Name: t.Name, Properties: t.Properties, Down: t.Err != nil && !t.Properties.Absent})
	}
	s.Clusters = policy.Judge(cat.Entries, places, v.Objectives, now)
	for _, c := range s.Clusters {
		s.OK = s.OK && c.OK
		explain(c.Lacks, cat.Targets)
	}
	for _, p := range cat.Problems {
		switch p.Code {
		case vault.TargetDown, vault.KeysFromVault, vault.Leftover: // judged above, or harmless
		default:
			s.OK = false
		}
	}
	return s, nil
}

// explain says why targets do not answer, in the arguments of the notes that say
// that they do not: why, and unprepared where that is the reason.
func explain(lacks []catalog.Note, targets []vault.TargetState) {
	for _, n := range lacks {
		i := slices.IndexFunc(targets, func(t vault.TargetState) bool { return t.Name == n.Args["target"] && t.Err != nil })
		if policy.Code(n.Code) != policy.LackTarget || i < 0 {
			continue
		}
		n.Args["why"] = targets[i].Err.Error()
		if errors.Is(targets[i].Err, vault.ErrUnprepared) {
			n.Args["unprepared"] = "true"
		}
	}
}

// Metrics writes a status in the text format of Prometheus
// (prometheus.io/docs/instrumenting/exposition_formats).
func (s Status) Metrics() string {
	var m metrics
	for _, c := range s.Clusters {
		for _, row := range []struct {
			which string
			of    policy.Standing
		}{{"newest", c.Newest}, {"proven", c.Proven}, {"offline", c.LastOffline}} {
			if row.of.Backup == "" {
				continue
			}
			l := []string{"cluster", c.Cluster.Name, "which", row.which}
			m.add("salvor_vault_backup_created_seconds", "when the backup was made, Unix time", float64(row.of.Created.Unix()), l...)
			m.add("salvor_vault_backup_age_seconds", "age of the backup", row.of.Age.Seconds(), l...)
			m.add("salvor_vault_backup_copies", "whole copies of the backup", float64(len(row.of.Copies)), l...)
			m.add("salvor_vault_backup_media", "media on which the backup lies", float64(len(row.of.Media)), l...)
			m.add("salvor_vault_backup_offsite", "copies offsite", float64(row.of.Offsite), l...)
			m.add("salvor_vault_backup_offline", "copies offline", float64(row.of.Offline), l...)
			m.add("salvor_vault_backup_immutable", "copies under a lock", float64(row.of.Immutable), l...)
		}
		m.add("salvor_vault_missing", "what the objectives ask for and is not there", float64(len(c.Lacks)+len(c.Newest.Missing)+len(c.Proven.Missing)), "cluster", c.Cluster.Name)
	}
	for _, t := range s.Targets {
		m.add("salvor_vault_target_up", "1 if the target answered", number(t.Err == nil), "target", t.Name)
	}
	counts := map[vault.ProblemCode]int{}
	for _, p := range s.Problems {
		counts[p.Code]++
	}
	for code, n := range counts {
		m.add("salvor_vault_problems", "what is wrong in the vault, by code", float64(n), "code", string(code))
	}
	m.add("salvor_vault_ok", "1 if every objective is met and nothing is wrong", number(s.OK))
	m.add("salvor_vault_judged_seconds", "when this was found out, Unix time", float64(s.at.Unix()))
	return m.String()
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// metrics collects samples by their names.
type metrics struct {
	order   []string
	help    map[string]string
	samples map[string][]string
}

func (m *metrics) add(name, help string, value float64, labels ...string) {
	if m.help == nil {
		m.help, m.samples = map[string]string{}, map[string][]string{}
	}
	if m.help[name] == "" {
		m.order = append(m.order, name)
		m.help[name] = help
	}
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf(`%s="%s"`, labels[i], strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(labels[i+1])))
	}
	text := ""
	if len(pairs) > 0 {
		text = "{" + strings.Join(pairs, ",") + "}"
	}
	m.samples[name] = append(m.samples[name], fmt.Sprintf("%s%s %s\n", name, text, strconv.FormatFloat(value, 'f', -1, 64)))
}

func (m *metrics) String() string {
	var b strings.Builder
	for _, name := range m.order {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, m.help[name], name)
		for _, s := range m.samples[name] {
			b.WriteString(s)
		}
	}
	return b.String()
}

// Down names the targets that did not answer, media that are not in left out.
// If no target answered at all, it is an error: then nothing is known.
func Down(cat vault.Catalogue) ([]string, error) {
	var down []string
	var failed []error
	for _, t := range cat.Targets {
		if t.Err == nil {
			continue
		}
		failed = append(failed, t.Err)
		if !t.Properties.Absent {
			down = append(down, t.Name)
		}
	}
	if len(failed) > 0 && len(failed) == len(cat.Targets) {
		return down, fmt.Errorf("list vault: no target answers: %w", errors.Join(failed...))
	}
	return down, nil
}

// Newest gives when the newest backup of a cluster was made that is whole
// somewhere, not from the future, and proven if that is asked; zero if there is
// none. Besides its name, the identity must fit as far as it is known. A vault
// of which no target answers is an error.
func (v *Vault) Newest(ctx context.Context, of catalog.Cluster, now time.Time, proven bool) (time.Time, error) {
	e, err := v.newest(ctx, of, now, func(e catalog.Entry) bool {
		_, ok := e.Proven(v.Objectives.ProofLevel)
		return ok || !proven
	})
	return e.Manifest.Created, err
}

// Untried gives the newest backup of a cluster if it was made since a time and
// no proof of it is known, neither passed nor failed.
func (v *Vault) Untried(ctx context.Context, of catalog.Cluster, since, now time.Time) (catalog.Entry, bool, error) {
	e, err := v.newest(ctx, of, now, func(catalog.Entry) bool { return true })
	return e, err == nil && e.Manifest.ID != "" && !e.Manifest.Created.Before(since) && len(e.Proofs) == 0, err
}

// Lacking gives the newest backup of a cluster, and the targets that should have
// a copy of it and have none, with the reason. Media that are not in are not
// among them, nor targets to which backups come later.
func (v *Vault) Lacking(ctx context.Context, of catalog.Cluster, now time.Time) (id string, lacking map[string]string, err error) {
	cat, err := v.List(ctx)
	if err != nil {
		return "", nil, err
	}
	e, err := newest(cat, of, now, func(catalog.Entry) bool { return true })
	if err != nil || e.Manifest.ID == "" {
		return "", nil, err
	}
	lacking = map[string]string{}
	for _, t := range cat.Targets {
		held := slices.ContainsFunc(e.Copies, func(c catalog.Copy) bool { return c.Target == t.Name && c.State == catalog.Whole })
		switch {
		case held || t.Properties.Absent || v.later[t.Name]:
		case t.Err != nil:
			lacking[t.Name] = t.Err.Error()
		default:
			lacking[t.Name] = "there is no whole copy on it"
		}
	}
	return e.Manifest.ID, lacking, nil
}

// newest gives the newest backup of a cluster that is whole somewhere, not from
// the future, and fit; none is the zero entry.
func (v *Vault) newest(ctx context.Context, of catalog.Cluster, now time.Time, fit func(catalog.Entry) bool) (catalog.Entry, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return catalog.Entry{}, err
	}
	return newest(cat, of, now, fit)
}

func newest(cat vault.Catalogue, of catalog.Cluster, now time.Time, fit func(catalog.Entry) bool) (catalog.Entry, error) {
	if _, err := Down(cat); err != nil {
		return catalog.Entry{}, err
	}
	for _, e := range cat.Entries {
		if e.Recoverable() && Of(e.Manifest, of) && !e.Manifest.Created.After(now.Add(time.Minute)) && fit(e) {
			return e, nil
		}
	}
	return catalog.Entry{}, nil
}

// Of tells whether a backup is a cluster's: by its name, and by its identity as
// far as that is known. A cluster that was built anew bears the old name.
func Of(m catalog.Manifest, c catalog.Cluster) bool {
	if m.Cluster.Name != c.Name {
		return false
	}
	return c.KubeSystemUID == "" && c.ID == "" || m.Cluster.Match(c) == nil
}
