package diagnose_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// bereft is the healthy world without the namespace that its backup has.
func bereft() *stories.World {
	return stories.Control().EachObjects(func(o *cluster.APIObjects) { o.Namespaces = cluster.Is([]string{"default", "kube-system"}) })
}

// TestDeletedIsToldOnlyOfThisCluster: what is held against the API is the newest
// backup of the very cluster that the API speaks for, and all of it or nothing.
func TestDeletedIsToldOnlyOfThisCluster(t *testing.T) {
	snap := func(w *stories.World) *cluster.SnapshotFacts { return &w.Facts.Hosts[0].Snapshots[0] }
	// another is a snapshot beside the first, with the namespaces of today.
	another := func(w *stories.World, revision int64) *cluster.SnapshotFacts {
		w.Snapshot(revision)
		s := &w.Facts.Hosts[0].Snapshots[1]
		s.Path, s.Hazards = "/b/other.db", cluster.Is(snap(w).Hazards.Value)
		s.Hazards.Value.Namespaces = cluster.Is([]string{"default", "kube-system"})
		return s
	}
	for name, c := range map[string]struct {
		change func(*stories.World)
		told   bool
	}{
		"as it is": {func(*stories.World) {}, true},
		"a backup of another cluster with the same names": {func(w *stories.World) { snap(w).Hazards.Value.System = "another" }, false},
		"the other cluster's backup is the newer one": {func(w *stories.World) {
			another(w, 75).Hazards.Value.System = "another"
		}, true},
		"deleted before the newest backup":       {func(w *stories.World) { another(w, 75) }, false},
		"an older backup without it":             {func(w *stories.World) { another(w, 50) }, true},
		"the newest backup's objects are unread": {func(w *stories.World) { another(w, 75).Hazards = cluster.Unknown[cluster.Hazards]("no time") }, false},
		"the backup cannot be restored":          {func(w *stories.World) { snap(w).Trailer = cluster.TrailerWrong }, false},
		"more names than are kept":               {func(w *stories.World) { snap(w).Hazards.Value.Namespaces = cluster.Unknown[[]string]("too many") }, false},
		"read by a Salvor that kept no names":    {func(w *stories.World) { snap(w).Hazards.Value.Namespaces = cluster.Known[[]string]{} }, false},
		"the API says nothing": {func(w *stories.World) {
			w.EachObjects(func(o *cluster.APIObjects) { o.Namespaces = cluster.Unknown[[]string]("no") })
		}, false},
		"the API does not say which cluster's": {func(w *stories.World) {
			w.EachObjects(func(o *cluster.APIObjects) { o.System = cluster.Unknown[string]("no") })
		}, false},
		"API servers speak for different ones":    {func(w *stories.World) { w.Objects("m2").System = cluster.Is("another") }, false},
		"one API server of three has it":          {func(w *stories.World) { w.Objects("m2").Namespaces = cluster.Is([]string{"default", "shop"}) }, false},
		"one API server of three does not answer": {func(w *stories.World) { w.Objects("m2").Namespaces = cluster.Unknown[[]string]("no") }, true},
		"a machine with backups is not reached": {func(w *stories.World) {
			w.Facts.Config.Snapshots = append(w.Facts.Config.Snapshots, cluster.SnapshotPlace{Host: "hm3", Path: "/b"})
			w.Unreached("m3")
		}, false},
		"a machine without backups is not reached": {func(w *stories.World) { w.Unreached("m3") }, true},
		"a folder of backups cannot be read":       {func(w *stories.World) { w.Node("m1").Places[0].Files = cluster.Unknown[int]("permission denied") }, false},
		"another file cannot be read": {func(w *stories.World) {
			s := another(w, 75)
			s.DB, s.Trailer = cluster.Unknown[cluster.DB]("no time"), ""
		}, false},
		"the vault has a newer backup": {func(w *stories.World) {
			w.Facts.Backups = cluster.Is([]cluster.BackupFacts{{ID: "b", Revision: 80, KubeSystemUID: "uid"}})
		}, false},
		"the vault has an older backup": {func(w *stories.World) {
			w.Facts.Backups = cluster.Is([]cluster.BackupFacts{{ID: "b", Revision: 60, KubeSystemUID: "uid"}})
		}, true},
	} {
		w := bereft()
		c.change(w)
		d := diagnose.Diagnose(w.Facts)
		f, told := find(d, diagnose.NamespaceDeleted)
		if told != c.told {
			t.Errorf("%s: told %v, want %v", name, told, c.told)
		}
		if told && (f.Confidence != diagnose.Possible || len(f.Against) == 0 || len(f.Evidence) != 1 || !strings.Contains(f.Evidence[0], "shop")) {
			t.Errorf("%s: %+v", name, f)
		}
		advised := slices.ContainsFunc(d.Allowed, func(a diagnose.Advice) bool { return a.Action == diagnose.ActExtract })
		if advised != told {
			t.Errorf("%s: told %v, and advised %v", name, told, advised)
		}
		if told && !forbids(d, diagnose.ActRestore) {
			t.Errorf("%s: a restore is not forbidden", name)
		}
	}
}

// TestDeletedSaysWhatSpeaksAgainstIt: an old backup, and a vault that may hold a
// newer one.
func TestDeletedSaysWhatSpeaksAgainstIt(t *testing.T) {
	w := bereft()
	w.Facts.Hosts[0].Snapshots[0].Modified = w.Facts.At.Add(-30 * 24 * time.Hour)
	w.Unvaulted().Facts.Config.Vault = &cluster.Vault{}
	f, _ := find(diagnose.Diagnose(w.Facts), diagnose.NamespaceDeleted)
	if all := strings.Join(f.Against, "; "); !strings.Contains(all, "on purpose") || !strings.Contains(all, "720h") || !strings.Contains(all, "vault was not asked") {
		t.Error(all)
	}
}

// TestDeletedIsUnknownOfSealedBackups: what only the vault has cannot be held
// against the API, and that is said without being a fault.
func TestDeletedIsUnknownOfSealedBackups(t *testing.T) {
	w := bereft()
	w.Facts.Hosts[0].Snapshots = nil
	w.Facts.Config.Vault = &cluster.Vault{}
	d := diagnose.Diagnose(w.Facts)
	i := slices.IndexFunc(d.Unjudged, func(u diagnose.Unjudged) bool { return slices.Contains(u.Codes, diagnose.NamespaceDeleted) })
	if _, told := find(d, diagnose.NamespaceDeleted); told || i < 0 || !d.Unjudged[i].Skipped || d.Unread() != 0 {
		t.Errorf("told %v: %+v", told, d.Unjudged)
	}
}

// TestDeletedByAnOlderHistory: where the cluster serves an older history, that
// explains what is missing, and single objects are not the way.
func TestDeletedByAnOlderHistory(t *testing.T) {
	w := bereft()
	w.Facts.Hosts[0].Snapshots[0].DB.Value.Revision = 9_000_000
	d := diagnose.Diagnose(w.Facts)
	f, _ := find(d, diagnose.NamespaceDeleted)
	if !slices.Contains(f.CausedBy, diagnose.HistoryRewound) || slices.ContainsFunc(d.Allowed, func(a diagnose.Advice) bool { return a.Action == diagnose.ActExtract }) {
		t.Errorf("%+v, allowed %+v", f, d.Allowed)
	}
}
