package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/remote"
)

// stopped lists what can be salvaged of the data dirs: by raft's own rule, last
// term and then last index. As in a recovery, a log is also replayed on another
// member's db, where its own is broken.
func stopped(ctx context.Context, fleet *remote.Fleet, said []string) ([]source, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var dirs []source
	for _, h := range withMembers(fleet) {
		wg.Go(func() {
			disks, err := h.Disks(ctx, fleet.Config)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				said = append(said, fmt.Sprintf("host %s: %v", h.Name, err))
			}
			for _, d := range disks {
				switch {
				case !d.Data.OK:
					said = append(said, fmt.Sprintf("data dir of %s: %s", d.Member, d.Data.Why))
					continue
				case !d.Data.Value.DB.OK:
					said = append(said, fmt.Sprintf("data dir of %s: its db: %s", d.Member, d.Data.Value.DB.Why))
				}
				m, _ := fleet.Config.Member(d.Member)
				dirs = append(dirs, source{host: h, member: m, disk: d.Data.Value, salvage: true})
			}
		})
	}
	wg.Wait()
	slices.Sort(said)
	all := furthest(pairs(dirs), fleet.Config)
	if len(all) == 0 {
		return nil, fmt.Errorf("choose what to back up: %w: %s", ErrNoSource, strings.Join(said, "; "))
	}
	all[0].said = said
	return all, nil
}

// pairs lists each db with its own log, and with every other log of its cluster
// that goes on where it ends.
func pairs(dirs []source) []source {
	var all []source
	for _, d := range dirs {
		if !d.disk.DB.OK {
			continue
		}
		all = append(all, d)
		applied := d.disk.DB.Value.ConsistentIndex
		for _, l := range dirs {
			log := l.disk.Log
			if l.member.Name == d.member.Name || !log.OK || l.clusterID() == 0 || l.clusterID() != d.clusterID() ||
				applied+1 < log.Value.FirstIndex || applied > log.Value.LastIndex {
				continue
			}
			pair := d
			pair.log = &l
			all = append(all, pair)
		}
	}
	return all
}

// furthest lists what can be salvaged of the cluster with the best standing, what
// leads furthest first and, of two that lead as far, a member's own.
func furthest(all []source, cfg cluster.Config) []source {
	return ofOne(all, cfg, func(a, b source) int {
		at, ai := a.reach()
		bt, bi := b.reach()
		return cmp.Or(cmp.Compare(at, bt), cmp.Compare(ai, bi), cmp.Compare(yes(a.log == nil), yes(b.log == nil)),
			cmp.Compare(a.disk.DB.Value.ConsistentIndex, b.disk.DB.Value.ConsistentIndex), strings.Compare(b.member.Name, a.member.Name))
	})
}

// reach is the last entry that a salvage gives.
func (s source) reach() (term, index uint64) {
	switch {
	case s.log != nil:
		return s.log.disk.Log.Value.LastTerm, s.log.disk.Log.Value.LastIndex
	case s.disk.Log.OK:
		return s.disk.Log.Value.ReachTerm, s.disk.Log.Value.ReachIndex
	}
	return s.disk.DB.Value.Term, s.disk.DB.Value.ConsistentIndex
}

// salvaged opens the stream of a salvage. A log that lies on another host is
// brought to that of the db, which removes it again.
func (s source) salvaged(ctx context.Context, cfg cluster.Config) (remote.Source, error) {
	if s.log == nil {
		return s.host.Salvaged(ctx, cfg, s.member.Name, "")
	}
	wal := s.log.member.WAL()
	if s.log.host.Name != s.host.Name {
		var err error
		if wal, err = s.log.host.Lend(ctx, wal, s.host); err != nil {
			return remote.Source{}, fmt.Errorf("bring the log of %s to %s: %w", s.log.member.Name, s.host.Name, err)
		}
	}
	return s.host.Salvaged(ctx, cfg, s.member.Name, wal)
}
