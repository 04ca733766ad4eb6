package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestFullUnderAMemberThatServes: etcd goes on for a while on a disk without
// room, since it has allocated its log before. That is said while it lasts.
func TestFullUnderAMemberThatServes(t *testing.T) {
	for _, c := range []struct {
		name string
		free uint64
		dead bool
		want diagnose.Code
	}{
		{"nothing is left, and it serves", 4096, false, diagnose.DiskFull},
		{"too little to start, and it serves", 40 << 20, false, diagnose.DiskFilling},
		{"too little to start", 40 << 20, true, diagnose.DiskFull},
		{"enough to start, and it serves", 1 << 30, false, diagnose.DiskFilling},
	} {
		w := stories.Control()
		w.M("m2").Space.Value.TotalBytes, w.M("m2").Space.Value.FreeBytes = 100<<30, c.free
		if c.dead {
			w.Dead("m2")
		}
		d := diagnose.Diagnose(w.Facts)
		for _, code := range []diagnose.Code{diagnose.DiskFull, diagnose.DiskFilling} {
			if _, told := find(d, code); told != (code == c.want) {
				t.Errorf("%s: %s told: %v", c.name, code, told)
			}
		}
		if allows(d, diagnose.ActFreeSpace) != (c.want == diagnose.DiskFull) || allows(d, diagnose.ActRestore) {
			t.Errorf("%s: %s, %v", c.name, d.Scenario, d.Allowed)
		}
	}
}
