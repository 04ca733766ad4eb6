package diagnose_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestAlarmOnADiskWithoutRoom: where the disk is full, too, the way out of the alarm
// is no defragmentation, which writes a second db.
func TestAlarmOnADiskWithoutRoom(t *testing.T) {
	for _, full := range []bool{false, true} {
		w := stories.Control()
		for _, n := range []string{"m1", "m2", "m3"} {
			w.M(n).Live.Value.Alarms = cluster.Is([]cluster.Alarm{{MemberID: 1, Type: "NOSPACE"}})
		}
		if full {
			w.M("m2").Space.Value.TotalBytes, w.M("m2").Space.Value.FreeBytes = 8<<30, 4096
		}
		d := diagnose.Diagnose(w.Facts)
		if allows(d, diagnose.ActFreeSpace) != full || allows(d, diagnose.ActCompact) == full {
			t.Errorf("full %t: %s, %v", full, d.Scenario, d.Allowed)
		}
	}
}

// TestNoQuotaIsNeverNear: an etcd whose quota is switched off has none.
func TestNoQuotaIsNeverNear(t *testing.T) {
	for _, quota := range []int64{-1, 2 << 30} {
		w := stories.Control()
		for _, n := range []string{"m1", "m2", "m3"} {
			w.M(n).Live.Value.DBQuota, w.M(n).Live.Value.DBSize, w.M(n).Live.Value.DBInUse = quota, 19<<27, 19<<27
		}
		d := diagnose.Diagnose(w.Facts)
		if has(d.Findings, diagnose.NearQuota) != (quota > 0) {
			t.Errorf("quota %d: %v", quota, codesOf(d))
		}
	}
}

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
