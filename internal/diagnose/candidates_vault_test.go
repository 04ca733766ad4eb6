package diagnose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// lost is a cluster without any disk left, whose vault holds backups.
func lost(backups ...cluster.BackupFacts) *stories.World {
	w := stories.Serving().Gone("m1", "m2", "m3")
	for i := range backups {
		backups[i].Here = append(backups[i].Here, "disk")
	}
	w.Facts.Backups = cluster.Is(backups)
	return w
}

func ago(w *stories.World, d time.Duration) time.Time { return w.Facts.At.Add(-d) }

// TestTheOldLifeIsNotTaken has a cluster that was built anew under its old
// name: the old life's backup has the higher revision, and is not its data.
func TestTheOldLifeIsNotTaken(t *testing.T) {
	at := stories.Serving().Facts.At
	old := cluster.BackupFacts{ID: "old", Created: at.Add(-48 * time.Hour), Revision: 9000, ClusterID: "a", KubeSystemUID: "u1", Proven: at.Add(-47 * time.Hour)}
	now := cluster.BackupFacts{ID: "new", Created: at.Add(-time.Hour), Revision: 50, ClusterID: "b", KubeSystemUID: "u2"}
	future := cluster.BackupFacts{ID: "future", Created: at.Add(48 * time.Hour), Revision: 9999, ClusterID: "a", KubeSystemUID: "u1"}
	half := cluster.BackupFacts{ID: "half", Created: at.Add(-2 * time.Hour), Revision: 60, ClusterID: "b"} // its UID was not read
	for name, c := range map[string]struct {
		backups []cluster.BackupFacts
		lineage cluster.ID // that the members' remains show
		want    string
	}{
		"the newest by time":            {[]cluster.BackupFacts{now, old}, 0, "vault:new"},
		"whatever the order":            {[]cluster.BackupFacts{old, now}, 0, "vault:new"},
		"one life, the highest":         {[]cluster.BackupFacts{now, half, old}, 0, "vault:half"},
		"not by a clock in the future":  {[]cluster.BackupFacts{future, now, old}, 0, "vault:new"},
		"the remains tell":              {[]cluster.BackupFacts{now, old}, 0xa, "vault:old"},
		"the remains tell of the other": {[]cluster.BackupFacts{now, old}, 0xb, "vault:new"},
	} {
		w := lost(c.backups...)
		if c.lineage != 0 {
			d := &w.M("m1").Disk.Value
			d.State, d.ClusterID = cluster.DirData, cluster.Is(c.lineage)
			d.Damage = []cluster.Damage{{Kind: cluster.DamageDBMissing}, {Kind: cluster.DamageWALMissing}}
		}
		d := diagnose.Diagnose(w.Facts)
		chosen, ok := d.Chosen()
		if !ok || chosen.ID != c.want {
			t.Errorf("%s: chose %q, want %s (%s)", name, chosen.ID, c.want, d.Level)
		}
		for _, o := range d.Candidates {
			if foreign := o.Kind == diagnose.FromVault && o.ID != c.want && o.ID != "vault:half" && o.ID != "vault:new"; foreign && (o.Integrity != diagnose.Unusable || !strings.Contains(o.Why.String(), "another cluster")) {
				t.Errorf("%s: %s is %s: %s", name, o.ID, o.Integrity, o.Why)
			}
		}
	}
}

// TestRemainsOfAnotherIDAreADoubt has backups, none of which is of the etcd
// cluster ID that the remains show: a restore gives a new one.
func TestRemainsOfAnotherIDAreADoubt(t *testing.T) {
	w := lost(cluster.BackupFacts{ID: "b", Created: stories.Serving().Facts.At.Add(-time.Hour), Revision: 5, ClusterID: "a", Proven: stories.Serving().Facts.At}).Witness(99)
	d := &w.M("m1").Disk.Value
	d.State, d.ClusterID = cluster.DirData, cluster.Is(cluster.ID(0xc))
	d.Damage = []cluster.Damage{{Kind: cluster.DamageDBMissing}, {Kind: cluster.DamageWALMissing}}
	c, ok := diagnose.Diagnose(w.Facts).Chosen()
	if !ok || c.Integrity != diagnose.Partial || c.Loss.Revisions.OK || c.Loss.Doubt == nil || !strings.Contains(c.Loss.Doubt.String(), "before a restore") {
		t.Errorf("got %+v", c)
	}
}

