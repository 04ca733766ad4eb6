package diagnose_test

import (
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// withoutLogs takes the logs of all members away, and with them the identity.
func withoutLogs(w *stories.World) *stories.World {
	for _, m := range []string{"m1", "m2", "m3"} {
		w.Damaged(m, cluster.DamageWALMissing)
		d := &w.M(m).Disk.Value
		d.Log, d.ClusterID, d.MemberID = cluster.Unknown[cluster.Log]("no log"), cluster.Unknown[cluster.ID]("no log"), cluster.Unknown[cluster.ID]("no log")
	}
	return w
}

// TestUnreadSnapshotsAreNotLost: as long as snapshots may lie where nobody could
// look, nothing is given up and no remains are pressed for.
func TestUnreadSnapshotsAreNotLost(t *testing.T) {
	place := func(w *stories.World) {
		w.Facts.Config.Snapshots = []cluster.SnapshotPlace{{Host: "hm1", Path: "/mnt/nfs"}}
		w.Node("m1").Places = []cluster.BackupPlace{{Path: "/mnt/nfs", Files: cluster.Unknown[int]("no such file or directory")}}
	}
	for name, unread := range map[string]func(*stories.World){
		"a place that is not mounted": place,
		"a host out of reach":         func(w *stories.World) { w.Facts.Config.Snapshots = []cluster.SnapshotPlace{{Host: "nas", Path: "/b"}} },
		"a file that took too long": func(w *stories.World) {
			w.Facts.Hosts[0].Snapshots = []cluster.SnapshotFacts{{Path: "/b/x.db", DB: cluster.Unknown[cluster.DB]("not finished in time")}}
		},
	} {
		w := withoutLogs(stories.Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageDB).Damaged("m2", cluster.DamageDB).Damaged("m3", cluster.DamageDB))
		unread(w)
		d := diagnose.Diagnose(w.Facts)
		if d.Level.Data != diagnose.DUnknown || strings.Contains(d.Next, "remains") || !allows(d, diagnose.ActReadRest) || !forbids(d, diagnose.ActWipe) {
			t.Errorf("%s: %s, next %q, allowed %v, forbidden %v: %s", name, d.Level, d.Next, d.Allowed, d.Forbidden, d.Summary)
		}
		w.Snapshot(900)
		d = diagnose.Diagnose(w.Facts)
		if c, ok := d.Chosen(); !ok || d.Level.Data != diagnose.D2 || c.Loss.Doubt == nil || !strings.Contains(c.Loss.Doubt.String(), "may be newer") {
			t.Errorf("%s, beside an older one: %s, %+v", name, d.Level, c)
		}
	}
	gone := withoutLogs(stories.Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageDB).Damaged("m2", cluster.DamageDB).Damaged("m3", cluster.DamageDB))
	gone.Facts.Config.Hosts = append(gone.Facts.Config.Hosts, cluster.Host{Name: "nas", Gone: true})
	gone.Facts.Config.Snapshots = []cluster.SnapshotPlace{{Host: "nas", Path: "/b"}}
	if d := diagnose.Diagnose(gone.Facts); d.Level.Data != diagnose.D3 {
		t.Errorf("a place on a machine that was given up: %s", d.Level)
	}
	d := diagnose.Diagnose(withoutLogs(stories.Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageDB).Damaged("m2", cluster.DamageDB).Damaged("m3", cluster.DamageDB)).Facts)
	if d.Level.Data != diagnose.D3 || !forbids(d, diagnose.ActWipe) {
		t.Errorf("remains alone: %s, forbidden %v", d.Level, d.Forbidden)
	}
}

// TestRemainsAreNeverChosen: a broken db, or one without its log, is offered
// where nothing else is usable; it is chosen only by whoever names it.
func TestRemainsAreNeverChosen(t *testing.T) {
	broken := func(w *stories.World) *stories.World {
		return w.Damaged("m1", cluster.DamageDB).Damaged("m2", cluster.DamageDB).Damaged("m3", cluster.DamageDB)
	}
	for _, c := range []struct {
		name      string
		world     *stories.World
		offered   int
		scattered bool
		chosen    diagnose.CandidateKind
	}{
		{"dbs broken, logs gone", withoutLogs(broken(stories.Serving().Dead("m1", "m2", "m3"))), 3, true, ""},
		{"dbs whole, logs gone", withoutLogs(stories.Serving().Dead("m1", "m2", "m3")), 3, false, ""},
		{"dbs broken, logs whole", broken(stories.Serving().Dead("m1", "m2", "m3")), 3, true, ""},
		{"a snapshot besides", withoutLogs(broken(stories.Serving().Dead("m1", "m2", "m3"))).Snapshot(900), 3, true, diagnose.FromSnapshot},
		{"one db holds", stories.Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageDB).Damaged("m2", cluster.DamageDB), 0, false, diagnose.FromSurvivor},
		{"nothing is wrong", stories.Serving(), 0, false, diagnose.FromQuorum},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := diagnose.Diagnose(c.world.Facts)
			offered := 0
			for _, x := range d.Candidates {
				if x.Kind != diagnose.FromRemains {
					continue
				}
				offered++
				if x.Chosen || x.Scattered != c.scattered || x.Loss.Proven || x.Loss.Revisions.OK || x.Loss.Doubt == nil || x.DB == "" {
					t.Errorf("%+v", x)
				}
			}
			chosen, ok := d.Chosen()
			if offered != c.offered || chosen.Kind != c.chosen || ok != (c.chosen != "") {
				t.Fatalf("%d offered, chosen %q: %+v", offered, chosen.Kind, d.Candidates)
			}
			if c.chosen == "" && (!strings.HasPrefix(d.Next, "salvor recover --source remains:m") || !strings.Contains(d.Summary.String(), "--source remains:m")) {
				t.Errorf("next %q: %s", d.Next, d.Summary)
			}
		})
	}
}

// TestADBThatWasSentStaysWithItsLog: a log is replayed on another member's db only
// where that one is the file that is copied.
func TestADBThatWasSentStaysWithItsLog(t *testing.T) {
	for _, received := range []string{"", "/var/lib/etcd/member/snap/0000000000000064.snap.db"} {
		w := stories.Serving().Dead("m1", "m2", "m3").Damaged("m1", cluster.DamageDB).Damaged("m3", cluster.DamageDB)
		w.M("m2").Disk.Value.Received = received
		for _, c := range diagnose.Diagnose(w.Facts).Candidates {
			if c.ID == "survivor:m1" && (c.Integrity == diagnose.Unusable) != (received != "") {
				t.Errorf("sent %q: m1's log on %q, %s", received, c.DB, c.Integrity)
			}
			if c.ID == "survivor:m2" && c.Integrity == diagnose.Unusable {
				t.Errorf("sent %q: m2's own is not used", received)
			}
		}
	}
}
