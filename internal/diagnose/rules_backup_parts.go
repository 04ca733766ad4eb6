package diagnose

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// findBackupIncomplete finds snapshots of a Kubernetes beside which the rest of
// a control plane is not kept, and backups of the vault that lack what they
// ought to hold: on bare machines their data would open to nobody.
func findBackupIncomplete(v view) []sighting {
	out := v.incompletePlaces()
	for _, b := range v.facts.Backups.Value {
		if len(b.Missing) == 0 {
			continue
		}
		if _, foreign := v.strangeBackups()[b.ID]; foreign {
			continue
		}
		s := sighting{"vault:" + b.ID, []any{some(b.Missing)}, nil}
		for _, m := range b.Missing {
			s.evidence = append(s.evidence, "its manifest says: "+m)
		}
		out = append(out, s)
	}
	return out
}

// incompletePlaces judges all places together: keys may lie in another folder
// than snapshots do. A vault keeps them by itself.
func (v view) incompletePlaces() []sighting {
	wanted := v.wantedParts()
	if v.facts.Config.Vault != nil || len(wanted) == 0 || !slices.ContainsFunc(v.backups(), v.soundBackup) {
		return nil
	}
	have, looked := map[string]bool{}, []string{}
	for _, p := range v.facts.Config.Snapshots {
		h, ok := v.facts.Host(p.Host)
		at := slices.IndexFunc(h.Node.Places, func(b cluster.BackupPlace) bool { return b.Path == p.Path })
		if !ok || !h.Reached.OK || at < 0 || !h.Node.Places[at].Parts.OK {
			return nil // perhaps it lies there
		}
		for _, part := range h.Node.Places[at].Parts.Value {
			have[part] = true
		}
		looked = append(looked, p.Host+":"+p.Path)
	}
	var lacks []string
	for _, p := range wanted {
		if !have[p] {
			lacks = append(lacks, p)
		}
	}
	if len(lacks) == 0 || len(looked) == 0 {
		return nil
	}
	return []sighting{{"snapshots", []any{strings.Join(lacks, ", ")}, []string{fmt.Sprintf("%s: snapshots that could be restored, and no %s", some(looked), strings.Join(lacks, ", no "))}}}
}

// wantedParts are what a control plane has beside its data, as far as it is
// seen on the machines.
func (v view) wantedParts() []string {
	wanted := map[string]bool{}
	for _, k := range v.kubes() {
		for _, f := range k.facts.Identity {
			switch {
			case !f.Digest.OK:
			case f.Name == "ca":
				wanted[cluster.PartAuthority] = true
			case f.Name == "etcd-ca":
				wanted[cluster.PartEtcdAuthority] = true
			case f.Name == "service-account-private":
				wanted[cluster.PartAccounts] = true
			}
		}
		if e := k.facts.Encrypt; e.OK && slices.ContainsFunc(e.Value.Keys, func(key string) bool { return key != "identity" }) {
			wanted[cluster.PartEncryption] = true
		}
	}
	var out []string
	for p := range wanted {
		out = append(out, p)
	}
	sort.Strings(out)
	return out
}
