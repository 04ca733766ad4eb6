package diagnose

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// findRebootstrap finds a member that made a cluster of its own: it lists only
// itself while the lineage lists several.
func findRebootstrap(v view) []sighting {
	var out []sighting
	for _, m := range v.with(StateImpostor) {
		if list := memberList(m); len(list) == 1 && v.voters > 1 {
			out = append(out, impostorSighting(v, m, len(list)))
		}
	}
	return out
}

func findMismatch(v view) []sighting {
	var out []sighting
	for _, m := range v.with(StateImpostor) {
		out = append(out, impostorSighting(v, m, len(memberList(m))))
	}
	return out
}

func impostorSighting(v view, m memberView, listed int) sighting {
	id, _ := identity(m)
	rev := revisionOf(m)
	return sighting{m.cfg.Name, []any{id, listed, rev.Value, v.lineage.Value, v.voters, v.seen().Value},
		[]string{fmt.Sprintf("%s: cluster %s, %d member(s), revision %d", m.cfg.Name, id, listed, rev.Value),
			fmt.Sprintf("the others: cluster %s, %d members, revision %d", v.lineage.Value, v.voters, v.seen().Value)}}
}

// findAlarm finds an alarm in any member's live list or, where no member
// answers, in its db.
func findAlarm(kind string) func(view) []sighting {
	return func(v view) []sighting {
		holders := map[cluster.ID]bool{}
		for _, m := range v.members {
			if !v.sameLineage(m) {
				continue
			}
			for _, a := range alarms(m) {
				if a.Type == kind {
					holders[a.MemberID] = true
				}
			}
		}
		if len(holders) == 0 {
			return v.alarmByHealth(kind)
		}
		var ids []string
		for id := range holders {
			ids = append(ids, v.nameOf(id))
		}
		sort.Strings(ids)
		s := sighting{subject: "etcd", args: []any{strings.Join(ids, ", ")}}
		for _, id := range ids {
			s.evidence = append(s.evidence, "alarm "+kind+" of member "+id)
		}
		return append([]sighting(nil), withSizes(v, s))
	}
}

// nameOf is the name of the configured member with an ID, and the ID itself where
// there is none.
func (v view) nameOf(id cluster.ID) string {
	for _, m := range v.members {
		if own := memberID(m); own.OK && own.Value == id && v.sameLineage(m) {
			return m.cfg.Name
		}
	}
	return id.String()
}

func alarms(m memberView) []cluster.Alarm {
	if m.facts.Live.OK {
		return m.facts.Live.Value.Alarms.Value
	}
	if m.facts.Disk.OK && m.facts.Disk.Value.DB.OK {
		return m.facts.Disk.Value.DB.Value.Alarms
	}
	return nil
}

// sizesOf tells how large a member's db is, and how large it may be.
func sizesOf(m memberView) string {
	l, quota := m.facts.Live.Value, "no quota"
	if q := quotaOf(m); q != math.MaxInt64 {
		quota = fmt.Sprintf("quota %d", q)
	}
	return fmt.Sprintf("%s: db %d bytes, %d in use, %s", m.cfg.Name, l.DBSize, l.DBInUse, quota)
}

// withSizes adds each live member's db size, which tells real data from
// fragmentation.
func withSizes(v view, s sighting) sighting {
	for _, m := range v.members {
		if m.facts.Live.OK && v.sameLineage(m) {
			s.evidence = append(s.evidence, sizesOf(m))
		}
	}
	return s
}
