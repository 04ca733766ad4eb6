package diagnose

import (
	"sort"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// remains gives what nothing but a search through pages, or a db without its
// log, can still yield: where no survivor is usable. Such a candidate proves
// nothing of what is missing; it is never chosen, only named by the operator.
func (v view) remains() []Candidate {
	if v.alive || len(v.sound()) >= v.quorum || len(v.usable()) > 0 {
		return nil
	}
	var out []Candidate
	for _, m := range v.members {
		if v.mayBeOurs(m) && hasDB(m) {
			out = append(out, remainsOf(m))
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Scattered != b.Scattered {
			return b.Scattered
		}
		if a.position() != b.position() {
			return b.position().less(a.position())
		}
		return a.Revision.Value > b.Revision.Value
	})
	return out
}

// mayBeOurs tells that nothing speaks against a member's files being this
// cluster's: they show its identity, or none (the log, which has it, is gone)
// and no other members than the configured ones.
func (v view) mayBeOurs(m memberView) bool {
	d := m.facts.Disk
	if !d.OK || d.Value.State != cluster.DirData || v.foreign(m) || m.facts.Live.OK {
		return false
	}
	if _, shown := identity(m); shown {
		return true
	}
	return !d.Value.DB.OK || v.ofThisCluster(d.Value.DB.Value.Members)
}

// hasDB tells whether there is a db file, in whatever state.
func hasDB(m memberView) bool {
	for _, d := range m.facts.Disk.Value.Damage {
		if d.Kind == cluster.DamageDBMissing {
			return false
		}
	}
	return true
}

func remainsOf(m memberView) Candidate {
	d := m.facts.Disk.Value
	c := Candidate{ID: "remains:" + m.cfg.Name, Kind: FromRemains, Host: m.cfg.Host, Member: m.cfg.Name, Path: m.cfg.DataDir,
		At: modified(m), Revision: cluster.Unknown[int64]("the db is broken: what is left of it shows when its pages are searched"),
		Integrity: Partial, DB: m.cfg.Name, Scattered: !usableDB(m),
		Loss: Loss{Revisions: cluster.Unknown[int64]("what is missing shows only when the db is read"), Objects: cluster.Unknown[int64]("not known before")}}
	if d.Log.OK && c.Scattered {
		c.Log = m.cfg.Name // goes on from there, where it can
	}
	why := "candidate.remains-whole"
	if c.Scattered {
		why = "candidate.remains"
	}
	if d.DB.OK {
		c.LastTerm, c.LastIndex = d.DB.Value.Term, d.DB.Value.ConsistentIndex
		if !c.Scattered {
			c.Revision = cluster.Is(d.DB.Value.Revision)
		}
	}
	doubt := say.New(why+"-doubt", m.cfg.Name)
	c.Loss.Doubt = &doubt
	c.Why = say.New(why, c.ID)
	return c
}

// Remains gives the first candidate that is only there for whoever names it.
func (d Diagnosis) Remains() (Candidate, bool) {
	for _, c := range d.Candidates {
		if c.Kind == FromRemains {
			return c, true
		}
	}
	return Candidate{}, false
}
