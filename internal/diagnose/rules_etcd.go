package diagnose

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// findDiverged finds members whose hashes differ at the same revision and
// compaction: nothing else proves divergence, and no alarm need be raised. Two
// hashes of each member count: at its newest revision, and at the lowest of
// all, which can be compared although writes go on.
func findDiverged(v view) []sighting {
	type at struct{ rev, compact int64 }
	seen := map[at]map[uint32][]string{}
	var order []at
	hashed := func(name string, k cluster.Known[cluster.HashKV]) {
		if !k.OK {
			return
		}
		p := at{k.Value.Revision, k.Value.CompactRevision}
		if seen[p] == nil {
			seen[p] = map[uint32][]string{}
			order = append(order, p)
		}
		for _, n := range seen[p][k.Value.Hash] {
			if n == name {
				return
			}
		}
		seen[p][k.Value.Hash] = append(seen[p][k.Value.Hash], name)
	}
	for _, m := range v.members {
		if v.sameLineage(m) && m.facts.Live.OK {
			hashed(m.cfg.Name, m.facts.Live.Value.HashKV)
			hashed(m.cfg.Name, m.facts.Live.Value.CommonHash)
		}
	}
	var out []sighting
	for _, k := range order {
		if len(seen[k]) < 2 {
			continue
		}
		var groups []string
		for h, ms := range seen[k] {
			groups = append(groups, fmt.Sprintf("%s: hash %d at revision %d", strings.Join(ms, ", "), h, k.rev))
		}
		sort.Strings(groups)
		out = append(out, sighting{"etcd", []any{k.rev, strings.Join(groups, "; ")}, groups})
		break // the other revision says the same
	}
	return out
}

// findRestoredAlone finds that several configured members each made a cluster
// of one: a snapshot was restored on each without saying who the others are.
func findRestoredAlone(v view) []sighting {
	if len(v.members) < 2 {
		return nil
	}
	var out []sighting
	for _, m := range v.members {
		list := memberList(m)
		if len(list) != 1 || m.state == StateImpostor && v.voters > 1 {
			continue
		}
		e := list[0]
		local := strings.Contains(strings.Join(e.PeerURLs, ","), "localhost") || e.Name == "default"
		if local || v.shows(m) {
			out = append(out, sighting{m.cfg.Name, []any{e.ID, e.Name, strings.Join(e.PeerURLs, ",")},
				[]string{fmt.Sprintf("%s lists one member: %s %q %s; salvor.yaml names %d", m.cfg.Name, e.ID, e.Name, strings.Join(e.PeerURLs, ","), len(v.members))}})
		}
	}
	return out
}

// shows tells that another member shows a cluster of its own as well: then no
// lineage has several members, and neither is an impostor of the other.
func (v view) shows(m memberView) bool {
	id, ok := identity(m)
	for _, o := range v.members {
		other, is := identity(o)
		if o.cfg.Name != m.cfg.Name && ok && is && other != id && len(memberList(o)) == 1 {
			return true
		}
	}
	return false
}

// findOtherHistory finds a stopped member of the same cluster ID whose log has
// committed more than the living quorum has ever seen: the cluster was restored
// with the old token, and the same ID now names two histories.
func findOtherHistory(v view) []sighting {
	if !v.alive {
		return nil
	}
	var live uint64
	for _, m := range v.members {
		if v.sameLineage(m) && m.facts.Live.OK {
			live = max(live, m.facts.Live.Value.Index)
		}
	}
	var out []sighting
	for _, m := range v.members {
		d := m.facts.Disk
		if m.facts.Live.OK || !v.sameLineage(m) || !d.OK || !d.Value.Log.OK {
			continue
		}
		if commit := d.Value.Log.Value.Commit; commit > live {
			out = append(out, sighting{m.cfg.Name, []any{commit, live},
				[]string{fmt.Sprintf("%s has committed index %d; the members that serve are at %d under the same cluster ID", m.cfg.Name, commit, live)}})
		}
	}
	return out
}

