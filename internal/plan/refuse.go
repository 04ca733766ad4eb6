package plan

import (
	"fmt"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// blind refuses to act on members that may be serving although Salvor got no
// answer: because of its own certificate, or of theirs. Stopping those would
// make the outage that Salvor is to end.
func blind(f cluster.Facts) error {
	for _, h := range f.Hosts {
		if h.Reached.OK && h.ClientProblem != "" {
			return fmt.Errorf("%w: the members on %s cannot be asked: %s: mend `client` in salvor.yaml", ErrUnseen, h.Name, h.ClientProblem)
		}
		for _, m := range h.Members {
			if m.Process.OK && m.Process.Value.Running && !m.Live.OK && diagnose.Refusing(m.Live.Why) && !outdated(m, h) {
				return fmt.Errorf("%w: %s runs and may be serving, but it could not be asked: %s: mend `client` in salvor.yaml, or stop %s yourself",
					ErrUnseen, m.Name, m.Live.Why, m.Name)
			}
		}
	}
	return nil
}

// outdated tells that the member's own certificates explain why nobody can
// talk to it.
func outdated(m cluster.MemberFacts, h cluster.HostFacts) bool {
	now := h.Reached.Value.Clock
	for _, c := range m.Certificates {
		if c.OK && c.Value.Use != "client" && (now.After(c.Value.NotAfter) || now.Before(c.Value.NotBefore)) {
			return true
		}
	}
	return false
}

// foreign refuses a plan that would move a folder which is not etcd's (the
// path is wrong, or the right volume is not mounted there) or one that cannot
// be moved.
func (p Plan) foreign(f cluster.Facts) error {
	for _, s := range p.Steps {
		a, ok := s.Action.(SetAside)
		if !ok {
			continue
		}
		for _, m := range p.Config.Members {
			mf, seen := f.Member(m.Name)
			if m.Host == s.Host && seen && mf.Disk.OK && mf.Disk.Value.WALFixed && a.From == m.WALDir {
				return fmt.Errorf("%w: %s, the WAL dir of %s, is a mount point or a symbolic link and cannot be replaced by a rename: mount it one level higher, so that the WAL dir is a folder in it",
					ErrRefused, m.WALDir, m.Name)
			}
			if m.Host == s.Host && seen && mf.Disk.OK && mf.Disk.Value.State == cluster.DirForeign && a.From == m.DataDir {
				return fmt.Errorf("%w: %s, the data dir of %s, holds files that are not etcd's: correct dataDir in salvor.yaml, mount the volume that belongs there, or move the files away yourself",
					ErrRefused, m.DataDir, m.Name)
			}
		}
	}
	return nil
}

// unwritable refuses a plan that would build a data dir or defragment on a file
// system which is full or read-only: it would stop half way, with the control plane
// held back, or take an etcd's last room. A snapshot goes to a folder of its own,
// which is asked for its room.
func (p Plan) unwritable(d diagnose.Diagnosis) error {
	for _, s := range p.Steps {
		switch s.Action.(type) {
		case BuildMember, SetAside, Defragment:
		default:
			continue
		}
		for _, f := range d.Findings {
			m, ok := p.Config.Member(f.Subject)
			if ok && m.Host == s.Host && (f.Code == diagnose.DiskFull || f.Code == diagnose.DiskReadOnly) {
				return fmt.Errorf("%w: %s", ErrRefused, f.Text)
			}
		}
	}
	return nil
}

// lossOf gives what a plan loses. A snapshot of members of which none is one
// of ours tells nothing about what is missing from it: it may be that of
// another cluster.
func lossOf(f cluster.Facts, s diagnose.Candidate) diagnose.Loss {
	if s.Kind != diagnose.FromSnapshot {
		return s.Loss
	}
	for _, h := range f.Hosts {
		for _, snap := range h.Snapshots {
			if h.Name == s.Host && snap.Path == s.Path && snap.DB.OK && len(snap.DB.Value.Members) > 0 && !related(f, snap.DB.Value.Members) {
				l := s.Loss
				l.Revisions = cluster.Unknown[int64]("the snapshot's members (%s) share neither an ID nor a peer URL with this cluster: it may be another cluster's", listed(snap.DB.Value.Members))
				l.Objects, l.Proven = cluster.Unknown[int64]("see the revisions"), false
				return l
			}
		}
	}
	return s.Loss
}

// related tells whether any of the members is configured, or known to a member
// that is left.
func related(f cluster.Facts, list []cluster.MemberEntry) bool {
	for _, e := range list {
		for _, m := range f.Config.Members {
			if cluster.SharesURL(e.PeerURLs, m.PeerURLs) {
				return true
			}
			mf, ok := f.Member(m.Name)
			if !ok || !mf.Disk.OK || !mf.Disk.Value.DB.OK {
				continue
			}
			for _, x := range mf.Disk.Value.DB.Value.Members {
				if x.ID == e.ID {
					return true
				}
			}
		}
	}
	return false
}

func listed(list []cluster.MemberEntry) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Name+" "+strings.Join(e.PeerURLs, ","))
	}
	return strings.Join(out, "; ")
}
