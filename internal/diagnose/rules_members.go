package diagnose

import (
	"fmt"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// observationLead is how far a witness may be ahead of a living cluster only
// because it was read a moment later.
const observationLead = 100_000

// findRewound finds that somebody has seen more than the cluster that serves
// (or the best that could be served from disks) holds: it was bootstrapped
// anew, or restored from something old. Then two histories exist, and an
// identity alone cannot tell which one counts.
func findRewound(v view) []sighting {
	own := int64(-1)
	for _, m := range v.members {
		if r := revisionOf(m); v.sameLineage(m) && r.OK {
			own = max(own, r.Value)
		}
	}
	if own < 0 {
		return nil
	}
	s := sighting{subject: "etcd"}
	note := func(r int64, who string) {
		s.evidence = append(s.evidence, fmt.Sprintf("%s has seen revision %d, the cluster %s holds up to %d", who, r, v.lineage.Value, own))
		if len(s.args) == 0 {
			s.args = []any{v.lineage.Value, own, who, r}
		}
	}
	for _, m := range v.members {
		if r := revisionOf(m); v.foreign(m) && r.OK && r.Value > own {
			note(r.Value, m.cfg.Name)
		}
	}
	if v.alive {
		v.noteOutside(own, note)
	}
	if len(s.evidence) == 0 {
		return nil
	}
	return []sighting{s}
}

// noteOutside compares a living cluster with witnesses and snapshots. A dead
// one is compared too, but as the loss of its candidates.
func (v view) noteOutside(own int64, note func(int64, string)) {
	for _, h := range v.facts.Hosts {
		for _, w := range h.Witnesses {
			if w.Revision.OK && w.Revision.Value > own+observationLead && w.Revision.Value <= own+maxLead {
				note(w.Revision.Value, w.Path)
			}
		}
		for _, s := range h.Snapshots {
			if s.DB.OK && s.DB.Value.Revision > own && s.Trailer == cluster.TrailerGood && v.ofThisCluster(s.DB.Value.Members) {
				note(s.DB.Value.Revision, s.Path)
			}
		}
	}
}

func findStrangers(v view) []sighting {
	var out []sighting
	for _, e := range v.strangers {
		urls := strings.Join(e.PeerURLs, ",")
		out = append(out, sighting{e.Name, []any{urls}, []string{fmt.Sprintf("member %s (%s) votes and is not in salvor.yaml", e.ID, urls)}})
	}
	return out
}

func findRemoved(v view) []sighting {
	var out []sighting
	for _, m := range v.with(StateRemoved) {
		id := memberID(m)
		out = append(out, sighting{m.cfg.Name, []any{id.Value}, []string{fmt.Sprintf("member %s is not in the cluster's list any more", id.Value)}})
	}
	return out
}

func findLearners(v view) []sighting {
	var out []sighting
	for _, m := range v.with(StateLearner) {
		out = append(out, sighting{m.cfg.Name, []any{}, []string{fmt.Sprintf("member %s has no vote", memberID(m).Value)}})
	}
	return out
}

// findDisagreement finds that the members that answer do not form one cluster
// as salvor.yaml describes it: different leaders or lists, one member behind
// two names, or a member whose API shows another identity than its disk.
func findDisagreement(v view) []sighting {
	s := sighting{subject: "etcd"}
	leaders, lists, ids := map[uint64]cluster.ID{}, map[string]bool{}, map[cluster.ID]string{}
	for _, m := range v.members {
		if !m.facts.Live.OK || !v.sameLineage(m) {
			continue
		}
		l := m.facts.Live.Value
		// Of different terms one is only older: there was an election in between.
		if other, told := leaders[l.Term]; told && l.Leader != 0 && other != l.Leader {
			s.evidence = append(s.evidence, fmt.Sprintf("leaders %s and %s are named of term %d", other, l.Leader, l.Term))
		} else if l.Leader != 0 {
			leaders[l.Term] = l.Leader
		}
		if l.Members.OK {
			lists[listKey(l.Members.Value)] = true
		}
		if other, twice := ids[l.MemberID]; twice {
			s.evidence = append(s.evidence, fmt.Sprintf("%s and %s are answered by one member, %s: check clientURLs", other, m.cfg.Name, l.MemberID))
		}
		ids[l.MemberID] = m.cfg.Name
		if d := m.facts.Disk; d.OK && d.Value.MemberID.OK && d.Value.MemberID.Value != l.MemberID {
			s.evidence = append(s.evidence, fmt.Sprintf("%s answers as member %s, its data dir is that of %s: check clientURLs and dataDir", m.cfg.Name, l.MemberID, d.Value.MemberID.Value))
		}
	}
	if len(lists) > 1 {
		s.evidence = append(s.evidence, fmt.Sprintf("%d different member lists are held", len(lists)))
	}
	if len(s.evidence) == 0 {
		return nil
	}
	sort.Strings(s.evidence)
	s.args = []any{strings.Join(s.evidence, "; ")}
	return []sighting{s}
}

func listKey(list []cluster.MemberEntry) string {
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID.String())
	}
	sort.Strings(ids)
	return strings.Join(ids, ",")
}
