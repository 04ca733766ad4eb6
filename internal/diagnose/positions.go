package diagnose

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// position is a place in raft's log; raft's own rule orders them.
type position struct{ term, index uint64 }

func (p position) less(o position) bool {
	return p.term < o.term || p.term == o.term && p.index < o.index
}

func (c Candidate) position() position { return position{c.LastTerm, c.LastIndex} }

// positionOf is the furthest point of a member's log or, where the damage of
// its log lies before what its db has applied, of both together.
func positionOf(m memberView) position {
	d := m.facts.Disk
	if !d.OK || !d.Value.Log.OK {
		if d.OK && usableDB(m) && d.Value.DB.OK {
			return position{d.Value.DB.Value.Term, d.Value.DB.Value.ConsistentIndex}
		}
		return position{}
	}
	log := d.Value.Log.Value
	p := position{log.LastTerm, log.LastIndex}
	if reach := (position{log.ReachTerm, log.ReachIndex}); usableDB(m) && p.less(reach) {
		p = reach
	}
	return p
}

func modified(m memberView) time.Time {
	if !m.facts.Disk.OK {
		return time.Time{}
	}
	return m.facts.Disk.Value.Modified
}

// revisionOf is the revision that a member's files lead to. Entries beyond the
// db can be transactions that changed nothing, so the sum is an upper bound.
func revisionOf(m memberView) cluster.Known[int64] {
	out := cluster.Unknown[int64]("the db cannot be read")
	if m.facts.Live.OK {
		out = cluster.Is(m.facts.Live.Value.Revision)
	}
	if d := m.facts.Disk; d.OK && d.Value.DB.OK {
		rev := d.Value.DB.Value.Revision
		if d.Value.Log.OK {
			rev += d.Value.Log.Value.RevisionsBeyondDB
		}
		out = cluster.Is(max(out.Value, rev))
	}
	return out
}

// usableDB tells a db that can be read from end to end. The db of a running
// member is locked; that it serves its own reads speaks for it.
func usableDB(m memberView) bool {
	d := m.facts.Disk
	if !d.OK || !d.Value.DB.OK && !m.facts.Live.OK {
		return false
	}
	return usableDamage(d.Value.Damage)
}

// usableDamage tells that no damage is the db's.
func usableDamage(all []cluster.Damage) bool {
	for _, dmg := range all {
		switch dmg.Kind {
		case cluster.DamageDB, cluster.DamageDBMissing, cluster.DamageDBTruncated:
			return false
		}
	}
	return true
}

func wholeLog(m memberView) bool {
	d := m.facts.Disk
	return d.OK && d.Value.Log.OK && d.Value.Log.Value.Whole && d.Value.Log.Value.LastIndex > 0
}
