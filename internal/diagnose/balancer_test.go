package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestOneBalancerIsToldOnce: whichever machines meet an unready API server behind
// a load balancer, it is one fault, and all of them are its evidence.
func TestOneBalancerIsToldOnce(t *testing.T) {
	w := stories.Control()
	for _, n := range []string{"m1", "m2", "m3"} {
		w.Balancer(n).Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: []string{"etcd"}})
	}
	told := 0
	for _, f := range diagnose.Diagnose(w.Facts).Findings {
		if f.Code == diagnose.BalancerUnready {
			if told++; len(f.Evidence) != 3 {
				t.Errorf("evidence %q", f.Evidence)
			}
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
