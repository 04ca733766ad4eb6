package diagnose

import (
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
			if c.LastTerm == b.LastTerm && c.LastIndex == b.LastIndex {
				c.Why = say.New("candidate.level", c.LastTerm, c.LastIndex)
				continue
			}
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
