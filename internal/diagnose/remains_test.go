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
