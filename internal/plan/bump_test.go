package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestBumpFollowsWhatWasSeen: a rebuilt cluster is ahead of every revision that
// anybody saw, also where the source is far behind; what counts are revisions,
// never entries of the log.
func TestBumpFollowsWhatWasSeen(t *testing.T) {
	for _, c := range []struct {
		seen, index int64
	}{{0, 0}, {0, 5_000_000_000}, {plan.DefaultBump * 3, 0}} {
		w := stories.All()["all-lost"].World
		source := int64(0)
		for i := range w.Facts.Hosts {
			h := &w.Facts.Hosts[i]
			for j := range h.Snapshots {
				source = max(source, h.Snapshots[j].DB.Value.Revision)
				h.Snapshots[j].DB.Value.ConsistentIndex += uint64(c.index)
			}
			if c.seen > 0 {
				h.Witnesses = append(h.Witnesses, cluster.WitnessFacts{Revision: cluster.Is(c.seen), At: w.Facts.At})
			}
		}
		d := diagnose.Diagnose(w.Facts)
		p, err := plan.Build(w.Facts, d, choices())
		if err != nil {
			t.Fatal(err)
		}
		want := int64(plan.DefaultBump)
		if c.seen > 0 {
			want += c.seen - p.Source.Revision.Value
		}
		builds := 0
		for _, s := range p.Steps {
			b, ok := s.Action.(plan.BuildMember)
			if !ok {
				continue
			}
			builds++
			if b.Bump != want || source+b.Bump <= max(c.seen, source) || b.Token == "" {
				t.Errorf("seen %d, index %d: %s is bumped by %d, want %d", c.seen, c.index, b.Member, b.Bump, want)
			}
		}
		if builds == 0 || p.Expect.MinRevision < c.seen {
			t.Errorf("seen %d: %d builds, at least revision %d is expected", c.seen, builds, p.Expect.MinRevision)
		}
	}
}

// TestQuotaIsLookedAt: data that may not fit a member's quota is told before,
// not by the alarm after.
func TestQuotaIsLookedAt(t *testing.T) {
	for _, c := range []struct {
		size  int64
		flag  string
		warns bool
	}{
		{100 << 20, "", false}, {3 << 30, "", true}, {3 << 30, "--quota-backend-bytes=8589934592", false},
		{9 << 30, "--quota-backend-bytes=8589934592", true}, {3 << 30, "--quota-backend-bytes=0", true}, {90 << 30, "--quota-backend-bytes=-1", false},
	} {
		w := stories.All()["majority-lost"].World
		for _, m := range []string{"m1", "m2", "m3"} {
			if d := &w.M(m).Disk; d.OK && d.Value.DB.OK {
				d.Value.DB.Value.InUse = c.size
			}
		}
		for i := range w.Facts.Config.Members {
			w.Facts.Config.Members[i].Run = cluster.Supervisor{Process: &cluster.Process{Command: []string{"/usr/bin/etcd", "--name=x", c.flag}}}
		}
		p, err := plan.Build(w.Facts, diagnose.Diagnose(w.Facts), choices())
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(fmt.Sprint(p.Warnings), "may not fit the quota of m1"); warned != c.warns {
			t.Errorf("%d MiB, %s: %v", c.size>>20, c.flag, p.Warnings)
		}
	}
}
