package plan

import "github.com/salvor-project/salvor/internal/cluster"

// target is the minor version of etcd that a rebuilt cluster is written for:
// the oldest of the programs that will run it. Where one of them is not known,
// what the source's db was written by counts as well, so that a member that
// could not be looked at is not shut out by a version that it cannot join.
// Empty when nothing is known.
func (b *builder) target() string {
	oldest, all := "", true
	for _, m := range b.facts.Config.Members {
		f := b.memberFacts(m.Name)
		own := cluster.OldestMinor(f.Live.Value.Version, f.Process.Value.Version)
		oldest, all = cluster.OldestMinor(oldest, own), all && own != ""
	}
	if all && oldest != "" {
		return oldest
	}
	return cluster.OldestMinor(oldest, b.recordedBy())
}

// recordedBy is the version that the source names; where the source's own db
// says nothing, that of any member.
func (b *builder) recordedBy() string {
	src := b.plan.Source
	for _, h := range b.facts.Hosts {
		for _, s := range h.Snapshots {
			if src.Path != "" && s.Path == src.Path && h.Name == src.Host {
				return s.DB.Value.RecordedBy()
			}
		}
	}
	if v := b.memberFacts(src.DB).Disk.Value.DB.Value.RecordedBy(); v != "" {
		return v
	}
	oldest := ""
	for _, m := range b.facts.Config.Members {
		oldest = cluster.OldestMinor(oldest, b.memberFacts(m.Name).Disk.Value.DB.Value.RecordedBy())
	}
	return oldest
}

// memberFacts gives what was found about a member; nothing is known of one
// that could not be looked at.
func (b *builder) memberFacts(name string) cluster.MemberFacts {
	f, _ := b.facts.Member(name)
	return f
}
