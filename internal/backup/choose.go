package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/remote"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// source is where a backup's snapshot comes from.
type source struct {
	host   *remote.Host
	member cluster.Member
	live   cluster.LiveMember // zero if salvaged
	disk   cluster.DataDir    // zero if live
	// log is the member whose log is replayed on this one's db; nil: its own, if
	// it is salvaged.
	log *source
	salvage,
	quorum bool
	highest int64 // that any member of the cluster says
	said    []string
}

// ErrNoSource says that there is nothing to back up.
var ErrNoSource = errors.New("no member answers, and no data dir can be salvaged")

// Identity reads from the data, living or not, which cluster a backup made now
// would be of. The UID of kube-system is read where a member lives.
func Identity(ctx context.Context, fleet *remote.Fleet) (catalog.Cluster, error) {
	of := catalog.Cluster{Name: fleet.Config.Cluster}
	sources, err := choose(ctx, fleet)
	if err != nil {
		return of, err
	}
	s := sources[0]
	if id := s.clusterID(); id != 0 {
		of.ID = id.String()
	}
	if s.salvage {
		return of, nil
	}
	data, err := s.host.Data(ctx, fleet.Config, s.member.Name, false)
	if err != nil {
		return of, fmt.Errorf("read the identity of the cluster: %w", err)
	}
	of.KubeSystemUID = data.KubeSystemUID
	return of, nil
}

// clusterID is etcd's; zero: the data does not tell.
func (s source) clusterID() cluster.ID {
	if s.salvage {
		return s.disk.ClusterID.Value
	}
	return s.live.ClusterID
}

// choose lists what can be backed up, the best first: the living healthy
// members, the most advanced first; with none alive, the stopped ones, whose
// log leads furthest first.
func choose(ctx context.Context, fleet *remote.Fleet) ([]source, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var alive []source
	var said []string
	for _, h := range withMembers(fleet) {
		wg.Go(func() {
			all, err := h.Members(ctx, fleet.Config)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				said = append(said, fmt.Sprintf("host %s: %v", h.Name, err))
			}
			for _, s := range all {
				if !s.Live.OK {
					said = append(said, fmt.Sprintf("member %s: %s", s.Member, s.Live.Why))
					continue
				}
				m, _ := fleet.Config.Member(s.Member)
				alive = append(alive, source{host: h, member: m, live: s.Live.Value,
					quorum: s.Live.Value.Linearizable.OK && s.Live.Value.Linearizable.Value})
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.Sort(said)
	if best := mostAdvanced(alive, fleet.Config); len(best) > 0 {
		best[0].said = said
		return best, nil
	}
	for _, s := range alive {
		said = append(said, fmt.Sprintf("member %s: %s", s.member.Name, unfit(s.live)))
	}
	return stopped(ctx, fleet, said)
}

// withMembers gives the hosts that run members: a worker is not asked, nor
// waited for.
func withMembers(fleet *remote.Fleet) []*remote.Host {
	return slices.DeleteFunc(slices.Clone(fleet.Hosts()), func(h *remote.Host) bool {
		return !slices.ContainsFunc(fleet.Config.Members, func(m cluster.Member) bool { return m.Host == h.Name })
	})
}

// unfit says why a living member's data must not be backed up as the
// cluster's; empty: it may.
func unfit(m cluster.LiveMember) string {
	switch {
	case m.Learner:
		return "it is a learner"
	case m.Revision == 0:
		return "it knows no revision"
	}
	if m.Alarms.OK {
		for _, a := range m.Alarms.Value {
			if a.Type == "CORRUPT" && a.MemberID == m.MemberID {
				return "it has the alarm CORRUPT"
			}
		}
	}
	return ""
}

// standing is what speaks for one cluster among those that members are of. A
// member that was started anew, alone, is healthy and has a quorum of itself:
// that a cluster knows the configured members comes before how it does, as in
// package diagnose.
type standing struct {
	serves        bool // a quorum answers, and more than one configured member is in it
	listed        int  // configured members that its member list names
	votes         int  // members that were found of it
	highest       int64
	term, reached uint64
}

func (a standing) compare(b standing) int {
	return cmp.Or(cmp.Compare(yes(a.serves), yes(b.serves)), cmp.Compare(a.listed, b.listed), cmp.Compare(a.votes, b.votes),
		cmp.Compare(a.term, b.term), cmp.Compare(a.reached, b.reached), cmp.Compare(a.highest, b.highest))
}

// standings weighs the clusters of all sources.
func standings(all []source, cfg cluster.Config) map[cluster.ID]standing {
	out := map[cluster.ID]standing{}
	for _, s := range all {
		x, listed := out[s.clusterID()], s.listed(cfg)
		if s.log == nil { // each member once
			x.votes++
		}
		x.listed = max(x.listed, listed)
		x.serves = x.serves || s.quorum && listed > 1
		x.highest = max(x.highest, s.live.Revision)
		if s.salvage {
			if t, i := s.reach(); t > x.term || t == x.term && i > x.reached {
				x.term, x.reached = t, i
			}
		}
		out[s.clusterID()] = x
	}
	return out
}

// listed counts the configured members in the list that a source holds.
func (s source) listed(cfg cluster.Config) int {
	list := s.live.Members.Value
	if s.salvage {
		list = s.disk.DB.Value.Members
	}
	n := 0
	for _, e := range list {
		if _, ok := cfg.Member(e.Name); ok {
			n++
		}
	}
	return n
}

// ofOne sorts sources by the standing of their clusters and then by less, and
// keeps those of the first cluster.
func ofOne(all []source, cfg cluster.Config, order func(a, b source) int) []source {
	of := standings(all, cfg)
	slices.SortFunc(all, func(b, a source) int {
		x, y := a.clusterID(), b.clusterID()
		if x != y {
			return cmp.Or(of[x].compare(of[y]), cmp.Compare(y, x))
		}
		return order(a, b)
	})
	for i := range all {
		all[i].highest = of[all[i].clusterID()].highest
		if all[i].clusterID() != all[0].clusterID() {
			return all[:i]
		}
	}
	return all
}

// mostAdvanced lists the fit members of the cluster with the best standing:
// with a quorum before those without, and the highest revision first.
func mostAdvanced(all []source, cfg cluster.Config) []source {
	all = slices.DeleteFunc(slices.Clone(all), func(s source) bool { return unfit(s.live) != "" })
	return ofOne(all, cfg, func(a, b source) int {
		return cmp.Or(cmp.Compare(yes(a.quorum), yes(b.quorum)),
			cmp.Compare(a.live.Revision, b.live.Revision), cmp.Compare(a.live.AppliedIndex, b.live.AppliedIndex),
			cmp.Compare(yes(a.live.Leader != a.live.MemberID), yes(b.live.Leader != b.live.MemberID)), // spare the leader
			strings.Compare(b.member.Name, a.member.Name))
	})
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}
