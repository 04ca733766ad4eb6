package backup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

// kept is what the policy keeps, and the tiers that keep it.
func (v *Vault) kept(ctx context.Context, now time.Time) (vault.Catalogue, map[string][]string, error) {
	cat, err := v.List(ctx)
	if err != nil {
		return cat, nil, err
	}
	kept := map[string][]string{}
	for _, k := range policy.Keep(cat.Entries, v.Policy, now).Keep {
		kept[k.Backup] = []string{}
		for _, r := range k.Reasons {
			if policy.Code(r.Code) == policy.KeepTier {
				kept[k.Backup] = append(kept[k.Backup], r.Args["tier"])
			}
		}
	}
	return cat, kept, nil
}

// CompleteKept makes the copies that are missing of all backups that the
// policy keeps, on the targets that hold backups of their tiers: what is
// dropped next is not copied.
func (v *Vault) CompleteKept(ctx context.Context, now time.Time) ([]vault.Copied, error) {
	_, kept, err := v.kept(ctx, now)
	if err != nil {
		return nil, err
	}
	holds := map[string][]string{}
	for _, t := range v.Config.Targets {
		holds[t.Name] = t.Tiers
	}
	return v.Complete(ctx, func(e catalog.Entry, name string) bool {
		tiers, is := kept[e.Manifest.ID]
		return is && (len(holds[name]) == 0 || slices.ContainsFunc(tiers, func(t string) bool { return slices.Contains(holds[name], t) }))
	})
}

// LockKept locks what a tier keeps for as long as it keeps it, where salvor.yaml
// says so and the target can. A lock is never shortened.
func (v *Vault) LockKept(ctx context.Context, now time.Time) error {
	until := map[string]time.Duration{}
	for _, t := range v.Config.Tiers {
		if t.Lock {
			until[t.Name] = time.Duration(t.For)
		}
	}
	if len(until) == 0 {
		return nil
	}
	cat, kept, err := v.kept(ctx, now)
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range cat.Entries {
		var end time.Time
		for _, t := range kept[e.Manifest.ID] {
			if span, locks := until[t]; locks {
				end = later(end, e.Manifest.Created.Add(span))
			}
		}
		if end.After(now) {
			failed = append(failed, v.Retain(ctx, e, end))
		}
	}
	return errors.Join(failed...)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
