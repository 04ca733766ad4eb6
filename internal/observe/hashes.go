package observe

import (
	"context"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Hashes tells whether members are asked for the hash of their data, which
// shows whether they hold the same. While a member computes it, it takes no
// writes.
type Hashes string

// The choices.
const (
	// HashSmall asks when the data of every member is small enough for nobody
	// to notice.
	HashSmall Hashes = "small"
	// HashAll asks in any case.
	HashAll Hashes = "all"
	// HashNone never asks: for who looks again and again.
	HashNone Hashes = "none"
)

// hashSize is the size of data in bytes that a member scans in a fraction of a
// second.
const hashSize = 256 << 20

// hashBudget bounds the question where nobody asked for it.
const hashBudget = 5 * time.Second

// hashes asks every member that answers for its hash at the lowest revision of
// them all: at their newest revisions they can only be compared when nobody
// writes. One member is asked after the other, so that never more than one of
// them is slow.
func hashes(ctx context.Context, cfg cluster.Config, hosts []Reached, f *cluster.Facts, wanted Hashes) {
	lowest, members, largest := int64(0), 0, int64(0)
	comparable := func(host int, m *cluster.MemberFacts) bool {
		return hosts[host].Asker != nil && m.Live.OK && !m.Live.Value.Learner && m.Live.Value.Revision > 0
	}
	each(f, func(host int, m *cluster.MemberFacts) {
		if !comparable(host, m) {
			return
		}
		members++
		if l := m.Live.Value; lowest == 0 || l.Revision < lowest {
			lowest = l.Revision
		}
		largest = max(largest, inUse(m.Live.Value))
	})
	if members < 2 {
		return
	}
	skipped := wanted.skipped(largest)
	if wanted != HashAll {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hashBudget)
		defer cancel()
	}
	each(f, func(host int, m *cluster.MemberFacts) {
		switch {
		case !comparable(host, m):
		case skipped != "":
			m.Live.Value.HashSkipped = skipped
		case ctx.Err() != nil: // a scan may still go on elsewhere: none is begun beside it
			m.Live.Value.CommonHash = cluster.Unknown[cluster.HashKV]("no time was left to ask for it")
		default:
			m.Live.Value.CommonHash = cluster.From(hosts[host].Asker.HashAt(ctx, cfg, m.Name, lowest))
		}
	})
}

// skipped is the reason not to ask members of which the largest holds so many
// bytes; empty when they are to be asked.
func (h Hashes) skipped(largest int64) string {
	switch {
	case h == HashNone:
		return "not asked while looking again and again: the question stalls writes"
	case h == HashAll || largest <= hashSize:
		return ""
	}
	return fmt.Sprintf("not asked: a member holds %d MiB, and takes no writes while it hashes them (diagnose --hash asks)", largest>>20)
}

// inUse is how many bytes a member has to scan, its whole db where an old etcd
// does not tell.
func inUse(l cluster.LiveMember) int64 {
	if l.DBInUse > 0 {
		return l.DBInUse
	}
	return l.DBSize
}
