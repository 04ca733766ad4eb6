package diagnose

import (
	"sort"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// vaulted gives one candidate for each backup in the vault. A backup is read
// from end to end when it is fetched, before anything rests on it.
func (v view) vaulted(highest cluster.Known[int64]) []Candidate {
	var out []Candidate
	for _, b := range v.facts.Backups.Value {
		c := Candidate{ID: "vault:" + b.ID, Kind: FromVault, SHA256: b.SHA256, Revision: cluster.Is(b.Revision), At: b.Created,
			Integrity: Partial, Loss: Loss{Since: b.Created, Revisions: cluster.Unknown[int64]("%s", highest.Why),
				Objects: cluster.Unknown[int64]("it was not fetched")}}
		if highest.OK {
			c.Loss.Revisions = cluster.Is(max(0, highest.Value-b.Revision))
		}
		if at := v.witnessed(); c.Loss.Revisions.OK && !at.IsZero() {
			doubt := say.New("candidate.witnessed", highest.Value, at.UTC().Format(time.RFC3339))
			c.Loss.Doubt = &doubt
		}
		switch {
		case len(b.Here) == 0:
			c = c.refuse(say.New("candidate.vault-away", joinNames(b.Away)))
		case b.Failed:
			c = c.refuse(say.New("candidate.vault-failed"))
		case !b.Proven.IsZero():
			c.Integrity = Sound
		}
		out = append(out, c)
	}
	return out
}

// kept gives snapshots and backups together, the newest revision first; of two
// with the same, the one that is at hand.
func (v view) kept(highest cluster.Known[int64]) []Candidate {
	out := append(v.snapshots(highest), v.vaulted(highest)...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if (a.Integrity == Unusable) != (b.Integrity == Unusable) {
			return a.Integrity != Unusable
		}
		return a.Revision.Value > b.Revision.Value
	})
	return out
}

func joinNames(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}
