package plan

import (
	"path/filepath"

	"github.com/salvor-project/salvor/internal/cluster"
)

// move is one folder of a member that is swapped: where it is, where it is set
// aside, where its successor is built and what of that is put in place.
type move struct{ live, aside, build, built string }

// moves gives the folders that a member's swap has to rename. A data dir that
// is a mount point cannot be renamed, and one that is a symbolic link would
// move to another disk; then its member folder is.
func (b *builder) moves(m cluster.Member) (data move, wal *move) {
	tag := ".salvor-" + b.choices.Case
	data = move{live: m.DataDir, aside: m.DataDir + tag, build: m.DataDir + tag + ".new", built: m.DataDir + tag + ".new"}
	if f, ok := b.facts.Member(m.Name); ok && f.Disk.OK && (f.Disk.Value.MountPoint || f.Disk.Value.Link != "") {
		data.live = filepath.Join(m.DataDir, "member")
		data.aside = filepath.Join(m.DataDir, "member"+tag)
		data.build = filepath.Join(m.DataDir, tag+".new")
		data.built = filepath.Join(data.build, "member")
	}
	if m.WALDir != "" {
		wal = &move{live: m.WALDir, aside: m.WALDir + tag, build: m.WALDir + tag + ".new", built: m.WALDir + tag + ".new"}
	}
	return data, wal
}

// caseFile is a file in the case's folder on a host.
func (b *builder) caseFile(host, name string) string {
	h, _ := b.facts.Config.Host(host)
	return filepath.Join(h.State(), "cases", b.choices.Case, name)
}
