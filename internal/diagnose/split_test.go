package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestDifferentHistoriesAreNotIntact: members that hold different data prove
// nothing of each other, and the reason against a restore is that.
func TestDifferentHistoriesAreNotIntact(t *testing.T) {
	seen := 0
	for _, x := range stories.Fixtures() {
		if x.Code != diagnose.Diverged && x.Code != diagnose.CorruptAlarm && x.Code != diagnose.SameIDOtherHistory {
			continue
		}
		seen++
		w := stories.Control()
		x.Break(w)
		d := diagnose.Diagnose(w.Facts)
		if d.Level.Data != diagnose.DUnknown {
			t.Errorf("%s: the data is %s, want %s", x.Code, d.Level.Data, diagnose.DUnknown)
		}
		for _, c := range d.Candidates {
			if c.Loss.Proven || c.Chosen && c.Loss.Doubt == nil {
				t.Errorf("%s: the loss of %s is %+v: proven, or without the doubt", x.Code, c.ID, c.Loss)
			}
		}
		why := ""
		for _, a := range d.Forbidden {
			if a.Action == diagnose.ActRestore {
				why = a.Text.Key
			}
		}
		if why != "forbid.restore-snapshot.split" {
			t.Errorf("%s: a restore is forbidden for %q", x.Code, why)
		}
	}
	if seen != 4 {
		t.Errorf("%d fixtures, want 4", seen)
	}
}
