package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestAHashThatNobodyAskedForHidesNothing: by choice is not the same as failed.
func TestAHashThatNobodyAskedForHidesNothing(t *testing.T) {
	w := stories.Control()
	for _, n := range []string{"m1", "m2", "m3"} {
		l := &w.M(n).Live.Value
		l.HashKV, l.CommonHash, l.HashSkipped = cluster.Known[cluster.HashKV]{}, cluster.Known[cluster.HashKV]{}, "not asked: large"
	}
	d := diagnose.Diagnose(w.Facts)
	if d.Scenario != diagnose.Healthy || len(d.Unknown) > 0 || d.Unread() != 0 || !unknown(d, diagnose.Diverged) {
		t.Errorf("skipped by choice: %s, unknown %v, unread %d, unjudged %v", d.Scenario, d.Unknown, d.Unread(), d.Unjudged)
	}
	w.M("m2").Live.Value.HashSkipped = ""
	w.M("m2").Live.Value.CommonHash = cluster.Unknown[cluster.HashKV]("time was up")
	if d := diagnose.Diagnose(w.Facts); d.Scenario != diagnose.Unreachable || d.Unread() != 1 {
		t.Errorf("asked in vain: %s, unread %d", d.Scenario, d.Unread())
	}
}