// TestAVaultThatDoesNotAnswerIsNotEmpty tells "nothing is left" from "nobody
// could be asked".
func TestAVaultThatDoesNotAnswerIsNotEmpty(t *testing.T) {
	silent := cluster.Unknown[[]cluster.BackupFacts]("no route to host")
	w := stories.Serving().Gone("m1", "m2", "m3")
	w.Facts.Backups = silent
	d := diagnose.Diagnose(w.Facts)
	if d.Level.Data != diagnose.DUnknown || d.Scenario != diagnose.AllLost || d.Next == "salvor plan" || !strings.Contains(d.Summary.String(), "did not answer") {
		t.Errorf("level %s, next %q: %s", d.Level, d.Next, d.Summary)
	}
	said := false
	for _, u := range d.Unknown {
		said = said || strings.Contains(u.String(), "no route to host")
	}
	if !said {
		t.Errorf("it does not say why: %v", d.Unknown)
	}
	// A snapshot on a disk can be taken, with the doubt that it is not the newest.
	w = stories.Serving().Gone("m1", "m2", "m3").Snapshot(70).Witness(99)
	w.Facts.Backups = silent
	d = diagnose.Diagnose(w.Facts)
	if c, ok := d.Chosen(); !ok || d.Level.Data != diagnose.D2 || c.Loss.Doubt == nil || !strings.Contains(c.Loss.Doubt.String(), "may hold a newer one") {
		t.Errorf("level %s, %+v", d.Level, c)
	}
	// One target of several.
	w = lost(cluster.BackupFacts{ID: "b", Created: ago(w, time.Hour), Revision: 5})
	w.Facts.BackupsDown = []string{"bucket"}
	d = diagnose.Diagnose(w.Facts)
	if c, ok := d.Chosen(); !ok || d.Level.Data != diagnose.D2 || c.Loss.Doubt == nil || !strings.Contains(c.Loss.Doubt.String(), "Target bucket") {
		t.Errorf("level %s, %+v", d.Level, c)
	}
	for name, f := range map[string]struct {
		w    *stories.World
		want diagnose.Data
	}{
		"one of several, and none of this": {func() *stories.World { w := lost(); w.Facts.BackupsDown = []string{"bucket"}; return w }(), diagnose.DUnknown},
		"in a safe": {func() *stories.World {
			w := lost()
			w.Facts.Backups = cluster.Is([]cluster.BackupFacts{{ID: "b", Away: []string{"tape"}}})
			return w
		}(), diagnose.DUnknown},
		"empty": {lost(), diagnose.D3},
	} {
		if d := diagnose.Diagnose(f.w.Facts); d.Level.Data != f.want {
			t.Errorf("%s: %s, want %s", name, d.Level, f.want)
		}
	}
}

// TestABackupWithoutATrustedKeyIsADoubt has proofs too, which the same stranger
// may have signed; so is the file that was fetched of it.
func TestABackupWithoutATrustedKeyIsADoubt(t *testing.T) {
	at := stories.Serving().Facts.At
	b := cluster.BackupFacts{ID: "b", Created: at.Add(-time.Hour), Revision: 70, Proven: at, SHA256: "abc", Untrusted: true}
	w := lost(b).Snapshot(70)
	for i := range w.Facts.Hosts {
		for j := range w.Facts.Hosts[i].Snapshots {
			w.Facts.Hosts[i].Snapshots[j].SHA256 = "abc"
		}
	}
	n := 0
	for _, c := range diagnose.Diagnose(w.Facts).Candidates {
		if c.Integrity == diagnose.Unusable {
			continue
		}
		n++
		if c.Integrity != diagnose.Partial || c.Loss.Doubt == nil || !strings.Contains(c.Loss.Doubt.String(), "vault.trusted") {
			t.Errorf("%s is %s: %v", c.ID, c.Integrity, c.Loss.Doubt)
		}
	}
	if n != 2 {
		t.Errorf("%d candidates", n)
	}
	again := b
	again.ID, again.Created = "again", at.Add(-30*time.Minute)
	older := b
	older.ID, older.Created = "older", at.Add(-2*time.Hour)
	w.Facts.Backups.Value = []cluster.BackupFacts{b, again, older}
	if c, ok := diagnose.Diagnose(w.Facts).Chosen(); !ok || c.Kind != diagnose.FromSnapshot || !c.At.Equal(again.Created) || !c.Loss.Since.Equal(again.Created) {
		t.Errorf("the file that was fetched now: %s, of %s, loss since %s; want %s", c.ID, c.At, c.Loss.Since, again.Created)
	}
	w.Facts.Backups.Value = []cluster.BackupFacts{b}
	w.Facts.Backups.Value[0].Untrusted = false
	if c, ok := diagnose.Diagnose(w.Facts).Chosen(); !ok || c.Integrity != diagnose.Sound {
		t.Errorf("with a trusted key: %+v", c)
	}
}
