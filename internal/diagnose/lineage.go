package diagnose

import (
	"sort"

	"github.com/salvor-project/salvor/internal/cluster"
)

// lineage is one cluster identity and what speaks for it.
type lineage struct {
	id       cluster.ID
	holders  int  // configured members that show it
	serving  bool // a linearizable read succeeded and more than one member is listed
	listed   int  // configured names in its member lists
	revision int64
	index    uint64
}

// lineageOf decides which cluster the members belong to. An identity that
// lists several configured members wins over one that lists only itself,
// whatever either says of its health: a re-bootstrapped member is healthy too.
func lineageOf(members []memberView) cluster.Known[cluster.ID] {
	byID := map[cluster.ID]*lineage{}
	for _, m := range members {
		id, ok := identity(m)
		if !ok {
			continue
		}
		l := byID[id]
		if l == nil {
			l = &lineage{id: id}
			byID[id] = l
		}
		l.add(m, members)
	}
	if len(byID) == 0 {
		return cluster.Unknown[cluster.ID]("no member shows an identity, neither alive nor on disk")
	}
	all := make([]*lineage, 0, len(byID))
	for _, l := range byID {
		all = append(all, l)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].before(all[j]) })
	return cluster.Is(all[0].id)
}

func (l *lineage) add(m memberView, all []memberView) {
	l.holders++
	listed := listedNames(m, all)
	l.listed = max(l.listed, listed)
	if linearizable(m) && listed > 1 {
		l.serving = true
	}
	if m.facts.Live.OK {
		l.revision = max(l.revision, m.facts.Live.Value.Revision)
		l.index = max(l.index, m.facts.Live.Value.Index)
	}
	if d := m.facts.Disk; d.OK {
		if d.Value.DB.OK {
			l.revision = max(l.revision, d.Value.DB.Value.Revision)
		}
		if d.Value.Log.OK {
			l.index = max(l.index, d.Value.Log.Value.LastIndex)
		}
	}
}

// before orders lineages, the one to be trusted first.
func (l *lineage) before(o *lineage) bool {
	switch {
	case l.serving != o.serving:
		return l.serving
	case l.listed != o.listed:
		return l.listed > o.listed
	case l.holders != o.holders:
		return l.holders > o.holders
	case l.index != o.index:
		return l.index > o.index
	case l.revision != o.revision:
		return l.revision > o.revision
	}
	return l.id < o.id
}

// listedNames counts configured members in the list that m holds.
func listedNames(m memberView, all []memberView) int {
	n := 0
	for _, e := range memberList(m) {
		for _, c := range all {
			if e.Name == c.cfg.Name {
				n++
			}
		}
	}
	return n
}
