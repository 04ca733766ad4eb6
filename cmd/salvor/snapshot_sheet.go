package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// sheet is a text of names and values in two columns.
type sheet struct{ strings.Builder }

func (s *sheet) row(name, format string, args ...any) {
	fmt.Fprintf(s, "%-18s %s\n", name, fmt.Sprintf(format, args...))
}

// known writes a row for a fact, or why it is not known.
func known[T any](s *sheet, name string, k cluster.Known[T], format string) {
	if !k.OK {
		s.row(name, "unknown: %s", k.Why)
		return
	}
	s.row(name, format, k.Value)
}

func (s *sheet) dataDir(d cluster.DataDir) {
	s.row("state", "%s", d.State)
	s.row("size", "%s", size(d.Bytes))
	known(s, "cluster ID", d.ClusterID, "%s")
	known(s, "member ID", d.MemberID, "%s")
	s.db(d.DB)
	s.log(d)
	if !d.Modified.IsZero() {
		s.row("modified", "%s", d.Modified.UTC().Format(time.RFC3339))
	}
}

func (s *sheet) db(k cluster.Known[cluster.DB]) {
	if !k.OK {
		s.row("db", "unknown: %s", k.Why)
		return
	}
	db := k.Value
	s.row("revision", "%d, compacted at %d", db.Revision, db.CompactRevision)
	if db.Term > 0 {
		s.row("applied entry", "%d of term %d", db.ConsistentIndex, db.Term)
	} else {
		s.row("applied entry", "%d (etcd 3.4 and older do not note its term)", db.ConsistentIndex)
	}
	inUse := ""
	if db.InUse > 0 {
		inUse = size(db.InUse) + " in use, "
	}
	s.row("db", "%s, %spages of %d bytes", size(db.Size), inUse, db.PageSize)
	s.row("versions", "cluster %s, storage %s", orNone(db.ClusterVersion), orNone(db.StorageVersion))
	for _, m := range db.Members {
		kind := "voter"
		if m.Learner {
			kind = "learner"
		}
		s.row("member", "%s %s %s %s", m.ID, orNone(m.Name), kind, strings.Join(m.PeerURLs, ","))
	}
	if n := len(db.RemovedMembers); n > 0 {
		s.row("removed members", "%d", n)
	}
	for _, al := range db.Alarms {
		s.row("ALARM", "%s of member %s", al.Type, al.MemberID)
	}
	if db.AuthEnabled {
		s.row("auth", "enabled")
	}
}

func (s *sheet) log(d cluster.DataDir) {
	if !d.Log.OK {
		s.row("log", "unknown: %s", d.Log.Why)
		return
	}
	l := d.Log.Value
	s.row("hard state", "term %d, vote %s, commit %d", l.Term, l.Vote, l.Commit)
	s.row("log", "entries %d to %d (term %d) in %d files", l.FirstIndex, l.LastIndex, l.LastTerm, len(l.Segments))
	for _, g := range l.Segments {
		s.row("", "%s %s, %d entries", g.Name, size(g.Size), g.Entries)
	}
	s.row("leads to", "entry %d of term %d; up to %d revisions beyond the db", l.ReachIndex, l.ReachTerm, l.RevisionsBeyondDB)
}

func (s *sheet) damage(list []cluster.Damage) {
	for _, d := range list {
		at := ""
		if d.Offset >= 0 {
			at = fmt.Sprintf(" at byte %d", d.Offset)
		}
		s.row("DAMAGE", "%s: %s%s: %s", d.Kind, d.File, at, d.What)
	}
	if len(list) == 0 {
		s.row("damage", "none found")
	}
}

func (s *sheet) inventory(v *inventory) {
	if v == nil {
		return
	}
	s.row("live", "%d keys, %s; %d with a lease, %d unreadable", v.Keys, size(v.LiveBytes), v.Leased, v.Unreadable)
	for _, part := range []struct {
		title string
		list  []share
	}{{"RESOURCE", v.Resources}, {"FATTEST PREFIXES", v.Fattest}} {
		fmt.Fprintf(s, "\n  %-52s %9s %11s %12s\n", part.title, "KEYS", "BYTES", "NEWEST")
		for _, x := range part.list {
			fmt.Fprintf(s, "  %-52s %9d %11s %12d\n", visible(x.Prefix), x.Keys, size(x.Bytes), x.NewestRevision)
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
