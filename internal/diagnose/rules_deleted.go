package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// system is the identity of the cluster that the API servers speak for: the uid
// of kube-system, if all that tell it tell the same.
func (v view) system() (uid string, ok bool) {
	for _, o := range v.objects() {
		switch {
		case !o.System.OK:
		case ok && o.System.Value != uid:
			return "", false
		default:
			uid, ok = o.System.Value, true
		}
	}
	return uid, ok
}

// lastKept is the newest snapshot of the cluster that the API servers speak for,
// with its objects; false where none is, where a newer one could not be read or
// may lie where nobody could look, and where the vault has a newer one, whose
// objects are sealed.
func (v view) lastKept() (backup, bool) {
	uid, ok := v.system()
	if !ok || v.perhapsNewer() {
		return backup{}, false
	}
	all := slices.DeleteFunc(v.backups(), func(b backup) bool { return !v.soundBackup(b) })
	slices.SortStableFunc(all, func(a, b backup) int { return cmp.Compare(b.DB.Value.Revision, a.DB.Value.Revision) })
	for _, b := range all {
		switch {
		case !b.Hazards.OK, b.Hazards.Value.System == "":
			return backup{}, false
		case b.Hazards.Value.System != uid:
			continue // another cluster's
		}
		for _, sealed := range v.facts.Backups.Value {
			if sealed.KubeSystemUID == uid && sealed.Revision > b.DB.Value.Revision {
				return backup{}, false
			}
		}
		return b, true
	}
	return backup{}, false
}

// perhapsNewer tells that snapshots lie, or may lie, where they could not be
// read.
func (v view) perhapsNewer() bool { return len(v.unreadPlaces()) > 0 }

// unreadPlaces are the snapshots, and the places of snapshots, that could not be
// read: HOST:PATH, or the host alone where it was not reached.
func (v view) unreadPlaces() []string {
	var out []string
	note := func(place string) {
		if !slices.Contains(out, place) {
			out = append(out, place)
		}
	}
	for _, h := range v.facts.Hosts {
		for _, s := range h.Snapshots {
			if unreadSnapshot(s) {
				note(h.Name + ":" + s.Path)
			}
		}
	}
	for _, p := range v.facts.Config.Snapshots {
		if c, ok := v.facts.Config.Host(p.Host); ok && c.Gone {
			continue // given up, with what lay there
		}
		h, ok := v.facts.Host(p.Host)
		if !ok || !h.Reached.OK {
			note(p.Host)
			continue
		}
		for _, b := range h.Node.Places {
			if !b.Files.OK {
				note(h.Name + ":" + b.Path)
			}
		}
	}
	return out
}

// unreadSnapshot tells a file of which nothing is known, as it is when there was no
// time to read it, from one that is no snapshot.
func unreadSnapshot(s cluster.SnapshotFacts) bool { return !s.DB.OK && s.Trailer == "" }

// list picks one list of names out of a backup's objects, and out of what an API
// server says.
type list struct {
	kept func(cluster.Hazards) cluster.Known[[]string]
	has  func(cluster.APIObjects) cluster.Known[[]string]
	what string
}

func namespaceList() list {
	return list{func(h cluster.Hazards) cluster.Known[[]string] { return h.Namespaces },
		func(o cluster.APIObjects) cluster.Known[[]string] { return o.Namespaces }, "namespace"}
}

func definitionList() list {
	return list{func(h cluster.Hazards) cluster.Known[[]string] { return h.Definitions },
		func(o cluster.APIObjects) cluster.Known[[]string] { return o.Definitions }, "custom resource definition"}
}

// deleted are the names that the newest backup has and no API server.
func (v view) deleted(l list) (names []string, from backup, asked string) {
	from, ok := v.lastKept()
	if !ok || !l.kept(from.Hazards.Value).OK {
		return nil, backup{}, ""
	}
	have := map[string]bool{}
	for _, o := range v.objects() {
		if told := l.has(o.APIObjects); told.OK && o.System.OK {
			asked = o.URL
			for _, name := range told.Value {
				have[name] = true
			}
		}
	}
	if asked == "" {
		return nil, backup{}, ""
	}
	for _, name := range l.kept(from.Hazards.Value).Value {
		if !have[name] {
			names = append(names, name)
		}
	}
	return names, from, asked
}

// findDeleted finds what the newest backup of this very cluster has and the API
// has not.
func findDeleted(l list) func(view) []sighting {
	return func(v view) []sighting {
		names, from, asked := v.deleted(l)
		if len(names) == 0 {
			return nil
		}
		s := sighting{subject: "kubernetes", args: []any{len(names), some(names), from.id(), stamp(from.Modified)}}
		for _, name := range names[:min(len(names), cluster.MaxHazardNames)] {
			s.evidence = append(s.evidence, fmt.Sprintf("%s, revision %d, has the %s %s; %s has not", from.id(), from.DB.Value.Revision, l.what, name, asked))
		}
		return []sighting{s}
	}
}

// rateDeleted: nothing tells a deletion that was wanted from one that was not.
func rateDeleted(v view, _ sighting) (Confidence, []string) {
	against := []string{"it may have been deleted on purpose"}
	if b, ok := v.lastKept(); ok {
		if age := v.facts.At.Sub(b.Modified).Round(time.Minute); age > v.promised() {
			against = append(against, fmt.Sprintf("the backup is %s old: much may have been deleted since", age))
		}
	}
	if v.facts.Config.Vault != nil && !v.facts.Backups.OK {
		against = append(against, "the vault was not asked: it may hold a newer backup, made after a deletion that was wanted")
	}
	return Possible, against
}

// sealedOnly tells that nothing but the vault could say what was deleted: its
// backups are sealed, and are opened only to be put back.
func (v view) sealedOnly() bool {
	_, told := v.system()
	return told && v.facts.Config.Vault != nil && !slices.ContainsFunc(v.backups(), v.soundBackup)
}

// extractable names what was deleted and nothing else explains, and the backup
// that has it.
func (v view) extractable(fs []Finding) (names []string, from backup, ok bool) {
	for _, f := range fs {
		l := namespaceList()
		switch {
		case len(f.CausedBy) > 0:
			continue
		case f.Code == DefinitionDeleted:
			l = definitionList()
		case f.Code != NamespaceDeleted:
			continue
		}
		more, b, _ := v.deleted(l)
		names, from, ok = append(names, more...), b, true
	}
	return names, from, ok
}
