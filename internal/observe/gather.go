package observe

import (
	"context"
	"sort"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
)

// Asker asks one host; package remote's Host is one. Where has none for a host
// that cannot be reached, and says why.
type Asker interface {
	Observe(ctx context.Context, cfg cluster.Config) (cluster.HostFacts, error)
	Changes(ctx context.Context, cfg cluster.Config, since []int64) (map[string][]cluster.Changes, error)
	HashAt(ctx context.Context, cfg cluster.Config, member string, revision int64) (cluster.HashKV, error)
}

// Reacher is an Asker of which the way to the host can be opened before it is
// asked: one that cannot counts as reached.
type Reacher interface {
	Reach(ctx context.Context) error
}

// Reached is a host of the configuration with the way to ask it, or the reason
// why it cannot be asked.
type Reached struct {
	Host  cluster.Host
	Asker Asker
	Err   error
}

// Gather asks all hosts at the same time. A host that does not answer within
// the budget is an unreached one. Members are asked for hashes as far as
// wanted.
func Gather(ctx context.Context, cfg cluster.Config, hosts []Reached, now time.Time, budget time.Duration, wanted Hashes) cluster.Facts {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	f := cluster.Facts{At: now.Round(0), Config: cfg, Hosts: make([]cluster.HostFacts, len(hosts))}
	p := newPatience(len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { f.Hosts[i] = ask(ctx, cfg, h, p) })
	}
	wg.Wait()
	var more sync.WaitGroup
	more.Go(func() { compare(ctx, cfg, hosts, &f) })
	more.Go(func() { hashes(ctx, cfg, hosts, &f, wanted) })
	more.Wait()
	return f
}

func ask(ctx context.Context, cfg cluster.Config, h Reached, p *patience) cluster.HostFacts {
	err := h.Err
	if err == nil {
		err = p.reach(ctx, h.Asker)
	} else {
		p.failed()
	}
	if err == nil {
		defer p.answered()
		var f cluster.HostFacts
		asked := time.Now()
		if f, err = h.Asker.Observe(ctx, cfg); err == nil {
			f.Asked, f.Answered = asked.UTC(), time.Now().UTC()
			return f
		}
	}
	return cluster.HostFacts{Name: h.Host.Name, Reached: cluster.Unknown[cluster.HostInfo]("%v", err)}
}

// compare asks every host what its members hold above the revision of each
// snapshot, so that the loss of a restore can be counted in objects.
func compare(ctx context.Context, cfg cluster.Config, hosts []Reached, f *cluster.Facts) {
	revisions := snapshotRevisions(*f)
	if len(revisions) == 0 {
		return
	}
	var wg sync.WaitGroup
	for i, h := range hosts {
		if h.Asker == nil || !f.Hosts[i].Reached.OK {
			continue
		}
		wg.Go(func() {
			changes, err := h.Asker.Changes(ctx, cfg, revisions)
			if err != nil {
				return // then the loss stays unknown in objects
			}
			for j := range f.Hosts[i].Members {
				m := &f.Hosts[i].Members[j]
				m.Changes = changes[m.Name]
			}
		})
	}
	wg.Wait()
}

// each visits the facts of every member of a reached host.
func each(f *cluster.Facts, visit func(host int, m *cluster.MemberFacts)) {
	for i := range f.Hosts {
		for j := range f.Hosts[i].Members {
			visit(i, &f.Hosts[i].Members[j])
		}
	}
}

func snapshotRevisions(f cluster.Facts) []int64 {
	seen := map[int64]bool{}
	var out []int64
	for _, h := range f.Hosts {
		for _, s := range h.Snapshots {
			if s.DB.OK && !seen[s.DB.Value.Revision] {
				seen[s.DB.Value.Revision] = true
				out = append(out, s.DB.Value.Revision)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// Changes counts, for each member of this host whose db can be read, what lies
// above each revision.
func Changes(ctx context.Context, cfg cluster.Config, host string, since []int64) map[string][]cluster.Changes {
	out := map[string][]cluster.Changes{}
	for _, m := range cfg.Members {
		if m.Host != host {
			continue
		}
		for _, rev := range since {
			if c, err := datadir.ChangesSince(ctx, m.DB(), rev); err == nil {
				out[m.Name] = append(out[m.Name], c)
			}
		}
	}
	return out
}
