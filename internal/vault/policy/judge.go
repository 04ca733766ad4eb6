package policy

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Objectives are what salvor.yaml asks of a vault. A zero asks nothing.
type Objectives struct {
	Copies     int           `json:"copies"`
	Media      int           `json:"media"`
	Offsite    int           `json:"offsite"`
	Offline    int           `json:"offline"`
	Immutable  int           `json:"immutable"`
	RPO        time.Duration `json:"rpo"`         // age of the newest backup
	ProofAge   time.Duration `json:"proof_age"`   // age of the newest proven backup
	OfflineAge time.Duration `json:"offline_age"` // age of the newest backup with an offline copy
	ProofLevel int           `json:"proof_level"`
}

// ThreeTwoOne is the rule: three copies on two media, one offline; and one
// offsite, as the rule is usually read today.
func ThreeTwoOne() Objectives {
	return Objectives{Copies: 3, Media: 2, Offsite: 1, Offline: 1, RPO: time.Hour, ProofAge: 2 * day, OfflineAge: 8 * day, ProofLevel: 4}
}

// Place is a target as far as judging needs it.
type Place struct {
	Name       string
	Properties target.Properties
	Down       bool // it does not answer, and is not one that is mostly absent
}

// Standing is how one backup stands.
type Standing struct {
	Backup    string         `json:"backup,omitempty"` // empty: there is none
	Created   time.Time      `json:"created,omitzero"`
	Age       time.Duration  `json:"age_ns"` // never negative
	Copies    []string       `json:"copies"` // whole ones, "target" or "target/medium"
	Media     []string       `json:"media"`
	Offsite   int            `json:"offsite"`
	Offline   int            `json:"offline"`
	Immutable int            `json:"immutable"` // under a lock now
	Missing   []catalog.Note `json:"missing"`   // against the objectives
}

// Status is how a cluster's backups stand.
type Status struct {
	Cluster     catalog.Cluster `json:"cluster"`
	Newest      Standing        `json:"newest"`
	Proven      Standing        `json:"proven"`       // the newest proven one
	LastOffline Standing        `json:"last_offline"` // the newest with an offline copy
	Lacks       []catalog.Note  `json:"lacks"`        // of the vault as a whole
	OK          bool            `json:"ok"`
}

// What can be missing. Args: have, want; age, limit; target.
const (
	LackBackup     Code = "no-backup"
	LackProven     Code = "no-proven-backup"
	LackCopies     Code = "too-few-copies"
	LackMedia      Code = "too-few-media"
	LackOffsite    Code = "too-few-offsite"
	LackOffline    Code = "too-few-offline"
	LackImmutable  Code = "too-few-immutable"
	LackFresh      Code = "newest-too-old"
	LackProofFresh Code = "proven-too-old"
	LackOfflineAge Code = "offline-too-old"
	LackTarget     Code = "target-down"
	LackClock      Code = "made-in-the-future"
	LackProof      Code = "last-proof-failed"
)

// Judge holds the backups of each cluster against the objectives, the cluster
// with the newest backup first. Without any backup it gives one status that
// says so.
func Judge(all []catalog.Entry, places []Place, o Objectives, now time.Time) []Status {
	sorted := append([]catalog.Entry(nil), all...)
	sort.SliceStable(sorted, func(i, j int) bool { return catalog.Newer(sorted[i].Manifest, sorted[j].Manifest) })
	clusters := map[string][]catalog.Entry{}
	var order []string
	for _, e := range sorted {
		k := e.Manifest.Cluster.Key()
		if clusters[k] == nil {
			order = append(order, k)
		}
		clusters[k] = append(clusters[k], e)
	}
	if len(order) == 0 {
		order = []string{""}
	}
	var result []Status
	for _, k := range order {
		result = append(result, judge(clusters[k], places, o, now))
	}
	return result
}

