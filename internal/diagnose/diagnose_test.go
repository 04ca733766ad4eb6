package diagnose_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

func has(fs []diagnose.Finding, c diagnose.Code) bool {
	for _, f := range fs {
		if f.Code == c {
			return true
		}
	}
	return false
}

func TestStories(t *testing.T) {
	for name, s := range stories.All() {
		t.Run(name, func(t *testing.T) {
			d := diagnose.Diagnose(s.World.Facts)
			if d.Scenario != s.Scenario || d.Level.String() != s.Level {
				t.Errorf("got %s %s, want %s %s", d.Scenario, d.Level, s.Scenario, s.Level)
			}
			if c, _ := d.Chosen(); c.ID != s.Source {
				t.Errorf("chose %q, want %q", c.ID, s.Source)
			}
			if s.Code != "" && !has(d.Findings, s.Code) {
				t.Errorf("finding %s is missing: %v", s.Code, d.Findings)
			}
			for _, f := range d.Findings {
				if len(f.Evidence) == 0 {
					t.Errorf("finding %s has no evidence", f.Code)
				}
			}
		})
	}
}

// TestDeterministic holds diagnose.Diagnose to its word: the same facts, the same bytes.
func TestDeterministic(t *testing.T) {
	for name, s := range stories.All() {
		a, _ := json.Marshal(diagnose.Diagnose(s.World.Facts))
		for range 20 {
			if b, _ := json.Marshal(diagnose.Diagnose(s.World.Facts)); string(a) != string(b) {
				t.Fatalf("%s: two diagnoses of the same facts differ", name)
			}
		}
	}
}

// TestUnknownIsNeverHealthy takes one fact after the other away: what was sick
// must not become healthy, and a restore that was forbidden must not become
// the choice.
func TestUnknownIsNeverHealthy(t *testing.T) {
	take := map[string]func(*cluster.MemberFacts){
		"process": func(m *cluster.MemberFacts) { m.Process = cluster.Unknown[cluster.ProcessFacts]("taken") },
		"disk":    func(m *cluster.MemberFacts) { m.Disk = cluster.Unknown[cluster.DataDir]("taken") },
		"live":    func(m *cluster.MemberFacts) { m.Live = cluster.Unknown[cluster.LiveMember]("taken") },
		"space":   func(m *cluster.MemberFacts) { m.Space = cluster.Unknown[cluster.Space]("taken") },
		"certs":   func(m *cluster.MemberFacts) { m.Certificates = nil },
		"db":      func(m *cluster.MemberFacts) { m.Disk.Value.DB = cluster.Unknown[cluster.DB]("taken") },
		"log":     func(m *cluster.MemberFacts) { m.Disk.Value.Log = cluster.Unknown[cluster.Log]("taken") },
	}
	for name := range stories.All() {
		for what, away := range take {
			for _, m := range stories.All()[name].World.Facts.Config.Members {
				n := m.Name
				if len(stories.All()[name].World.Facts.Hosts[n[1]-'1'].Members) == 0 {
					continue // nothing is known of this member anyway
				}
				t.Run(fmt.Sprintf("%s/%s/%s", name, what, n), func(t *testing.T) {
					before := diagnose.Diagnose(stories.All()[name].World.Facts)
					s := stories.All()[name]
					s.World.Snapshot(70)
					away(s.World.M(n))
					after := diagnose.Diagnose(s.World.Facts)
					if before.Scenario != diagnose.Healthy && after.Scenario == diagnose.Healthy {
						t.Errorf("%s became healthy", before.Scenario)
					}
					if c, ok := after.Chosen(); ok && c.Kind == diagnose.FromSnapshot && before.Level.Data == diagnose.D0 {
						t.Errorf("a snapshot became the choice though the data was diagnose.D0: %s %s", after.Scenario, after.Level)
					}
				})
			}
		}
	}
}

func TestLossOfASnapshotIsCountedFromTheWitness(t *testing.T) {
	d := diagnose.Diagnose(stories.Serving().Gone("m1", "m2", "m3").Snapshot(70).Witness(99).Facts)
	c, _ := d.Chosen()
	if !c.Loss.Revisions.OK || c.Loss.Revisions.Value != 29 {
		t.Fatalf("loss is %+v, want 29 revisions", c.Loss.Revisions)
	}
	d = diagnose.Diagnose(stories.Serving().Gone("m1", "m2", "m3").Snapshot(70).Facts)
	if c, _ := d.Chosen(); c.Loss.Revisions.OK {
		t.Fatalf("without a witness the loss is unknown, not %d", c.Loss.Revisions.Value)
	}
}

func TestSurvivorsArePairedAcrossMembers(t *testing.T) {
	w := stories.Serving().Dead("m1", "m2", "m3").Gone("m1").Damaged("m2", cluster.DamageDB).Damaged("m3", cluster.DamageWAL)
	w.M("m2").Disk.Value.Log.Value.LastIndex = 150
	w.M("m3").Disk.Value.Log.Value.LastIndex = 60
	d := diagnose.Diagnose(w.Facts)
	c, ok := d.Chosen()
	if !ok || c.Log != "m2" || c.DB != "m3" {
		t.Fatalf("chose %+v, want the log of m2 with the db of m3", c)
	}
}

func TestForbiddenActionsSayWhy(t *testing.T) {
	for name, s := range stories.All() {
		d := diagnose.Diagnose(s.World.Facts)
		if d.Level.Data != diagnose.D0 || d.Scenario == diagnose.Healthy {
			continue
		}
		found := false
		for _, f := range d.Forbidden {
			found = found || f.Action == diagnose.ActRestore && strings.HasPrefix(f.Text.Key, "forbid.")
		}
		if !found {
			t.Errorf("%s: data is diagnose.D0, but a restore is not forbidden", name)
		}
	}
}
