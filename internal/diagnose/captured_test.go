package diagnose_test

import (
	"slices"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/test/captured"
)

// fixtures are what Salvor saw of real faults; see testdata/captured.
func fixtures(t *testing.T) map[string]captured.Fixture {
	t.Helper()
	all, err := captured.Read("testdata/captured")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// worldOf gives a copy of captured facts, to be changed.
func worldOf(f captured.Fixture) *stories.World {
	return &stories.World{Facts: copied(f.Facts)}
}

// TestCaptured: real faults are found, with evidence, and their root cause is
// named; nothing is found where nothing was broken. Without the facts that a
// class needs it is not found any more, that is said, and nothing counts as
// healthy.
func TestCaptured(t *testing.T) {
	classes := map[diagnose.Code]bool{}
	for name, x := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			d := diagnose.Diagnose(x.Facts)
			if x.Code == "" && !well(d) {
				t.Errorf("nothing was broken: %s %v %v", d.Scenario, codesOf(d), d.Unknown)
			}
			if d.Cause == nil && x.Cause != "" || d.Cause != nil && d.Cause.Code != x.Cause {
				t.Errorf("the root cause is %+v, not %q", d.Cause, x.Cause)
			}
			for _, c := range append(x.Also, x.Code) {
				if classes[c] = true; c != "" {
					shown(t, x, d, c)
				}
			}
		})
	}
	if delete(classes, ""); len(classes) < 100 {
		t.Errorf("only %d classes were captured", len(classes))
	}
}

// shown wants a class found in a fixture, and unknown without what it needs.
func shown(t *testing.T, x captured.Fixture, d diagnose.Diagnosis, c diagnose.Code) {
	t.Helper()
	f, ok := find(d, c)
	if !ok || len(f.Evidence) == 0 || f.Confidence == "" {
		t.Fatalf("%s: %+v in %s %v", c, f, d.Scenario, codesOf(d))
	}
	w := worldOf(x)
	for _, n := range diagnose.NeedsOf(c) {
		takeFrom(w, n, -1)
	}
	d = diagnose.Diagnose(w.Facts)
	if _, still := find(d, c); still && c != diagnose.HostUnreachable && c != diagnose.HostGivenUp {
		t.Errorf("%s is found without the facts it needs", c)
	}
	// As in compareTaken: many members give no metrics, and a warning that rests
	// on them may go unseen, if that is said.
	minor := f.Severity == diagnose.Info || f.Severity == diagnose.Warning && slices.Contains(diagnose.NeedsOf(c), diagnose.NeedMetrics)
	if !minor && well(d) || !unknown(d, c) {
		t.Errorf("%s without the facts it needs: %s, unknown %v, not judged %v", c, d.Scenario, d.Unknown, d.Unjudged)
	}
}

// TestCapturedWithSecond: a clock that is wrong on some machine is found beside
// each real fault, and neither hides the other.
func TestCapturedWithSecond(t *testing.T) {
	for name, x := range fixtures(t) {
		if x.Code == "" || x.Code == diagnose.ClockSkew || len(x.Facts.Hosts) < 3 {
			continue
		}
		for i, h := range x.Facts.Hosts {
			if !h.Reached.OK {
				continue
			}
			w := worldOf(x)
			clock := &w.Facts.Hosts[i].Reached.Value.Clock
			*clock = clock.Add(30 * time.Minute) // within all certificates
			d := diagnose.Diagnose(w.Facts)
			_, ok := find(d, x.Code)
			skew, also := find(d, diagnose.ClockSkew)
			if !ok || !also || skew.Subject != h.Name || len(skew.CausedBy) > 0 {
				t.Errorf("%s with a wrong clock of %s: %s %v", name, h.Name, d.Scenario, codesOf(d))
			}
		}
	}
}

// TestRoomForAFullDisk: on a machine whose disk is full, room is what is needed,
// whatever else still serves.
func TestRoomForAFullDisk(t *testing.T) {
	d := diagnose.Diagnose(fixtures(t)["disk-full"].Facts)
	if !slices.ContainsFunc(d.Allowed, func(a diagnose.Advice) bool { return a.Action == diagnose.ActFreeSpace }) || !forbids(d, diagnose.ActRestore) {
		t.Errorf("%s: allowed %+v, forbidden %+v", d.Scenario, d.Allowed, d.Forbidden)
	}
}