func judge(entries []catalog.Entry, places []Place, o Objectives, now time.Time) Status {
	var s Status
	s.Newest, s.Proven, s.LastOffline = empty(), empty(), empty()
	for _, p := range places {
		if p.Down {
			s.Lacks = append(s.Lacks, note(LackTarget, "target", p.Name))
		}
	}
	newest, ok := first(entries, catalog.Entry.Recoverable)
	if !ok {
		s.Lacks = append(s.Lacks, note(LackBackup))
		return s
	}
	s.Cluster = newest.Manifest.Cluster
	s.Newest = stand(newest, places, o, now)
	s.age(o.RPO, s.Newest, LackFresh)
	if newest.Manifest.Created.After(now) {
		s.Lacks = append(s.Lacks, note(LackClock, "backup", newest.Manifest.ID))
	}
	if last, failed := lastFailed(newest); failed {
		s.Lacks = append(s.Lacks, note(LackProof, "backup", newest.Manifest.ID, "when", last.When.UTC().Format(time.RFC3339)))
	}
	if proven, _, ok := lastProven(entries, o.ProofLevel); ok {
		s.Proven = stand(proven, places, o, now)
		s.age(o.ProofAge, s.Proven, LackProofFresh)
	} else {
		s.Lacks = append(s.Lacks, note(LackProven))
	}
	offline, ok := first(entries, func(e catalog.Entry) bool { return stand(e, places, o, now).Offline > 0 })
	if ok {
		s.LastOffline = stand(offline, places, o, now)
		s.age(o.OfflineAge, s.LastOffline, LackOfflineAge)
	}
	// An offline copy comes late by its nature: its age is judged above, and the
	// newest backup is not blamed for waiting, if there is one at all.
	if ok && o.OfflineAge > 0 {
		s.Newest.Missing = without(s.Newest.Missing, LackOffline)
	}
	s.OK = len(s.Lacks)+len(s.Newest.Missing)+len(s.Proven.Missing) == 0
	return s
}

func empty() Standing {
	return Standing{Copies: []string{}, Media: []string{}, Missing: []catalog.Note{}}
}

func (s *Status) age(limit time.Duration, of Standing, code Code) {
	if limit > 0 && of.Age > limit {
		s.Lacks = append(s.Lacks, note(code, "backup", of.Backup, "age", of.Age.Round(time.Second).String(), "limit", limit.String()))
	}
}

func first(entries []catalog.Entry, is func(catalog.Entry) bool) (catalog.Entry, bool) {
	for _, e := range entries {
		if is(e) {
			return e, true
		}
	}
	return catalog.Entry{}, false
}

func lastFailed(e catalog.Entry) (catalog.Proof, bool) {
	if len(e.Proofs) == 0 {
		return catalog.Proof{}, false
	}
	last := e.Proofs[0]
	for _, p := range e.Proofs {
		if p.When.After(last.When) {
			last = p
		}
	}
	return last, !last.Passed
}

func without(all []catalog.Note, code Code) []catalog.Note {
	kept := []catalog.Note{}
	for _, n := range all {
		if n.Code != string(code) {
			kept = append(kept, n)
		}
	}
	return kept
}

// stand counts a backup's whole copies. Two media of one target, two tapes,
// are two copies.
func stand(e catalog.Entry, places []Place, o Objectives, now time.Time) Standing {
	s := empty()
	s.Backup, s.Created, s.Age = e.Manifest.ID, e.Manifest.Created, max(0, now.Sub(e.Manifest.Created))
	props := map[string]target.Properties{}
	for _, p := range places {
		props[p.Name] = p.Properties
	}
	media := map[string]bool{}
	for _, c := range e.Copies {
		p, known := props[c.Target]
		if !known || (c.State != catalog.Whole && c.State != catalog.Away) {
			continue
		}
		s.Copies = append(s.Copies, strings.TrimSuffix(c.Target+"/"+c.Medium, "/"))
		media[p.Media] = true
		s.Offsite += count(p.Offsite)
		s.Offline += count(p.Offline)
		s.Immutable += count(p.Immutable && c.LockedUntil.After(now))
	}
	for m := range media {
		s.Media = append(s.Media, m)
	}
	sort.Strings(s.Copies)
	sort.Strings(s.Media)
	lack := func(code Code, have, want int) {
		if have < want {
			s.Missing = append(s.Missing, note(code, "have", strconv.Itoa(have), "want", strconv.Itoa(want)))
		}
	}
	lack(LackCopies, len(s.Copies), o.Copies)
	lack(LackMedia, len(s.Media), o.Media)
	lack(LackOffsite, s.Offsite, o.Offsite)
	lack(LackOffline, s.Offline, o.Offline)
	lack(LackImmutable, s.Immutable, o.Immutable)
	return s
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
