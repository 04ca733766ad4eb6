package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// bad are the states of members that must be replaced.
func bad() []diagnose.State {
	return []diagnose.State{diagnose.StateLost, diagnose.StateDamaged, diagnose.StateImpostor, diagnose.StateRemoved}
}

// living repairs a cluster that keeps its identity: it starts what only has to
// be started, so that every later step has as many voters as possible, and
// then replaces what cannot come back, one member after the other.
func (b *builder) living() {
	b.keepIdentity()
	b.count()
	needs := b.startAll()
	worst := b.order(append(b.within(bad()...), b.condemned()...))
	if len(worst) > 0 && b.err == nil {
		needs = b.secure(needs)
	}
	for _, m := range worst {
		if b.err == nil {
			needs = b.replace(m, needs)
		}
	}
	if b.err == nil {
		needs = b.promoteAll(needs)
	}
	if b.err == nil {
		b.release(b.prove(b.expected(), needs), false)
	}
}

// count takes stock of the voters that answer now.
func (b *builder) count() {
	for _, e := range b.memberList() {
		if !e.Learner {
			b.voters++
		}
	}
	if b.voters == 0 {
		b.voters = len(b.facts.Config.Members)
	}
	for _, m := range b.facts.Config.Members {
		if f, ok := b.facts.Member(m.Name); ok && (b.answers(f) || b.state(m.Name) == diagnose.StateNoQuorum) {
			b.answering++
		}
	}
}

// promoteAll gives learners their vote that an earlier attempt has left without.
func (b *builder) promoteAll(needs []StepID) []StepID {
	for _, m := range b.within(diagnose.StateLearner) {
		through := b.voice()
		if b.err != nil {
			return nil
		}
		needs = []StepID{b.add(through.Host, m.Name, PromoteLearner{Through: through.Name, Name: m.Name, PeerURLs: m.PeerURLs}, needs...)}
	}
	return needs
}

// answers tells that a member of this lineage serves, on whatever disk.
func (b *builder) answers(f cluster.MemberFacts) bool {
	l := f.Live
	return l.OK && l.Value.ClusterID == b.diag.ClusterID.Value && !l.Value.Learner && l.Value.Leader != 0
}

// condemned are members whose files look sound and that etcd itself refuses to
// start with, because their content differs from the peers': they are replaced
// from the living quorum.
func (b *builder) condemned() []cluster.Member {
	var out []cluster.Member
	for _, m := range b.within(diagnose.StateStopped, diagnose.StateStuck) {
		if b.isCondemned(m) {
			out = append(out, m)
		}
	}
	return out
}

func (b *builder) isCondemned(m cluster.Member) bool {
	h, ok := b.facts.Host(m.Host)
	if !ok || !b.alive() {
		return false
	}
	for _, l := range h.Node.Logs {
		if l.Component != "etcd" || l.Member != m.Name && l.Member != "" {
			continue
		}
		for _, s := range l.Signs.Value {
			if s.Cause == cluster.SaidCorrupt {
				return true
			}
		}
	}
	return false
}

// startInTurn starts members one after the other, each when the one before
// answers its peers. With --initial-corrupt-check (kubeadm and kubespray set it)
// a starting member asks every peer for its hash before it answers any: members
// that start together wait for each other until the question times out, 15 s a
// peer with kubespray's election timeout (etcdserver/corrupt.go, InitialCheck).
// One that fails does not keep the next ones from being started, as long as a
// quorum can be had.
//
// list, when set, is the initial cluster that static pods' manifests are to
// have from now on: kubeadm leaves its first member's with that member alone and
// the state "new", which makes another cluster on the day its disk is lost.
func (b *builder) startInTurn(members []cluster.Member, needs []StepID, list string) []StepID {
	quiet := needs
	for _, m := range members {
		quiet = append(slices.Clone(quiet), b.quiet(m, needs)...)
	}
	quiet = uniqueSteps(quiet)
	var started []StepID
	for _, m := range members {
		a := StartMember{Member: m.Name}
		if m.Run.StaticPod != "" {
			a.InitialCluster = list
		}
		started = append(started, b.addSpare(m.Host, m.Name, a, slices.Concat(quiet, started)...))
	}
	return started
}

