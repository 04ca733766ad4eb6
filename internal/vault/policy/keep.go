// Package policy decides about backups and does nothing: what to keep, and
// whether what is there is enough. The same entries and the same time give the
// same answer.
package policy

import (
	"sort"
	"strconv"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// Tier keeps one backup per period, up to an age.
type Tier struct {
	Name  string        `json:"name"`
	For   time.Duration `json:"for"`   // how old a backup may get in it
	Every time.Duration `json:"every"` // one per that period, of UTC; zero: every one
}

// Policy is how long backups are kept.
type Policy struct {
	Tiers      []Tier `json:"tiers"`
	ProofLevel int    `json:"proof_level"` // from which on a proof counts
}

const day = 24 * time.Hour

// Default is hot for 7 days, cold for 30 days, archive for 5 years.
func Default() Policy {
	return Policy{ProofLevel: 4, Tiers: []Tier{
		{Name: "hot", For: 7 * day}, {Name: "cold", For: 30 * day, Every: day},
		{Name: "archive", For: 5 * 365 * day, Every: 30 * day},
	}}
}

// Code is a reason.
type Code string

// The reasons to keep, and the ones to drop.
const (
	KeepHeld       Code = "held"
	KeepLocked     Code = "locked"
	KeepLastProven Code = "last-proven"
	KeepUnproven   Code = "newer-than-last-proven"
	KeepNoProven   Code = "none-is-proven"
	KeepFuture     Code = "made-in-the-future" // a clock was wrong
	KeepTier       Code = "tier"
	KeepLone       Code = "no-other-is-whole"

	DropOld     Code = "older-than-every-tier"
	DropThinned Code = "another-of-its-period-is-kept"
)

// Verdict is what becomes of one backup, with all reasons; Code is the first.
type Verdict struct {
	Backup  string         `json:"backup"`
	Code    Code           `json:"code"`
	Reasons []catalog.Note `json:"reasons"`
}

// Decision holds every backup exactly once.
type Decision struct {
	Keep []Verdict `json:"keep"`
	Drop []Verdict `json:"drop"`
}

// Keep decides for all backups of a vault, of each cluster by itself. Whatever
// the policy says, it keeps what is held or locked, the last proven backup
// that is recoverable, and all that is newer than it by time or by revision;
// without a proven one, everything.
func Keep(all []catalog.Entry, p Policy, now time.Time) Decision {
	sorted := append([]catalog.Entry(nil), all...)
	sort.SliceStable(sorted, func(i, j int) bool { return catalog.Newer(sorted[i].Manifest, sorted[j].Manifest) })
	clusters := map[string][]catalog.Entry{}
	for _, e := range sorted {
		k := e.Manifest.Cluster.Key()
		clusters[k] = append(clusters[k], e)
	}
	reasons := map[string][]catalog.Note{}
	for _, entries := range clusters {
		guard(entries, p, now, reasons)
		tiers(entries, p, now, reasons)
	}
	d := Decision{Keep: []Verdict{}, Drop: []Verdict{}}
	for _, e := range sorted {
		v := Verdict{Backup: e.Manifest.ID, Reasons: reasons[e.Manifest.ID]}
		if len(v.Reasons) > 0 {
			v.Code = Code(v.Reasons[0].Code)
			d.Keep = append(d.Keep, v)
			continue
		}
		v.Reasons = []catalog.Note{dropReason(e, p, now)}
		v.Code = Code(v.Reasons[0].Code)
		d.Drop = append(d.Drop, v)
	}
	return d
}

func note(code Code, args ...string) catalog.Note {
	n := catalog.Note{Code: string(code)}
	for i := 0; i+1 < len(args); i += 2 {
		if n.Args == nil {
			n.Args = map[string]string{}
		}
		n.Args[args[i]] = args[i+1]
	}
	return n
}

// lastProven finds the newest backup that is proven and whole somewhere.
func lastProven(entries []catalog.Entry, level int) (catalog.Entry, catalog.Proof, bool) {
	for _, e := range entries { // newest first
		if p, ok := e.Proven(level); ok && e.Recoverable() {
			return e, p, true
		}
	}
	return catalog.Entry{}, catalog.Proof{}, false
}

// guard gives the reasons that no policy can overrule.
func guard(entries []catalog.Entry, p Policy, now time.Time, reasons map[string][]catalog.Note) {
	proven, proof, any := lastProven(entries, p.ProofLevel)
	for _, e := range entries {
		m := e.Manifest
		add := func(n catalog.Note) { reasons[m.ID] = append(reasons[m.ID], n) }
		if len(e.Holds) > 0 {
			add(note(KeepHeld, "who", e.Holds[0].Who, "why", e.Holds[0].Why))
		}
		if until := e.LockedUntil(); until.After(now) {
			add(note(KeepLocked, "until", until.UTC().Format(time.RFC3339)))
		}
		switch {
		case !any:
			add(note(KeepNoProven))
		case m.ID == proven.Manifest.ID:
			add(note(KeepLastProven, "when", proof.When.UTC().Format(time.RFC3339), "level", strconv.Itoa(proof.Level)))
		case !m.Created.Before(proven.Manifest.Created), m.Revision > proven.Manifest.Revision && sameHistory(m, proven.Manifest):
			add(note(KeepUnproven, "proven", proven.Manifest.ID))
		}
		if m.Created.After(now) {
			add(note(KeepFuture))
		}
	}
	keepLone(entries, reasons)
}

// sameHistory says whether two revisions can be compared: of one etcd cluster.
func sameHistory(a, b catalog.Manifest) bool { return a.Cluster.ID == b.Cluster.ID }

// keepLone keeps the newest whole backup if nothing else that is kept is whole.
func keepLone(entries []catalog.Entry, reasons map[string][]catalog.Note) {
	for _, e := range entries {
		if e.Recoverable() && len(reasons[e.Manifest.ID]) > 0 {
			return
		}
	}
	for _, e := range entries {
		if e.Recoverable() {
			reasons[e.Manifest.ID] = append(reasons[e.Manifest.ID], note(KeepLone))
			return
		}
	}
}

// tiers gives the policy's own reasons. Which of a period is kept does not
// depend on the time of asking: a proven one before one that is not, then a
// whole one, then the newest.
func tiers(entries []catalog.Entry, p Policy, now time.Time, reasons map[string][]catalog.Note) {
	for _, tier := range p.Tiers {
		best := map[int64]catalog.Entry{}
		for _, e := range entries {
			if tier.Every == 0 {
				if within(e, tier, now) {
					reasons[e.Manifest.ID] = append(reasons[e.Manifest.ID], note(KeepTier, "tier", tier.Name))
				}
				continue
			}
			period := e.Manifest.Created.UnixNano() / int64(tier.Every)
			if old, ok := best[period]; !ok || rank(e, p) > rank(old, p) {
				best[period] = e // entries come newest first
			}
		}
		for _, e := range best {
			if within(e, tier, now) {
				reasons[e.Manifest.ID] = append(reasons[e.Manifest.ID], note(KeepTier, "tier", tier.Name))
			}
		}
	}
}

func within(e catalog.Entry, t Tier, now time.Time) bool {
	return now.Sub(e.Manifest.Created) <= t.For
}

func rank(e catalog.Entry, p Policy) int {
	n := 0
	if _, ok := e.Proven(p.ProofLevel); ok {
		n += 1
	}
	if e.Recoverable() {
		n += 2
	}
	return n
}

func dropReason(e catalog.Entry, p Policy, now time.Time) catalog.Note {
	for _, t := range p.Tiers {
		if within(e, t, now) {
			return note(DropThinned, "tier", t.Name, "every", t.Every.String())
		}
	}
	return note(DropOld, "age", now.Sub(e.Manifest.Created).Round(time.Second).String())
}
