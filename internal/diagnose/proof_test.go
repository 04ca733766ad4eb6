package diagnose_test

import (
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestNeverProvenIsOfAllBackups: one proof is enough, wherever it lies; where it
// could lie and nobody can tell, nothing is said.
func TestNeverProvenIsOfAllBackups(t *testing.T) {
	backup := func(w *stories.World) *cluster.BackupFacts { return &w.Facts.Backups.Value[0] }
	for name, c := range map[string]struct {
		change func(*stories.World)
		want   diagnose.Confidence // none: not told
	}{
		"proven":                    {func(*stories.World) {}, ""},
		"files, and no vault":       {func(w *stories.World) { w.Facts.Backups = cluster.Known[[]cluster.BackupFacts]{} }, diagnose.Possible},
		"a vault without any proof": {func(w *stories.World) { backup(w).Proven = time.Time{}; w.Facts.Hosts[0].Snapshots = nil }, diagnose.Certain},
		"the proof did not pass":    {func(w *stories.World) { backup(w).Failed = true }, diagnose.Possible},
		"a stranger's proof":        {func(w *stories.World) { backup(w).Untrusted = true }, diagnose.Possible},
		"the proof of another cluster's": {func(w *stories.World) {
			old := *backup(w)
			old.ID, old.KubeSystemUID, old.ClusterID = "old", "another", "a"
			backup(w).Proven = time.Time{}
			w.Facts.Backups.Value = append(w.Facts.Backups.Value, old)
		}, diagnose.Possible},
		"an older one was proven": {func(w *stories.World) {
			old := *backup(w)
			old.ID, old.Revision, old.SHA256 = "old", 50, "another"
			backup(w).Proven = time.Time{}
			w.Facts.Backups.Value = append(w.Facts.Backups.Value, old)
		}, ""},
		"the proven one lies in a safe": {func(w *stories.World) { backup(w).Here, backup(w).Away = nil, []string{"tape"} }, ""},
		"a vault that was not asked": {func(w *stories.World) {
			w.Facts.Backups, w.Facts.Config.Vault = cluster.Known[[]cluster.BackupFacts]{}, &cluster.Vault{}
		}, ""},
		"a vault that does not answer": {func(w *stories.World) { w.Facts.Backups = cluster.Unknown[[]cluster.BackupFacts]("no route") }, ""},
		"a target that does not answer": {func(w *stories.World) {
			backup(w).Proven = time.Time{}
			w.Facts.BackupsDown = []string{"bucket"}
		}, ""},
		"no backup that could be restored": {func(w *stories.World) {
			w.Facts.Backups = cluster.Known[[]cluster.BackupFacts]{}
			w.Facts.Hosts[0].Snapshots[0].Trailer = cluster.TrailerWrong
		}, ""},
	} {
		w := stories.Control()
		c.change(w)
		f, _ := find(diagnose.Diagnose(w.Facts), diagnose.BackupNeverProven)
		if f.Confidence != c.want {
			t.Errorf("%s: %q, want %q: %v", name, f.Confidence, c.want, f.Evidence)
		}
	}
}
