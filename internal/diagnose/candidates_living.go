package diagnose

import (
	"github.com/salvor-project/salvor/internal/cluster"
)

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
