package policy_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

const hour, day = time.Hour, 24 * time.Hour

var night = time.Date(2024, 3, 15, 21, 15, 3, 0, time.UTC)

// entry makes a whole backup.
func entry(id string, created time.Time, rev int64) catalog.Entry {
	return catalog.Entry{Manifest: catalog.Manifest{ID: id, Created: created, Revision: rev, Cluster: catalog.Cluster{ID: "1", KubeSystemUID: "u"}},
		Copies: []catalog.Copy{{Target: "disk", State: catalog.Whole}}}
}

func proven(e catalog.Entry, level int) catalog.Entry {
	e.Proofs = []catalog.Proof{{Backup: e.Manifest.ID, Level: level, Passed: true, When: e.Manifest.Created.Add(time.Minute)}}
	return e
}

// every makes n backups, one per step, the newest at end.
func every(n int, step time.Duration, end time.Time) []catalog.Entry {
	var all []catalog.Entry
	for i := range n {
		at := end.Add(-time.Duration(n-1-i) * step)
		all = append(all, entry(at.Format("20060102T1504"), at, int64(1000+i)))
	}
	return all
}

func text(d policy.Decision) string {
	var b strings.Builder
	for _, list := range []struct {
		what string
		all  []policy.Verdict
	}{{"keep", d.Keep}, {"drop", d.Drop}} {
		for _, v := range list.all {
			fmt.Fprintf(&b, "%s %s", list.what, v.Backup)
			for _, r := range v.Reasons {
				var args []string
				for k, a := range r.Args {
					args = append(args, k+"="+a)
				}
				sort.Strings(args)
				fmt.Fprintf(&b, " %s(%s)", r.Code, strings.Join(args, " "))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestKeepGolden shows decisions as a person reviews them.
func TestKeepGolden(t *testing.T) {
	halfHours := every(2*24*9, 30*time.Minute, night)
	halfHours[len(halfHours)-10] = proven(halfHours[len(halfHours)-10], 4)
	days := every(400, day, night)
	days[300] = proven(days[300], 4)
	days[390] = proven(days[390], 4)
	days[5].Holds = []catalog.Hold{{Who: "auditor", Why: "case 7"}}
	days[6].Copies[0].LockedUntil = night.Add(hour)
	future := every(3, hour, night.Add(2*hour))
	future[0] = proven(future[0], 4)
	years := every(80, 30*day, night)
	years[79] = proven(years[79], 4)
	for name, all := range map[string][]catalog.Entry{"half-hours": halfHours, "days": days, "future": future, "years": years, "none-proven": every(60, day, night)} {
		t.Run(name, func(t *testing.T) {
			got := text(policy.Keep(all, policy.Default(), night))
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestKeepNeverLosesWhatCounts draws vaults, policies and clocks at random.
func TestKeepNeverLosesWhatCounts(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	dropped := 0
	for range 3000 {
		var all []catalog.Entry
		for i := range rng.IntN(40) {
			e := entry(fmt.Sprintf("b%02d", i), night.Add(-time.Duration(rng.Int64N(int64(900*day)))), rng.Int64N(1e6))
			e.Manifest.Cluster.KubeSystemUID = []string{"u", "v"}[rng.IntN(2)]
			switch rng.IntN(6) {
			case 0:
				e = proven(e, rng.IntN(6))
			case 1:
				e.Holds = []catalog.Hold{{Who: "x"}}
			case 2:
				e.Copies[0].LockedUntil = night.Add(time.Duration(rng.Int64N(int64(60*day))) - 30*day)
			case 3:
				e.Copies[0].State = []catalog.CopyState{catalog.Damaged, catalog.Away, catalog.Partly}[rng.IntN(3)]
			}
			all = append(all, e)
		}
		p := policy.Policy{ProofLevel: 4}
		for range rng.IntN(3) {
			p.Tiers = append(p.Tiers, policy.Tier{Name: "t", For: time.Duration(rng.Int64N(int64(400 * day))), Every: time.Duration(rng.IntN(3)) * day})
		}
		now := night.Add(time.Duration(rng.Int64N(int64(10*day))) - 5*day)
		d := policy.Keep(all, p, now)
		dropped += len(d.Drop)
		if len(d.Keep)+len(d.Drop) != len(all) {
			t.Fatalf("%d kept and %d dropped of %d", len(d.Keep), len(d.Drop), len(all))
		}
		for _, v := range append(append([]policy.Verdict{}, d.Keep...), d.Drop...) {
			if v.Code == "" || len(v.Reasons) == 0 {
				t.Fatalf("%s has no reason", v.Backup)
			}
		}
		for _, v := range d.Drop {
			if why := mustStay(all, v.Backup, now); why != "" {
				t.Fatalf("%s was dropped: %s\n%s", v.Backup, why, text(d))
			}
		}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if diff := cmp.Diff(text(d), text(policy.Keep(all, p, now))); diff != "" {
			t.Fatalf("the order of asking counts:\n%s", diff)
		}
	}
	if dropped < 1000 {
		t.Errorf("only %d were dropped at all", dropped)
	}
}

// mustStay says, in another way than Keep does, why a backup may not go.
func mustStay(all []catalog.Entry, id string, now time.Time) string {
	var it catalog.Entry
	for _, e := range all {
		if e.Manifest.ID == id {
			it = e
		}
	}
	if len(it.Holds) > 0 {
		return "held"
	}
	if it.Copies[0].LockedUntil.After(now) {
		return "locked"
	}
	provenOlder, provenAny := false, false
	for _, e := range all {
		if e.Manifest.Cluster.KubeSystemUID != it.Manifest.Cluster.KubeSystemUID {
			continue
		}
		if len(e.Proofs) == 1 && e.Proofs[0].Level >= 4 && (e.Copies[0].State == catalog.Whole || e.Copies[0].State == catalog.Away) {
			provenAny = true
			if e.Manifest.Created.After(it.Manifest.Created) {
				provenOlder = true
			}
		}
	}
	switch {
	case !provenAny:
		return "nothing is proven"
	case !provenOlder:
		return "no newer one is proven"
	case it.Manifest.Created.After(now):
		return "made in the future"
	}
	return ""
}

// TestClockSetBack: an hour back, or forth, between two prunes loses nothing
// that either would have kept.
func TestClockSetBack(t *testing.T) {
	all := every(24*60, hour, night)
	all[len(all)-5] = proven(all[len(all)-5], 4)
	right := policy.Keep(all, policy.Default(), night)
	back := policy.Keep(all, policy.Default(), night.Add(-hour))
	if len(back.Drop) > len(right.Drop) {
		t.Errorf("a clock that is behind drops more: %d, %d", len(back.Drop), len(right.Drop))
	}
	// The next backup is made with the clock behind: it has an older time and a
	// higher revision than the proven one.
	late := entry("late", all[len(all)-5].Manifest.Created.Add(-30*time.Minute), 99999)
	d := policy.Keep(append(all, late), policy.Policy{ProofLevel: 4}, night)
	for _, v := range d.Drop {
		if v.Backup == "late" {
			t.Error("the newest by revision was dropped")
		}
	}
}

// TestThinningIsStable: pruning every hour for two years ends where asking once
// at the end does, and every month is there.
func TestThinningIsStable(t *testing.T) {
	var all []catalog.Entry
	begin := night.Add(-2 * 365 * day)
	for at := begin; at.Before(night); at = at.Add(6 * hour) {
		all = append(all, proven(entry(at.Format("20060102T1504"), at, at.Unix()), 4))
		d := policy.Keep(all, policy.Default(), at)
		kept := map[string]bool{}
		for _, v := range d.Keep {
			kept[v.Backup] = true
		}
		var left []catalog.Entry
		for _, e := range all {
			if kept[e.Manifest.ID] {
				left = append(left, e)
			}
		}
		all = left
	}
	// 28 of the last week, 23 days more, 23 or 24 months more.
	if len(all) < 70 || len(all) > 80 {
		t.Errorf("%d are left", len(all))
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Manifest.Created.Before(all[j].Manifest.Created) })
	for i := 1; i < len(all); i++ {
		if gap := all[i].Manifest.Created.Sub(all[i-1].Manifest.Created); gap > 31*day {
			t.Errorf("a gap of %s before %s", gap, all[i].Manifest.ID)
		}
	}
}

// TestTheSeedsCleanUp is the clean-up of the incident: by name, newest name
// first, all but 29 are removed. It removes the only full backups, because
// their names sort behind the half-hourly ones'. Keep is asked for the same
// vault, and whatever the line would remove and counts stays.
func TestTheSeedsCleanUp(t *testing.T) {
	var all []catalog.Entry
	for i := range 40 {
		at := night.Add(-time.Duration(40-i) * 30 * time.Minute)
		all = append(all, entry("incr-snapshot-"+at.Format("20060102-1504")+".db", at, int64(100+i)))
	}
	all = append(all, proven(entry("etcd-snapshot-20240315.db", night.Add(-17*hour), 106), 4),
		entry("etcd-snapshot-20240315-2.db", night.Add(-5*hour), 130))
	names := []string{}
	for _, e := range all {
		names = append(names, e.Manifest.ID)
	}
	sort.Sort(sort.Reverse(sort.StringSlice(names))) // sort -r
	line := names[29:]                               // tail -n +30
	removes := strings.Join(line, " ")
	if len(line) != 13 || !strings.Contains(removes, "etcd-snapshot-20240315.db") || !strings.Contains(removes, "etcd-snapshot-20240315-2.db") {
		t.Fatalf("the line removes %v", line)
	}
	// The tightest policy that the line can mean: 29 half hours, nothing more.
	p := policy.Policy{ProofLevel: 4, Tiers: []policy.Tier{{Name: "hot", For: 29 * 30 * time.Minute}}}
	d := policy.Keep(all, p, night)
	kept := map[string]policy.Code{}
	for _, v := range d.Keep {
		kept[v.Backup] = v.Code
	}
	if kept["etcd-snapshot-20240315.db"] != policy.KeepLastProven || kept["etcd-snapshot-20240315-2.db"] == "" {
		t.Errorf("kept: %v", kept)
	}
	for _, e := range all {
		if !e.Manifest.Created.Before(night.Add(-17*hour)) && kept[e.Manifest.ID] == "" {
			t.Errorf("%s is newer than the last proven and was dropped", e.Manifest.ID)
		}
	}
	if len(d.Drop) == 0 {
		t.Error("nothing was dropped: the test shows nothing")
	}
	all[40].Proofs = nil // and with nothing proven, nothing goes
	if d := policy.Keep(all, p, night); len(d.Drop) != 0 {
		t.Errorf("dropped with nothing proven: %v", d.Drop)
	}
}