// findUnstartedLearners finds learners without a name: they were added and
// have never started.
func findUnstartedLearners(v view) []sighting {
	var out []sighting
	for _, e := range v.list {
		if e.Learner && e.Name == "" {
			urls := strings.Join(e.PeerURLs, ",")
			out = append(out, sighting{urls, []any{e.ID}, []string{fmt.Sprintf("member %s (%s) is a learner without a name", e.ID, urls)}})
		}
	}
	return out
}

// findDrift finds members whose peer URLs in the list are not those of the
// configuration.
func findDrift(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if !v.sameLineage(m) {
			continue
		}
		for _, e := range v.list {
			if id := memberID(m); id.OK && e.ID == id.Value && len(e.PeerURLs) > 0 && !cluster.SharesURL(e.PeerURLs, m.cfg.PeerURLs) {
				out = append(out, sighting{m.cfg.Name, []any{strings.Join(e.PeerURLs, ","), strings.Join(m.cfg.PeerURLs, ",")},
					[]string{fmt.Sprintf("the member list says %v, salvor.yaml says %v", e.PeerURLs, m.cfg.PeerURLs)}})
			}
		}
	}
	return out
}

// fullOfData is the share of the quota from which the data itself, and not its
// fragmentation, fills the db: defragmented, it would still be near it.
const fullOfData = 0.8

// quotaOf is a member's quota: by its status (etcd 3.6 and later), its metrics or
// its command line; etcd's default where nothing says it. Below zero it is switched
// off (server/storage/quota.go, NewBackendQuota), and nothing reaches it.
func quotaOf(m memberView) int64 {
	for _, q := range []int64{m.facts.Live.Value.DBQuota, m.facts.Metrics.Value.Quota} {
		switch {
		case q > 0:
			return q
		case q < 0:
			return math.MaxInt64
		}
	}
	var n int64
	flag, _ := cluster.StaticPod{Command: m.facts.Process.Value.Command}.Flag("quota-backend-bytes")
	if _, err := fmt.Sscan(flag, &n); err == nil && n < 0 {
		return math.MaxInt64
	} else if err == nil && n > 0 {
		return n
	}
	return defaultQuota
}

func findFullOfData(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		l := m.facts.Live
		if !l.OK || !v.sameLineage(m) || l.Value.DBInUse == 0 || len(l.Value.Alarms.Value) == 0 {
			continue
		}
		for _, a := range l.Value.Alarms.Value {
			if a.Type == "NOSPACE" && float64(l.Value.DBInUse) > fullOfData*float64(quotaOf(m)) {
				out = append(out, sighting{m.cfg.Name, []any{l.Value.DBInUse, quotaOf(m)},
					[]string{fmt.Sprintf("%s: %d bytes in use of a quota of %d", m.cfg.Name, l.Value.DBInUse, quotaOf(m))}})
				break
			}
		}
	}
	return out
}

func findNearQuota(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if l := m.facts.Live; l.OK && float64(l.Value.DBSize) > 0.8*float64(quotaOf(m)) {
			out = append(out, sighting{m.cfg.Name, []any{l.Value.DBSize, quotaOf(m), l.Value.DBInUse},
				[]string{sizesOf(m)}})
		}
	}
	return out
}

// findFragmented finds dbs that are mostly air (etcd contrib/mixin: less than
// half in use, and more than 100 MB).
func findFragmented(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if l := m.facts.Live; l.OK && l.Value.DBSize > 100<<20 && l.Value.DBInUse > 0 && l.Value.DBInUse*2 < l.Value.DBSize {
			out = append(out, sighting{m.cfg.Name, []any{l.Value.DBSize, l.Value.DBInUse},
				[]string{fmt.Sprintf("%s: db %d bytes, %d in use", m.cfg.Name, l.Value.DBSize, l.Value.DBInUse)}})
		}
	}
	return out
}

