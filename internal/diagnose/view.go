package diagnose

import (
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// view is the facts seen from one angle: the members side by side, the
// identity they share, and whether a quorum of it is alive. It is computed
// once; every rule reads it.
type view struct {
	facts   cluster.Facts
	members []memberView
	// lineage is the cluster that the members belong to.
	lineage cluster.Known[cluster.ID]
	// list is the newest member list of the lineage; empty when none could be
	// read.
	list []cluster.MemberEntry
	// removed are the members that the lineage has taken out for ever.
	removed map[cluster.ID]bool
	// voters and quorum are counted from the list, or from the configuration
	// where no list could be read.
	voters, quorum int
	// strangers are voters of the list that salvor.yaml does not name: nothing
	// is known of them.
	strangers []cluster.MemberEntry
	// table are the rules, kubeViews the Kubernetes of each host, restore the
	// data that a recovery would put back: made once, since many rules ask.
	table     []rule
	kubeViews []kubeView
	restore   []hazardous
	// alive is true when a linearizable read succeeded: a quorum serves.
	alive bool
}

// memberView is one configured member with its facts and the verdict on it.
type memberView struct {
	cfg   cluster.Member
	facts cluster.MemberFacts
	// now is the clock of the member's host, the coordinator's when unknown.
	now     time.Time
	reached bool
	// gone tells that the operator gave the member's host up for ever.
	gone bool
	// blind tells that Salvor's own certificate, key or authority is wrong on
	// the member's host: silence then says nothing about the member.
	blind bool
	state State
}

func newView(f cluster.Facts) view {
	v := view{facts: f}
	for _, m := range f.Config.Members {
		v.members = append(v.members, viewMember(f, m))
	}
	v.lineage = lineageOf(v.members)
	v.readMembership()
	for _, m := range v.members {
		if v.sameLineage(m) && linearizable(m) {
			v.alive = true
		}
	}
	for i := range v.members {
		v.members[i].state = v.stateOf(v.members[i])
	}
	v.table, v.kubeViews = rules(), v.findKubes()
	v.restore = v.findRestore()
	return v
}

func viewMember(f cluster.Facts, m cluster.Member) memberView {
	mv := memberView{cfg: m, now: f.At, facts: unseen(m.Name)}
	h, ok := f.Host(m.Host)
	if !ok || !h.Reached.OK {
		host, _ := f.Config.Host(m.Host)
		mv.gone = host.Gone && len(h.Heard) == 0
		return mv
	}
	mv.reached, mv.blind = true, h.ClientProblem != ""
	if !h.Reached.Value.Clock.IsZero() {
		mv.now = h.Reached.Value.Clock
	}
	for _, mf := range h.Members {
		if mf.Name == m.Name {
			mv.facts = mf
		}
	}
	return mv
}

// unseen is the facts of a member about which nothing is known.
func unseen(name string) cluster.MemberFacts {
	return cluster.MemberFacts{
		Name:    name,
		Process: cluster.Unknown[cluster.ProcessFacts]("not observed"),
		Disk:    cluster.Unknown[cluster.DataDir]("not observed"),
		Live:    cluster.Unknown[cluster.LiveMember]("not observed"),
		Space:   cluster.Unknown[cluster.Space]("not observed"),
	}
}

func linearizable(m memberView) bool {
	l := m.facts.Live
	return l.OK && l.Value.Linearizable.OK && l.Value.Linearizable.Value
}

// identity gives the cluster ID that a member shows: alive or on disk.
func identity(m memberView) (cluster.ID, bool) {
	if m.facts.Live.OK {
		return m.facts.Live.Value.ClusterID, true
	}
	if m.facts.Disk.OK && m.facts.Disk.Value.ClusterID.OK {
		return m.facts.Disk.Value.ClusterID.Value, true
	}
	return 0, false
}

func (v view) sameLineage(m memberView) bool {
	id, ok := identity(m)
	return ok && v.lineage.OK && id == v.lineage.Value
}

// foreign tells whether a member shows another identity than the lineage.
func (v view) foreign(m memberView) bool {
	id, ok := identity(m)
	return ok && v.lineage.OK && id != v.lineage.Value
}

// readMembership takes the list of the member that has applied most: an older
// one may still hold whom the cluster has removed since.
func (v *view) readMembership() {
	v.removed = map[cluster.ID]bool{}
	var newest uint64
	for _, m := range v.members {
		if !v.sameLineage(m) {
			continue
		}
		if d := m.facts.Disk; d.OK && d.Value.DB.OK {
			for _, id := range d.Value.DB.Value.RemovedMembers {
				v.removed[id] = true
			}
		}
		if list := memberList(m); len(list) > 0 && (v.list == nil || applied(m) > newest) {
			v.list, newest = list, applied(m)
		}
	}
	for _, e := range v.list {
		if e.Learner {
			continue
		}
		v.voters++
		if !v.configured(e) {
			v.strangers = append(v.strangers, e)
		}
	}
	if v.voters == 0 {
		v.voters = len(v.members)
	}
	v.quorum = v.voters/2 + 1
}

// applied is how far the state goes from which memberList was read.
func applied(m memberView) uint64 {
	if m.facts.Live.OK {
		return m.facts.Live.Value.AppliedIndex
	}
	return m.facts.Disk.Value.DB.Value.ConsistentIndex
}

func (v view) configured(e cluster.MemberEntry) bool {
	for _, m := range v.members {
		if id := memberID(m); id.OK && id.Value == e.ID || e.Name == m.cfg.Name || cluster.SharesURL(e.PeerURLs, m.cfg.PeerURLs) {
			return true
		}
	}
	return false
}

// memberID is the ID that a member carries, alive or on disk.
func memberID(m memberView) cluster.Known[cluster.ID] {
	if m.facts.Live.OK {
		return cluster.Is(m.facts.Live.Value.MemberID)
	}
	if m.facts.Disk.OK {
		return m.facts.Disk.Value.MemberID
	}
	return cluster.Unknown[cluster.ID]("not observed")
}

// votes tells whether a member has a vote as far as can be known: a learner
// has none, nor has one that was removed.
func (v view) votes(m memberView) bool {
	id := memberID(m)
	if !id.OK || len(v.list) == 0 {
		return true
	}
	for _, e := range v.list {
		if e.ID == id.Value {
			return !e.Learner
		}
	}
	return false
}

// expelled tells that a member's files belong to a membership that has ended.
func (v view) expelled(m memberView) bool {
	id := memberID(m)
	if !id.OK || !v.sameLineage(m) || m.facts.Live.OK {
		return false
	}
	if v.removed[id.Value] {
		return true
	}
	for _, e := range v.list {
		if e.ID == id.Value {
			return false
		}
	}
	return len(v.list) > 0 && v.alive
}

// memberList is the membership as one member sees it, alive or on disk.
func memberList(m memberView) []cluster.MemberEntry {
	if m.facts.Live.OK && m.facts.Live.Value.Members.OK {
		return m.facts.Live.Value.Members.Value
	}
	if m.facts.Disk.OK && m.facts.Disk.Value.DB.OK {
		return m.facts.Disk.Value.DB.Value.Members
	}
	return nil
}

// with gives the members in any of these states.
func (v view) with(states ...State) []memberView {
	var out []memberView
	for _, m := range v.members {
		for _, s := range states {
			if m.state == s {
				out = append(out, m)
			}
		}
	}
	return out
}

// dirGone tells a data dir that is certainly not there, or holds nothing.
func dirGone(m memberView) bool {
	d := m.facts.Disk
	return d.OK && (d.Value.State != cluster.DirData || unborn(m))
}

// unborn tells a data dir in which an etcd began and ended before it had a log:
// what a refused start leaves in a folder that was empty. Nothing is damaged
// there, because nothing was ever there.
func unborn(m memberView) bool {
	d := m.facts.Disk.Value
	if !m.facts.Disk.OK || m.facts.Live.OK || m.facts.Process.Value.Running || d.ClusterID.OK || !d.DB.OK ||
		d.DB.Value.ConsistentIndex != 0 || d.DB.Value.Revision > 1 || len(d.DB.Value.Members) > 0 {
		return false
	}
	for _, x := range d.Damage {
		if x.Kind == cluster.DamageWALMissing {
			return true
		}
	}
	return false
}

// crippled tells a data dir with which etcd cannot start.
func crippled(m memberView) bool {
	if !m.facts.Disk.OK || m.facts.Disk.Value.State != cluster.DirData {
		return false
	}
	for _, d := range m.facts.Disk.Value.Damage {
		if d.Kind != cluster.DamageTornTail {
			return true
		}
	}
	return false
}

func (v view) stateOf(m memberView) State {
	switch {
	case m.gone && !v.alive:
		return StateLost // a living quorum has no need to give anything up
	case !m.reached:
		return StateUnknown
	case v.foreign(m):
		return StateImpostor
	case m.facts.Live.OK:
		return v.liveState(m)
	case unmounted(m), perhapsUnmounted(m):
		return StateUnknown // what is seen is not, or may not be, the data dir
	case dirGone(m):
		return StateLost
	case v.expelled(m):
		return StateRemoved
	case m.facts.Process.OK && m.facts.Process.Value.Running && !barred(m) && (m.blind || Refusing(m.facts.Live.Why)):
		return StateUnknown // it is there, and does not want to talk to us
	case m.facts.Process.OK && m.facts.Process.Value.Running && m.facts.Live.Why == cluster.CutOff:
		return StateUnknown // it had no time to answer
	case m.facts.Process.OK && m.facts.Process.Value.Running:
		return StateStuck
	case !m.facts.Disk.OK || !m.facts.Process.OK:
		return StateUnknown
	case crippled(m):
		return StateDamaged
	}
	return StateStopped
}

func (v view) liveState(m memberView) State {
	switch {
	case dirGone(m):
		return StateLost // it lives on deleted files: the next restart ends it
	case m.facts.Live.Value.Learner:
		return StateLearner
	case linearizable(m):
		return StateServing
	case v.alive && m.facts.Live.Value.Leader != 0:
		return StateServing
	}
	return StateNoQuorum
}

// Refusing tells the answers of a member that is there and does not want to
// talk to Salvor from the silence of one that hangs or has no open port.
func Refusing(why string) bool {
	for _, sign := range []string{"tls: ", "x509: ", "certificate", "permission denied", "authentication", "invalid auth", "user name is empty", "broken pipe", "connection reset"} {
		if strings.Contains(why, sign) {
			return true
		}
	}
	return false
}