func uniqueSteps(in []StepID) []StepID {
	var out []StepID
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// startAll starts stopped members in turn, then restarts those that do not
// answer, one at a time and only if the others can do without.
func (b *builder) startAll() []StepID {
	stopped := slices.DeleteFunc(b.within(diagnose.StateStopped), b.isCondemned)
	started := b.startInTurn(stopped, nil, "")
	b.answering += len(stopped)
	stuck := slices.DeleteFunc(b.within(diagnose.StateStuck), b.isCondemned)
	if len(stuck) == 0 {
		return started
	}
	if b.alive() && b.answering < b.voters/2+1 {
		b.err = fmt.Errorf("%w: a quorum serves, but only %d of its %d voters answer Salvor: the others may be well and only out of reach (check clientURLs and firewalls)",
			ErrUnseen, b.answering, b.voters)
		return nil
	}
	for _, m := range stuck {
		if err := b.patient(m); err != nil {
			b.err = err
			return nil
		}
		stop := b.add(m.Host, m.Name, StopMember{Member: m.Name}, b.quiet(m, started)...)
		started = []StepID{b.add(m.Host, m.Name, StartMember{Member: m.Name}, stop)}
		b.answering++
	}
	return started
}

// patience is how long a member may take to read its own files before it
// counts as hanging.
const patience = 3 * time.Minute

// patient refuses to restart a member that has only just been started.
func (b *builder) patient(m cluster.Member) error {
	f, _ := b.facts.Member(m.Name)
	since := f.Process.Value.Since
	if since.IsZero() || b.facts.At.Sub(since) >= patience {
		return nil
	}
	return fmt.Errorf("%w: %s was started %s ago and does not answer yet; it may be reading its files: diagnose again in a few minutes",
		ErrUnseen, m.Name, b.facts.At.Sub(since).Round(time.Second))
}

func (b *builder) alive() bool {
	c, ok := b.diag.Chosen()
	return ok && c.Kind == diagnose.FromQuorum
}

// order puts members that do not serve first: replacing them adds a voter
// before one that still serves, on deleted files, is stopped.
func (b *builder) order(ms []cluster.Member) []cluster.Member {
	var dead, serving []cluster.Member
	for _, m := range ms {
		if f, ok := b.facts.Member(m.Name); ok && b.answers(f) {
			serving = append(serving, m)
		} else {
			dead = append(dead, m)
		}
	}
	return append(dead, serving...)
}

// keepIdentity expects the cluster to stay the one it is.
func (b *builder) keepIdentity() {
	b.plan.Expect.ClusterID = b.diag.ClusterID.Value
}

// expected are the members that the cluster ought to have in the end: all that
// can be worked on.
func (b *builder) expected() []cluster.Member {
	var out []cluster.Member
	for _, m := range b.facts.Config.Members {
		if h, ok := b.facts.Host(m.Host); ok && h.Reached.OK {
			out = append(out, m)
		} else {
			b.warn("left-out", m.Name, m.Host)
		}
	}
	return out
}

// secure waits for the quorum and takes a snapshot before a membership is
// changed for good.
func (b *builder) secure(needs []StepID) []StepID {
	through := b.voice()
	if b.err != nil {
		return nil
	}
	if len(needs) > 0 {
		needs = []StepID{b.add(through.Host, through.Name+"-quorum", AwaitQuorum{Member: through.Name, Voters: b.voters/2 + 1}, needs...)}
	}
	return []StepID{b.add(through.Host, through.Name, SaveSnapshot{Member: through.Name, Out: b.caseFile(through.Host, "before.db")}, needs...)}
}

// voice is the member through which a living cluster is spoken to: one that
// stays.
func (b *builder) voice() cluster.Member {
	for _, s := range []diagnose.State{diagnose.StateServing, diagnose.StateStopped, diagnose.StateStuck, diagnose.StateNoQuorum} {
		if ms := b.within(s); len(ms) > 0 {
			return ms[0]
		}
	}
	b.err = ErrNoCandidate
	return cluster.Member{}
}

// replace removes a member and lets it join again as a learner. Its process is
// stopped only while the others hold a quorum without it.
func (b *builder) replace(m cluster.Member, needs []StepID) []StepID {
	through := b.voice()
	if b.err != nil {
		return nil
	}
	f, _ := b.facts.Member(m.Name)
	if b.answers(f) {
		b.answering--
	}
	if b.answering < b.voters/2+1 {
		b.err = fmt.Errorf("%w: replacing %s would leave %d of %d voters, which is no quorum; bring another member back first", ErrRefused, m.Name, b.answering, b.voters)
		return nil
	}
	for _, e := range b.memberList() {
		// Its own, from an attempt that did not come to its end, is replaced.
		if e.Learner && !cluster.SharesURL(e.PeerURLs, m.PeerURLs) {
			b.err = fmt.Errorf("%w: member %s is a learner already, and etcd takes one at a time: promote it or remove it first", ErrRefused, e.ID)
			return nil
		}
	}
	stop := b.add(m.Host, m.Name, StopMember{Member: m.Name}, b.quiet(m, needs)...)
	after := []StepID{stop}
	var old cluster.ID
	if e, ok := b.entryOf(m, f); ok {
		old = e.ID
		after = append(after, b.add(through.Host, m.Name, RemoveMember{Through: through.Name, ID: e.ID, Name: m.Name}, stop))
	}
	data, wal := b.moves(m)
	after = append(after, b.add(m.Host, m.Name, SetAside{From: data.live, To: data.aside}, stop))
	if wal != nil {
		after = append(after, b.add(m.Host, m.Name+"-wal", SetAside{From: wal.live, To: wal.aside}, stop))
	}
	learner := b.add(through.Host, m.Name, AddLearner{Through: through.Name, Name: m.Name, PeerURLs: m.PeerURLs, NotID: old}, after...)
	start := b.add(m.Host, m.Name, StartMember{Member: m.Name, Clients: b.clientURLs()}, learner)
	b.answering++
	return []StepID{b.add(through.Host, m.Name, PromoteLearner{Through: through.Name, Name: m.Name, PeerURLs: m.PeerURLs}, start)}
}

// entryOf finds the membership that a member has to give up. The ID on its
// disk counts only if the disk is this cluster's.
func (b *builder) entryOf(m cluster.Member, f cluster.MemberFacts) (cluster.MemberEntry, bool) {
	id := f.Disk.Value.MemberID
	if d := f.Disk; !d.OK || !d.Value.ClusterID.OK || d.Value.ClusterID.Value != b.diag.ClusterID.Value {
		id = cluster.Unknown[cluster.ID]("the disk is not this cluster's")
	}
	return cluster.FindEntry(b.memberList(), m, id, b.facts.Config.Members)
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
		if !ok || !b.answers(f) {
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
	b.release(b.prove(b.expected(), []StepID{last}), false)
}
