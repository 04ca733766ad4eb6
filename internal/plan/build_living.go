package plan

import (
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// start brings back members whose files are sound, and then replaces those
// whose files are not.
func (b *builder) start() {
	var started []StepID
	for _, m := range b.within(diagnose.StateStuck) {
		stop := b.add(m.Host, m.Name, StopMember{Member: m.Name})
		started = append(started, b.add(m.Host, m.Name, StartMember{Member: m.Name}, stop))
	}
	for _, m := range b.within(diagnose.StateStopped) {
		started = append(started, b.add(m.Host, m.Name, StartMember{Member: m.Name}))
	}
	b.keepIdentity()
	bad := b.within(diagnose.StateLost, diagnose.StateDamaged, diagnose.StateImpostor)
	if len(bad) == 0 {
		b.prove(b.facts.Config.Members, started)
		return
	}
	up := b.within(diagnose.StateStuck, diagnose.StateStopped, diagnose.StateNoQuorum, diagnose.StateServing)
	quorum := b.add(up[0].Host, up[0].Name+"-quorum", AwaitQuorum{Member: up[0].Name, Voters: len(up)}, started...)
	b.replaceAll([]StepID{quorum})
}

// keepIdentity expects the cluster to stay the one it is.
func (b *builder) keepIdentity() {
	b.plan.Expect.ClusterID = b.diag.ClusterID.Value
}

// replaceAll replaces every bad member of a living cluster, one after the
// other: remove first, then join as a learner, then promote.
func (b *builder) replaceAll(needs []StepID) {
	b.keepIdentity()
	through := b.voice()
	if b.err != nil {
		return
	}
	last := b.add(through.Host, through.Name, SaveSnapshot{Member: through.Name, Out: b.caseFile(through.Host, "before.db")}, needs...)
	for _, m := range b.within(diagnose.StateLost, diagnose.StateDamaged, diagnose.StateImpostor) {
		last = b.replace(through, m, last)
	}
	b.prove(b.facts.Config.Members, []StepID{last})
}

// voice is the member through which a living cluster is spoken to.
func (b *builder) voice() cluster.Member {
	for _, s := range []diagnose.State{diagnose.StateServing, diagnose.StateStopped, diagnose.StateStuck, diagnose.StateNoQuorum} {
		if ms := b.within(s); len(ms) > 0 {
			return ms[0]
		}
	}
	b.err = ErrNoCandidate
	return cluster.Member{}
}

func (b *builder) replace(through, m cluster.Member, after StepID) StepID {
	stop := b.add(m.Host, m.Name, StopMember{Member: m.Name}, after)
	needs := []StepID{stop}
	var old cluster.ID
	if e, ok := b.entry(m); ok {
		old = e.ID
		needs = append(needs, b.add(through.Host, m.Name, RemoveMember{Through: through.Name, ID: e.ID, Name: m.Name}, stop))
	}
	data, wal := b.moves(m)
	needs = append(needs, b.add(m.Host, m.Name, SetAside{From: data.live, To: data.aside}, stop))
	if wal != nil {
		needs = append(needs, b.add(m.Host, m.Name+"-wal", SetAside{From: wal.live, To: wal.aside}, stop))
	}
	learner := b.add(through.Host, m.Name, AddLearner{Through: through.Name, Name: m.Name, PeerURLs: m.PeerURLs, NotID: old}, needs...)
	start := b.add(m.Host, m.Name, StartMember{Member: m.Name, Clients: b.clientURLs()}, learner)
	return b.add(through.Host, m.Name, PromoteLearner{Through: through.Name, Name: m.Name, PeerURLs: m.PeerURLs}, start)
}

// entry finds a member in the list that the living cluster holds, by name or,
// for one that never started, by peer URL.
func (b *builder) entry(m cluster.Member) (cluster.MemberEntry, bool) {
	for _, e := range b.memberList() {
		if e.Name == m.Name || sharesURL(e.PeerURLs, m.PeerURLs) {
			return e, true
		}
	}
	return cluster.MemberEntry{}, false
}

// memberList is the list of the lineage, from a live member if there is one.
func (b *builder) memberList() []cluster.MemberEntry {
	var disk []cluster.MemberEntry
	for _, h := range b.facts.Hosts {
		for _, m := range h.Members {
			if m.Live.OK && m.Live.Value.ClusterID == b.diag.ClusterID.Value && m.Live.Value.Members.OK {
				return m.Live.Value.Members.Value
			}
			d := m.Disk
			if disk == nil && d.OK && d.Value.DB.OK && d.Value.ClusterID.OK && d.Value.ClusterID.Value == b.diag.ClusterID.Value {
				disk = d.Value.DB.Value.Members
			}
		}
	}
	return disk
}

func sharesURL(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// makeRoom ends a quota alarm: snapshot, compact, defragment one by one with
// the leader last, and only then disarm.
func (b *builder) makeRoom() {
	b.keepIdentity()
	through := b.voice()
	if b.err != nil {
		return
	}
	var revision int64
	var followers, leaders []cluster.Member
	for _, m := range b.facts.Config.Members {
		f, ok := b.facts.Member(m.Name)
		if !ok || !f.Live.OK {
			continue
		}
		revision = max(revision, f.Live.Value.Revision)
		if f.Live.Value.Leader == f.Live.Value.MemberID {
			leaders = append(leaders, m)
		} else {
			followers = append(followers, m)
		}
	}
	last := b.add(through.Host, through.Name, SaveSnapshot{Member: through.Name, Out: b.caseFile(through.Host, "before.db")})
	last = b.add(through.Host, through.Name, Compact{Through: through.Name, Revision: revision}, last)
	for _, m := range append(followers, leaders...) {
		last = b.add(m.Host, m.Name, Defragment{Member: m.Name}, last)
	}
	last = b.add(through.Host, through.Name, DisarmAlarm{Through: through.Name, Type: "NOSPACE"}, last)
	b.warn("history-compacted", revision)
	b.prove(b.facts.Config.Members, []StepID{last})
}
