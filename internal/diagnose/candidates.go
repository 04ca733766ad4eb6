package diagnose

import (
	"fmt"
	"sort"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// candidates lists everything that the data could come from, in the order of
// the data-preservation ladder: the living quorum, the disks as they are, the
// most advanced survivor, snapshots. Exactly one is chosen, if any is usable.
func (v view) candidates() []Candidate {
	highest := v.highest()
	var out []Candidate
	if v.alive {
		out = append(out, v.quorumCandidate())
	}
	if c, ok := v.disksCandidate(); ok {
		out = append(out, c)
	}
	if !v.alive {
		out = append(out, v.survivors()...)
	}
	out = append(append(out, v.kept(highest)...), v.remains()...)
	choose(out)
	return out
}

// choose marks the first usable candidate and gives the others their reason.
func choose(cs []Candidate) {
	chosen := -1
	for i := range cs {
		if cs[i].Integrity != Unusable && cs[i].Kind != FromRemains {
			chosen = i
			break
		}
	}
	for i := range cs {
		c := &cs[i]
		switch {
		case i == chosen:
			c.Chosen = true
			c.Why = say.New("candidate.chosen." + string(c.Kind))
		case c.Integrity == Unusable, c.Kind == FromRemains:
			// its own reason stands
		case chosen >= 0 && c.Kind == FromSurvivor && cs[chosen].Kind == FromSurvivor:
			b := cs[chosen]
			c.Why = say.New("candidate.behind", c.LastTerm, c.LastIndex, b.LastTerm, b.LastIndex)
		case chosen >= 0 && c.stored() && cs[chosen].stored():
			c.Why = say.New("candidate.older", cs[chosen].place())
		default:
			c.Why = say.New("candidate.loses-more", cs[chosen].ID)
		}
	}
}

// split tells that members of one identity hold, or may hold, different data:
// then no copy is known to be the right one, whatever serves.
func split(fs []Finding) bool { return has(fs, Diverged, CorruptAlarm, SameIDOtherHistory) }

// doubtAll takes the proof from every candidate: what it lacks may be what
// another copy of the same data holds.
func doubtAll(cs []Candidate) {
	for i := range cs {
		if l := &cs[i].Loss; l.Proven {
			doubt := say.New("candidate.split")
			l.Proven, l.Doubt = false, &doubt
		}
	}
}

// stored tells a candidate that was put away before the failure.
func (c Candidate) stored() bool { return c.Kind == FromSnapshot || c.Kind == FromVault }

// place is where a stored candidate lies.
func (c Candidate) place() string {
	if c.Kind == FromVault {
		return c.ID
	}
	return c.Path
}

func (v view) quorumCandidate() Candidate {
	c := Candidate{ID: "quorum", Kind: FromQuorum, Integrity: Sound, At: v.facts.At,
		Loss: Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}}
	for _, m := range v.members {
		if v.sameLineage(m) && linearizable(m) && m.facts.Live.Value.Revision >= c.Revision.Value {
			c.Revision = cluster.Is(m.facts.Live.Value.Revision)
			c.LastTerm, c.LastIndex = m.facts.Live.Value.Term, m.facts.Live.Value.Index
			c.Member, c.Host = m.cfg.Name, m.cfg.Host
		}
	}
	return c
}

// disksCandidate is the members' own disks, when enough of them are sound to
// form a quorum again just by being started.
func (v view) disksCandidate() (Candidate, bool) {
	if v.alive || len(v.sound()) < v.quorum {
		return Candidate{}, false
	}
	c := Candidate{ID: "disks", Kind: FromDisks, Integrity: Sound,
		Loss: Loss{Revisions: cluster.Is(int64(0)), Objects: cluster.Is(int64(0)), Proven: true}}
	for _, m := range v.sound() {
		p := positionOf(m)
		if c.Member == "" || c.position().less(p) {
			c.Member, c.Host = m.cfg.Name, m.cfg.Host
			c.LastTerm, c.LastIndex = p.term, p.index
			c.Revision = revisionOf(m)
		}
		if at := modified(m); at.After(c.At) {
			c.At = at
		}
	}
	return c, true
}

// sound are the members of the lineage whose files etcd can start from.
func (v view) sound() []memberView {
	var out []memberView
	for _, m := range v.members {
		if v.sameLineage(m) && v.votes(m) && m.state != StateUnknown && !dirGone(m) && !crippled(m) && (m.facts.Disk.OK || m.facts.Live.OK) {
			out = append(out, m)
		}
	}
	return out
}

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
	for _, dmg := range d.Value.Damage {
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
	if usableDB(m) {
		return m, true
	}
	if !m.facts.Disk.Value.Log.OK {
		return memberView{}, false
	}
	log := m.facts.Disk.Value.Log.Value
	var best memberView
	found := false
	for _, o := range v.members {
		if !v.sameLineage(o) || !usableDB(o) || !o.facts.Disk.Value.DB.OK {
			continue
		}
		ci := o.facts.Disk.Value.DB.Value.ConsistentIndex
		if ci+1 < log.FirstIndex || ci > log.LastIndex {
			continue
		}
		if !found || ci > best.facts.Disk.Value.DB.Value.ConsistentIndex {
			best, found = o, true
		}
	}
	return best, found
}

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
	witnesses, snapshots := v.outside()
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

// outside gives the revisions that witnesses and snapshots of this cluster have
// seen, without what is not believable.
func (v view) outside() (witnesses, snapshots []int64) {
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
	witnesses, snapshots := v.outside()
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
