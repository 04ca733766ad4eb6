package diagnose

import (
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// vaulted gives one candidate for each backup in the vault. A backup is read
// from end to end when it is fetched, before anything rests on it.
func (v view) vaulted(highest cluster.Known[int64]) []Candidate {
	var out []Candidate
	strange := v.strangeBackups()
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
		why, foreign := strange[b.ID]
		switch {
		case foreign:
			c = c.refuse(why)
		case len(b.Here) == 0:
			c = c.refuse(say.New("candidate.vault-away", strings.Join(b.Away, ", ")))
		case b.Failed:
			c = c.refuse(say.New("candidate.vault-failed"))
		case !b.Proven.IsZero():
			c.Integrity = Sound
		}
		out = append(out, c)
	}
	return out
}

// strangeBackups says which backups are another cluster's that bears the same
// name, as after a cluster was built anew under the same salvor.yaml. The
// cluster is that of the members' remains, and where they do not tell, that of
// the newest backup: revisions of two clusters cannot be compared.
func (v view) strangeBackups() map[string]say.Text {
	keys := backupKeys(v.facts.Backups.Value)
	ours, newest := "", cluster.BackupFacts{}
	limit := v.facts.At.Add(time.Minute) // one from the future was made by a wrong clock
	for _, b := range v.facts.Backups.Value {
		if v.lineage.OK && b.ClusterID == v.lineage.Value.String() {
			ours, newest = keys[b.ID], b
			break
		}
		if late := newest.Created.After(limit); newest.ID == "" || late && b.Created.Before(newest.Created) ||
			!b.Created.After(limit) && b.Created.After(newest.Created) {
			ours, newest = keys[b.ID], b
		}
	}
	out := map[string]say.Text{}
	for _, b := range v.facts.Backups.Value {
		if keys[b.ID] != ours {
			out[b.ID] = say.New("candidate.vault-other", keys[b.ID], ours, newest.ID)
		}
	}
	return out
}

// backupKeys gives the identity of each backup's cluster: the UID of its
// kube-system, which survives a restore, also for those that know only the etcd
// cluster ID if another of that ID knows it.
func backupKeys(all []cluster.BackupFacts) map[string]string {
	uids := map[string]string{} // by etcd cluster ID
	for _, b := range all {
		if b.ClusterID != "" && b.KubeSystemUID != "" {
			uids[b.ClusterID] = b.KubeSystemUID
		}
	}
	out := map[string]string{}
	for _, b := range all {
		uid := b.KubeSystemUID
		if uid == "" {
			uid = uids[b.ClusterID]
		}
		out[b.ID] = "kube-system " + uid
		if uid == "" {
			out[b.ID] = "etcd " + b.ClusterID
		}
	}
	return out
}

// earlier tells that the members' remains are of an etcd cluster ID that no
// backup has: they were restored since, or are another cluster's.
func (v view) earlier(b cluster.BackupFacts) bool {
	if !v.lineage.OK || b.ClusterID == "" {
		return false
	}
	for _, o := range v.facts.Backups.Value {
		if o.ClusterID == v.lineage.Value.String() {
			return false
		}
	}
	return true
}

// kept gives snapshots and backups together, the newest revision first; of two
// with the same, the one that is at hand. A vault that did not answer whole is
// a doubt on each.
func (v view) kept(highest cluster.Known[int64]) []Candidate {
	out := append(v.snapshots(highest), v.vaulted(highest)...)
	doubt, doubted := v.silence()
	if places := v.unreadPlaces(); !doubted && len(places) > 0 {
		doubt, doubted = say.New("candidate.places-unread", some(places)), true
	}
	if doubted {
		for i := range out {
			out[i].Loss.Doubt = &doubt
		}
	}
	dated := map[string]bool{}
	for _, b := range v.facts.Backups.Value {
		for i := range out { // the backup, and the file if it was fetched
			c := &out[i]
			if c.ID != "vault:"+b.ID && (b.SHA256 == "" || c.SHA256 != b.SHA256) {
				continue
			}
			v.caution(c, b)
			if c.Kind == FromSnapshot && (!dated[c.ID] || b.Created.After(c.At)) {
				// The file is as old as its fetching, its data as the last backup
				// of that content.
				c.At, c.Loss.Since, dated[c.ID] = b.Created, b.Created, true
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if (a.Integrity == Unusable) != (b.Integrity == Unusable) {
			return a.Integrity != Unusable
		}
		return a.Revision.Value > b.Revision.Value
	})
	return out
}

// caution lowers what a backup is worth whose origin is not certain.
func (v view) caution(c *Candidate, b cluster.BackupFacts) {
	var doubt say.Text
	switch {
	case c.Integrity == Unusable:
		return
	case b.Untrusted:
		doubt = say.New("candidate.vault-keys")
	case v.earlier(b):
		doubt = say.New("candidate.vault-earlier", b.ClusterID, v.lineage.Value)
		c.Loss.Revisions = cluster.Unknown[int64]("the members' remains are of another etcd cluster ID")
	default:
		return
	}
	c.Integrity, c.Loss.Doubt, c.Loss.Proven = Partial, &doubt, false
}

// silence says which part of the vault was asked and did not answer.
func (v view) silence() (say.Text, bool) {
	switch b := v.facts.Backups; {
	case v.vaultSilent():
		return say.New("candidate.vault-silent", b.Why), true
	case len(v.facts.BackupsDown) > 0:
		return say.New("candidate.vault-partly", strings.Join(v.facts.BackupsDown, ", ")), true
	}
	return say.Text{}, false
}

// vaultSilent tells that the vault was asked and that nothing is known of it.
func (v view) vaultSilent() bool { return !v.facts.Backups.OK && v.facts.Backups.Why != "" }

// vaultHides tells that the vault may hold, or holds, what cannot be reached
// now: then it is unknown whether anything is left.
func (v view) vaultHides() bool {
	if _, ok := v.silence(); ok {
		return true
	}
	strange := v.strangeBackups()
	for _, b := range v.facts.Backups.Value {
		if _, foreign := strange[b.ID]; !foreign && len(b.Here) == 0 {
			return true
		}
	}
	return false
}