// findAuth finds etcd's own authentication switched on while Salvor, and an API
// server like it, has no user.
func findAuth(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		l := m.facts.Live
		if l.OK && !l.Value.Linearizable.OK && (strings.Contains(l.Value.Linearizable.Why, "user name is empty") || strings.Contains(l.Value.Linearizable.Why, "invalid auth")) {
			out = append(out, sighting{m.cfg.Name, []any{l.Value.Linearizable.Why}, []string{m.cfg.Name + ": " + l.Value.Linearizable.Why}})
		} else if lockedOut(m) {
			out = append(out, sighting{m.cfg.Name, []any{l.Why}, []string{m.cfg.Name + ": " + l.Why}})
		} else if d := m.facts.Disk; !l.OK && d.OK && d.Value.DB.OK && d.Value.DB.Value.AuthEnabled {
			out = append(out, sighting{m.cfg.Name, []any{"auth is enabled in the db"}, []string{m.cfg.DB() + ": auth is enabled"}})
		}
	}
	return out
}

// version is an etcd version as three numbers.
type version [3]int

func parseVersion(s string) (version, bool) {
	var v version
	parts := strings.SplitN(strings.TrimPrefix(s, "v"), ".", 3)
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(strings.SplitN(p, "-", 2)[0])
		if err != nil {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// versionFinder finds members whose version a test hits: as living ones say, and,
// if stopped is wanted, as the program of those that do not answer says.
func versionFinder(v view, stopped bool, hit func(version) bool) []sighting {
	var out []sighting
	for _, m := range v.members {
		text, said := m.facts.Live.Value.Version, " runs etcd "
		if p := m.facts.Process; !m.facts.Live.OK && p.OK && stopped {
			text, said = p.Value.Version, "'s program is etcd "
		}
		if n, ok := parseVersion(text); ok && hit(n) {
			out = append(out, sighting{m.cfg.Name, []any{text}, []string{m.cfg.Name + said + text}})
		}
	}
	return out
}

// findVersionHazard looks at stopped members, too: it is the crash that does the
// harm, and what they hold has to be compared once they serve.
func findVersionHazard(v view) []sighting {
	return versionFinder(v, true, func(n version) bool { return n[0] == 3 && n[1] == 5 && n[2] <= 5 })
}

// findVersionRace finds versions in which a defragmentation that meets a snapshot
// from the leader damages the db. What is worse already is told as that.
func findVersionRace(v view) []sighting {
	return versionFinder(v, false, func(n version) bool {
		return n[0] == 3 && (n[1] == 4 && n[2] <= 37 || n[1] == 5 && n[2] > 5 && n[2] <= 22 || n[1] == 6 && n[2] <= 4)
	})
}

func findVersionZombies(v view) []sighting {
	return versionFinder(v, false, func(n version) bool { return n[0] == 3 && n[1] == 5 && n[2] > 5 && n[2] <= 25 })
}

func findVersionsMixed(v view) []sighting {
	minors := map[int][]string{}
	var order []int
	for _, m := range v.members {
		if l := m.facts.Live; l.OK && v.sameLineage(m) {
			if n, ok := parseVersion(l.Value.Version); ok {
				if minors[n[1]] == nil {
					order = append(order, n[1])
				}
				minors[n[1]] = append(minors[n[1]], m.cfg.Name+" "+l.Value.Version)
			}
		}
	}
	if len(order) < 2 {
		return nil
	}
	sort.Ints(order)
	var lines []string
	for _, o := range order {
		lines = append(lines, strings.Join(minors[o], ", "))
	}
	return []sighting{{"etcd", []any{strings.Join(lines, "; ")}, lines}}
}

// findQuorumGone finds that so many disks are certainly lost that no quorum can
// come back by itself.
func findQuorumGone(v view) []sighting {
	var gone []memberView
	for _, m := range v.members {
		if v.votes(m) && !m.facts.Live.OK && (m.state == StateLost || m.state == StateDamaged || m.state == StateRemoved) {
			gone = append(gone, m)
		}
	}
	if len(gone) == 0 || v.alive || v.perhapsAlive() || v.voters-len(gone) >= v.quorum {
		return nil
	}
	s := sighting{subject: "etcd", args: []any{names(gone), v.voters, v.quorum}}
	for _, m := range gone {
		s.evidence = append(s.evidence, fmt.Sprintf("%s is %s", m.cfg.Name, m.state))
	}
	return []sighting{s}
}

// findNoSpare finds a cluster that serves and that one more failure would
// stop: an even number of voters, or a single one, or one of three missing.
func findNoSpare(v view) []sighting {
	if !v.alive {
		return nil
	}
	serving := len(v.with(StateServing))
	if v.voters < 3 || serving >= v.voters || serving > v.quorum {
		return nil
	}
	return []sighting{{"etcd", []any{serving, v.voters}, []string{fmt.Sprintf("%d of %d voters serve, %d are needed", serving, v.voters, v.quorum)}}}
}

// findServesOld finds members that still show another certificate than the one
// on disk.
func findServesOld(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		disk := map[string]cluster.Certificate{}
		for _, c := range m.facts.Certificates {
			if c.OK && !strings.HasPrefix(c.Value.Source, "served:") && disk[c.Value.Use].Source == "" {
				disk[c.Value.Use] = c.Value
			}
		}
		for _, c := range m.facts.Certificates {
			d := disk[c.Value.Use]
			if c.OK && strings.HasPrefix(c.Value.Source, "served:") && d.SHA256 != "" && c.Value.SHA256 != "" && d.SHA256 != c.Value.SHA256 {
				out = append(out, sighting{m.cfg.Name, []any{c.Value.Source, d.Source},
					[]string{fmt.Sprintf("%s shows serial %s until %s; %s has serial %s until %s", c.Value.Source, c.Value.Serial, stamp(c.Value.NotAfter), d.Source, d.Serial, stamp(d.NotAfter))}})
				break
			}
		}
	}
	return out
}

// findWrongName finds server and peer certificates that do not name the
// address at which the member is reached. A certificate without any name is
// not judged: it names the host elsewhere.
func findWrongName(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if m.state == StateServing && v.alive && len(v.with(StateServing)) == len(v.members) {
			continue // what all accept is no fault
		}
		for _, c := range m.facts.Certificates {
			if !c.OK || strings.HasPrefix(c.Value.Source, "served:") || len(c.Value.IPs)+len(c.Value.DNSNames) == 0 {
				continue
			}
			urls := m.cfg.ClientURLs
			if c.Value.Use == "peer" {
				urls = m.cfg.PeerURLs
			} else if c.Value.Use != "server" {
				continue
			}
			if bad := unnamed(c.Value, urls); bad != "" {
				out = append(out, sighting{m.cfg.Name, []any{c.Value.Source, bad},
					[]string{fmt.Sprintf("%s (%s) names %v %v, not %s", c.Value.Source, c.Value.Use, c.Value.IPs, c.Value.DNSNames, bad)}})
				break
			}
		}
	}
	return out
}

// unnamed gives the host of the URLs when a certificate names none of them.
func unnamed(c cluster.Certificate, urls []string) string {
	bad := ""
	for _, u := range urls {
		host := urlHost(u)
		if !strings.HasPrefix(u, "https://") || host == "" || loopback(host) || host == "localhost" {
			return ""
		}
		named := false
		for _, n := range append(append([]string{}, c.IPs...), c.DNSNames...) {
			wild, ok := strings.CutPrefix(n, "*.")
			_, rest, _ := strings.Cut(host, ".")
			named = named || strings.EqualFold(n, host) || ok && strings.EqualFold(wild, rest)
		}
		if named {
			return ""
		}
		bad = host
	}
	return bad
}
