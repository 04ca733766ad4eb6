package diagnose

import (
	"fmt"
	"sort"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// snapshots gives one candidate for each snapshot file, the newest revision
// first.
func (v view) snapshots(highest cluster.Known[int64]) []Candidate {
	var out []Candidate
	for _, h := range v.facts.Hosts {
		for _, s := range h.Snapshots {
			out = append(out, v.snapshot(h, s, highest))
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if (a.Integrity == Unusable) != (b.Integrity == Unusable) {
			return a.Integrity != Unusable
		}
		if a.Revision.Value != b.Revision.Value {
			return a.Revision.Value > b.Revision.Value
		}
		return a.ID < b.ID
	})
	return out
}

func (v view) snapshot(h cluster.HostFacts, s cluster.SnapshotFacts, highest cluster.Known[int64]) Candidate {
	c := Candidate{ID: fmt.Sprintf("snapshot:%s:%s", h.Name, s.Path), Kind: FromSnapshot, Host: h.Name,
		Path: s.Path, SHA256: s.SHA256, At: s.Modified, Integrity: Sound}
	if unreadSnapshot(s) {
		return c.refuse(say.New("candidate.unread", s.DB.Why))
	}
	if !s.DB.OK {
		return c.refuse(say.New("candidate.no-snapshot", s.DB.Why))
	}
	c.Revision = cluster.Is(s.DB.Value.Revision)
	c.Loss = v.snapshotLoss(s, highest)
	switch {
	case s.Trailer == cluster.TrailerWrong:
		return c.refuse(say.New("candidate.digest-wrong"))
	case len(s.Damage) > 0:
		return c.refuse(say.New("candidate.damaged", s.Damage[0].What))
	case !v.ofThisCluster(s.DB.Value.Members):
		return c.refuse(say.New("candidate.other-cluster"))
	case s.Trailer == cluster.TrailerMissing:
		return c.refuse(say.New("candidate.no-trailer"))
	}
	return c
}

func (c Candidate) refuse(why say.Text) Candidate {
	c.Integrity, c.Why = Unusable, why
	return c
}

// ofThisCluster tells whether a snapshot's member list shares a name or a peer
// URL with the configured members. A snapshot without a list passes.
func (v view) ofThisCluster(list []cluster.MemberEntry) bool {
	if len(list) == 0 {
		return true
	}
	for _, e := range list {
		for _, m := range v.members {
			if e.Name == m.cfg.Name || cluster.SharesURL(e.PeerURLs, m.cfg.PeerURLs) {
				return true
			}
		}
	}
	return false
}

func (v view) snapshotLoss(s cluster.SnapshotFacts, highest cluster.Known[int64]) Loss {
	l := Loss{Since: s.Modified, Revisions: cluster.Unknown[int64]("%s", highest.Why),
		Objects: cluster.Unknown[int64]("no copy of the lost data is left to compare with")}
	if highest.OK {
		l.Revisions = cluster.Is(max(0, highest.Value-s.DB.Value.Revision))
	}
	for _, m := range v.members {
		for _, ch := range m.facts.Changes {
			if ch.Since == s.DB.Value.Revision && (!l.Objects.OK || ch.Changed+ch.Deleted > l.Objects.Value) {
				l.Objects, l.Sample = cluster.Is(ch.Changed+ch.Deleted), ch.Objects
			}
		}
	}
	if at := v.witnessed(); l.Revisions.OK && !at.IsZero() {
		doubt := say.New("candidate.witnessed", highest.Value, at.UTC().Format(time.RFC3339))
		l.Doubt = &doubt
	}
	return l
}
