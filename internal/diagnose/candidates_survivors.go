package diagnose

import (
	"sort"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// survivors gives one candidate for each member of the lineage with files,
// the most advanced first.
func (v view) survivors() []Candidate {
	var out []Candidate
	whole := 0
	for _, m := range v.members {
		if v.sameLineage(m) && v.votes(m) && wholeLog(m) {
			whole++
		}
	}
	for _, m := range v.members {
		if v.sameLineage(m) && m.facts.Disk.OK && m.facts.Disk.Value.State == cluster.DirData {
			out = append(out, v.survivor(m, whole))
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].betterThan(out[j]) })
	for i := range out {
		v.weigh(&out[i], i > 0)
	}
	return out
}

// weigh holds a survivor against the highest revision that anything outside
// its own files has seen.
func (v view) weigh(c *Candidate, lesser bool) {
	if lesser {
		c.Loss.Objects, c.Loss.Proven = cluster.Unknown[int64]("not compared"), false
	}
	if !c.Revision.OK {
		return
	}
	if high := v.highest(); high.OK && high.Value > c.Revision.Value {
		c.Loss.Revisions, c.Loss.Proven = cluster.Is(high.Value-c.Revision.Value), false
		c.Loss.Objects = cluster.Unknown[int64]("no copy of the lost data is left to compare with")
		return
	}
	if !lesser && !c.Loss.Proven && v.testified(*c) {
		c.Loss.Proven, c.Loss.Doubt = true, nil
	}
}

// testimony is how much older than a survivor's last write a witness's note
// may be and still speak for the moment of the failure.
const testimony = time.Minute

// testified tells whether a witness that looked until the end has seen nothing
// that the survivor lacks.
func (v view) testified(c Candidate) bool {
	for _, h := range v.facts.Hosts {
		for _, w := range h.Witnesses {
			if w.Revision.OK && w.Revision.Value <= c.Revision.Value && w.At.Add(testimony).After(c.At) {
				return true
			}
		}
	}
	return false
}

func (c Candidate) betterThan(o Candidate) bool {
	if (c.Integrity == Unusable) != (o.Integrity == Unusable) {
		return c.Integrity != Unusable
	}
	if c.position() != o.position() {
		return o.position().less(c.position())
	}
	if c.Integrity != o.Integrity {
		return c.Integrity == Sound
	}
	return c.Member < o.Member
}

func (v view) survivor(m memberView, whole int) Candidate {
	p := positionOf(m)
	c := Candidate{ID: "survivor:" + m.cfg.Name, Kind: FromSurvivor, Host: m.cfg.Host, Member: m.cfg.Name,
		Path: m.cfg.DataDir, LastTerm: p.term, LastIndex: p.index, At: modified(m),
		Revision: revisionOf(m), Log: m.cfg.Name, Integrity: Sound,
		Loss: Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: whole+v.quorum > v.voters}}
	if !c.Loss.Proven {
		doubt := say.New("candidate.unproven", whole, v.voters)
		if v.voters == 1 {
			doubt = say.New("candidate.unproven-single")
		}
		c.Loss.Doubt = &doubt
	}
	db, ok := v.dbFor(m)
	switch {
	case !ok:
		c.Integrity = Unusable
		c.Why = say.New("candidate.no-db", m.cfg.Name)
		return c
	case db.cfg.Name != m.cfg.Name || !wholeLog(m):
		c.Integrity = Partial
	}
	c.DB = db.cfg.Name
	if !c.Revision.OK && db.facts.Disk.Value.Log.OK {
		c.Revision = cluster.Is(revisionAt(db, c.LastIndex))
	}
	return c
}

// revisionAt estimates the revision of a db once the log has been replayed to
// an index beyond its own.
func revisionAt(db memberView, index uint64) int64 {
	r := revisionOf(db).Value
	if last := db.facts.Disk.Value.Log.Value.LastIndex; index > last {
		r += int64(index - last)
	}
	return r
}

// dbFor finds the db on which m's log can be replayed: its own, or another
// member's, since the entries are the same on all. It must reach up to where
// the log begins.
func (v view) dbFor(m memberView) (memberView, bool) {
	if usableDB(m) && !behindItsLog(m) {
		return m, true
	}
	if !m.facts.Disk.Value.Log.OK {
		return memberView{}, false
	}
	log := m.facts.Disk.Value.Log.Value
	var best memberView
	found := false
	for _, o := range v.members {
		if !v.sameLineage(o) || !usableDB(o) || !o.facts.Disk.Value.DB.OK || o.facts.Disk.Value.Received != "" {
			continue // a db that was sent counts beside its own log alone
		}
		ci := o.facts.Disk.Value.DB.Value.ConsistentIndex
		if before(ci, log) || ci > log.LastIndex {
			continue
		}
		if !found || ci > best.facts.Disk.Value.DB.Value.ConsistentIndex {
			best, found = o, true
		}
	}
	return best, found
}

// behindItsLog tells that the log of a member goes on only behind what its own db
// has applied: a leader's snapshot stands between them.
func behindItsLog(m memberView) bool {
	d := m.facts.Disk.Value
	return d.DB.OK && d.Log.OK && before(d.DB.Value.ConsistentIndex, d.Log.Value)
}

// before tells whether entries are missing between an applied index and a log. One
// without entries ends with the snapshot from which it would go on.
func before(applied uint64, log cluster.Log) bool {
	return applied+1 < log.FirstIndex || log.FirstIndex == 0 && applied < log.LastIndex
}
