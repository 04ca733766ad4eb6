package diagnose

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// highest is the highest revision that anything is known to have seen. A
// snapshot alone does not tell: it cannot know what came after it.
func (v view) highest() cluster.Known[int64] {
	out := cluster.Unknown[int64]("neither a member, nor a log, nor a witness tells")
	note := func(r int64) {
		if !out.OK || r > out.Value {
			out = cluster.Is(r)
		}
	}
	for _, m := range v.members {
		if r := revisionOf(m); v.sameLineage(m) && r.OK {
			note(r.Value)
		}
	}
	witnesses, snapshots := v.testimonies()
	for _, r := range witnesses {
		note(r)
	}
	if out.OK {
		for _, r := range snapshots {
			note(r)
		}
	}
	return out
}

// maxLead is how far a witness may be ahead of everything else before it is
// disbelieved: a few rebuilds, each of which moves a thousand million ahead.
const maxLead = 10_000_000_000

// testimonies gives the revisions that witnesses and snapshots of this cluster have
// seen, without what is not believable.
func (v view) testimonies() (witnesses, snapshots []int64) {
	base := int64(0)
	for _, h := range v.facts.Hosts {
		for _, s := range h.Snapshots {
			if s.DB.OK && len(s.Damage) == 0 && s.Trailer == cluster.TrailerGood && v.ofThisCluster(s.DB.Value.Members) {
				snapshots = append(snapshots, s.DB.Value.Revision)
				base = max(base, s.DB.Value.Revision)
			}
		}
	}
	for _, m := range v.members {
		base = max(base, revisionOf(m).Value)
	}
	for _, h := range v.facts.Hosts {
		for _, w := range h.Witnesses {
			if w.Revision.OK && w.Revision.Value <= base+maxLead {
				witnesses = append(witnesses, w.Revision.Value)
			}
		}
	}
	return witnesses, snapshots
}

// seen is the highest revision that certainly existed: unlike highest it
// counts nothing that a log might merely contain.
func (v view) seen() cluster.Known[int64] {
	out := cluster.Unknown[int64]("neither a member, nor a db, nor a witness tells")
	note := func(r int64) {
		if !out.OK || r > out.Value {
			out = cluster.Is(r)
		}
	}
	for _, m := range v.members {
		switch {
		case !v.sameLineage(m):
		case m.facts.Live.OK:
			note(m.facts.Live.Value.Revision)
		case m.facts.Disk.OK && m.facts.Disk.Value.DB.OK:
			note(m.facts.Disk.Value.DB.Value.Revision)
		}
	}
	witnesses, snapshots := v.testimonies()
	for _, r := range append(witnesses, snapshots...) {
		note(r)
	}
	return out
}

// witnessed is the newest moment at which a witness noted the highest
// revision.
func (v view) witnessed() time.Time {
	var at time.Time
	for _, h := range v.facts.Hosts {
		for _, w := range h.Witnesses {
			if w.Revision.OK && w.At.After(at) {
				at = w.At
			}
		}
	}
	return at
}
