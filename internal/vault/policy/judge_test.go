package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/target"
)

func places() []policy.Place {
	return []policy.Place{
		{Name: "disk", Properties: target.Properties{Media: "disk"}},
		{Name: "bucket", Properties: target.Properties{Media: "object", Offsite: true, Immutable: true}},
		{Name: "tape", Properties: target.Properties{Media: "tape", Offline: true, Absent: true, Offsite: true}},
	}
}

func on(e catalog.Entry, copies ...catalog.Copy) catalog.Entry {
	e.Copies = copies
	return e
}

func whole(t string) catalog.Copy { return catalog.Copy{Target: t, State: catalog.Whole} }

func notes(all []catalog.Note) string {
	var codes []string
	for _, n := range all {
		codes = append(codes, n.Code)
	}
	return strings.Join(codes, " ")
}

func TestJudge(t *testing.T) {
	disk, bucket, tape := whole("disk"), whole("bucket"), catalog.Copy{Target: "tape", State: catalog.Away, Medium: "A"}
	bucket.LockedUntil = night.Add(hour)
	at := func(age time.Duration, copies ...catalog.Copy) catalog.Entry {
		return on(proven(entry(age.String(), night.Add(-age), 1), 4), copies...)
	}
	unproven := func(e catalog.Entry) catalog.Entry { e.Proofs = nil; return e }
	failed := at(10*time.Minute, disk, bucket, tape)
	failed.Proofs[0].Passed = false
	down := places()
	down[0].Down = true
	strict := policy.ThreeTwoOne()
	strict.Immutable = 2
	for name, c := range map[string]struct {
		all                   []catalog.Entry
		places                []policy.Place
		o                     policy.Objectives
		lacks, newest, proven string
		ok                    bool
	}{
		"all is well":     {[]catalog.Entry{at(10*time.Minute, disk, bucket, tape)}, places(), policy.ThreeTwoOne(), "", "", "", true},
		"nothing there":   {nil, places(), policy.ThreeTwoOne(), "no-backup", "", "", false},
		"only damaged":    {[]catalog.Entry{at(0, catalog.Copy{Target: "disk", State: catalog.Damaged})}, places(), policy.ThreeTwoOne(), "no-backup", "", "", false},
		"one copy":        {[]catalog.Entry{at(0, disk)}, places(), policy.ThreeTwoOne(), "", "too-few-copies too-few-media too-few-offsite too-few-offline", "too-few-copies too-few-media too-few-offsite too-few-offline", false},
		"too old":         {[]catalog.Entry{at(3*time.Hour, disk, bucket, tape)}, places(), policy.ThreeTwoOne(), "newest-too-old", "", "", false},
		"never proven":    {[]catalog.Entry{unproven(at(0, disk, bucket, tape))}, places(), policy.ThreeTwoOne(), "no-proven-backup", "", "", false},
		"proven long ago": {[]catalog.Entry{unproven(at(0, disk, bucket, tape)), at(3*day, disk, bucket, tape)}, places(), policy.ThreeTwoOne(), "proven-too-old", "", "", false},
		"proof failed":    {[]catalog.Entry{failed, at(time.Hour, disk, bucket, tape)}, places(), policy.ThreeTwoOne(), "last-proof-failed", "", "", false},
		"tape was changed a week ago": {[]catalog.Entry{at(0, disk, bucket, whole("disk")), at(7*day, disk, bucket, tape)}, places(),
			policy.ThreeTwoOne(), "", "", "too-few-offline", false},
		"tape is overdue":   {[]catalog.Entry{at(0, disk, bucket), at(9*day, disk, bucket, tape)}, places(), policy.ThreeTwoOne(), "offline-too-old", "too-few-copies", "too-few-copies too-few-offline", false},
		"a target is down":  {[]catalog.Entry{at(0, disk, bucket, tape)}, down, policy.ThreeTwoOne(), "target-down", "", "", false},
		"not locked enough": {[]catalog.Entry{at(0, disk, bucket, tape)}, places(), strict, "", "too-few-immutable", "too-few-immutable", false},
		"from the future":   {[]catalog.Entry{at(-time.Hour, disk, bucket, tape)}, places(), policy.ThreeTwoOne(), "made-in-the-future", "", "", false},
		"unknown target":    {[]catalog.Entry{at(0, disk, bucket, whole("sold"))}, places(), policy.Objectives{Copies: 3, ProofLevel: 4}, "", "too-few-copies", "too-few-copies", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := policy.Judge(c.all, c.places, c.o, night)[0]
			if notes(s.Lacks) != c.lacks || notes(s.Newest.Missing) != c.newest || notes(s.Proven.Missing) != c.proven || s.OK != c.ok {
				t.Errorf("lacks %q, newest %q, proven %q, %v\nwant %q, %q, %q, %v",
					notes(s.Lacks), notes(s.Newest.Missing), notes(s.Proven.Missing), s.OK, c.lacks, c.newest, c.proven, c.ok)
			}
			if s.Newest.Age < 0 {
				t.Errorf("age %s", s.Newest.Age)
			}
		})
	}
}

// TestJudgeClustersApart: one vault may hold several.
func TestJudgeClustersApart(t *testing.T) {
	a, b := entry("a", night, 1), entry("b", night.Add(-hour), 1)
	b.Manifest.Cluster = catalog.Cluster{ID: "other"}
	all := policy.Judge([]catalog.Entry{b, a}, places(), policy.ThreeTwoOne(), night)
	if len(all) != 2 || all[0].Newest.Backup != "a" || all[1].Newest.Backup != "b" {
		t.Errorf("got %+v", all)
	}
}
