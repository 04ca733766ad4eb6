package diagnose

import (
	"fmt"

	"github.com/salvor-project/salvor/internal/cluster"
)

func findUnreachable(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK && !v.givenUp(h.Name) {
			out = append(out, sighting{h.Name, []any{h.Reached.Why}, []string{h.Reached.Why}})
		}
	}
	return out
}

// findGivenUp repeats what the operator has said, as long as nothing speaks
// against it.
func findGivenUp(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK && v.givenUp(h.Name) {
			out = append(out, sighting{h.Name, []any{h.Reached.Why}, []string{"given up by the operator; " + h.Reached.Why}})
		}
	}
	return out
}

func (v view) givenUp(name string) bool {
	own, _ := v.facts.Config.Host(name)
	h, _ := v.facts.Host(name)
	return own.Gone && len(h.Heard) == 0
}

func findLost(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		d := m.facts.Disk
		switch {
		case unborn(m):
			out = append(out, sighting{m.cfg.Name, []any{d.Value.Path, cluster.DirEmpty},
				[]string{fmt.Sprintf("%s has no log, and nothing was ever written to its db: a start that failed left it", d.Value.Path)}})
		case d.OK && (d.Value.State == cluster.DirAbsent || d.Value.State == cluster.DirEmpty):
			out = append(out, sighting{m.cfg.Name, []any{d.Value.Path, d.Value.State},
				[]string{fmt.Sprintf("%s is %s", d.Value.Path, d.Value.State)}})
		}
	}
	return out
}

func findForeign(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if d := m.facts.Disk; d.OK && d.Value.State == cluster.DirForeign {
			out = append(out, sighting{m.cfg.Name, []any{d.Value.Path}, []string{d.Value.Path + " has no member folder"}})
		}
	}
	return out
}

// findDamage finds the members with damage of these kinds.
func findDamage(v view, kinds ...cluster.DamageKind) []sighting {
	var out []sighting
	for _, m := range v.members {
		if !m.facts.Disk.OK || m.facts.Disk.Value.State != cluster.DirData || unborn(m) {
			continue
		}
		if s, ok := damageOf(m, kinds); ok {
			out = append(out, s)
		}
	}
	return out
}

func findWALDamaged(v view) []sighting  { return findDamage(v, cluster.DamageWAL) }
func findWALMissing(v view) []sighting  { return findDamage(v, cluster.DamageWALMissing) }
func findTornTail(v view) []sighting    { return findDamage(v, cluster.DamageTornTail) }
func findDBDamaged(v view) []sighting   { return findDamage(v, cluster.DamageDB) }
func findDBTruncated(v view) []sighting { return findDamage(v, cluster.DamageDBTruncated) }
func findDBMissing(v view) []sighting   { return findDamage(v, cluster.DamageDBMissing) }
func findWALBehind(v view) []sighting   { return findDamage(v, cluster.DamageBehind) }

func damageOf(m memberView, kinds []cluster.DamageKind) (sighting, bool) {
	s := sighting{subject: m.cfg.Name}
	for _, d := range m.facts.Disk.Value.Damage {
		for _, k := range kinds {
			if d.Kind == k {
				s.evidence = append(s.evidence, fmt.Sprintf("%s at offset %d: %s", d.File, d.Offset, d.What))
				if len(s.args) == 0 {
					s.args = []any{d.File, d.Offset, d.What}
				}
			}
		}
	}
	return s, len(s.evidence) > 0
}

func findStuck(v view) []sighting {
	var out []sighting
	for _, m := range v.with(StateStuck) {
		pid, why := m.facts.Process.Value.PID, m.facts.Live.Why
		if m.facts.Process.Value.Frozen {
			why += fmt.Sprintf("; a signal or a debugger has stopped it (state T), and `kill -CONT %d` lets it go on", pid)
		}
		out = append(out, sighting{m.cfg.Name, []any{pid, why}, []string{fmt.Sprintf("process %d runs; %s", pid, why)}})
	}
	return out
}

func findStopped(v view) []sighting {
	var out []sighting
	for _, m := range v.with(StateStopped) {
		out = append(out, sighting{m.cfg.Name, []any{m.cfg.DataDir},
			[]string{"no process holds " + m.cfg.DataDir, "its files are sound"}})
	}
	return out
}

// findIsolated finds members that answer and know no leader while others serve:
// they are cut off from their peers, not from us.
func findIsolated(v view) []sighting {
	var out []sighting
	if !v.alive {
		return nil
	}
	for _, m := range v.with(StateNoQuorum) {
		serve := names(v.with(StateServing))
		out = append(out, sighting{m.cfg.Name, []any{serve}, []string{
			fmt.Sprintf("%s answers at %s and knows no leader: %s", m.cfg.Name, m.facts.Live.Value.Endpoint, m.facts.Live.Value.Linearizable.Why), serve + " serve with a quorum"}})
	}
	return out
}

func findLeaderless(v view) []sighting {
	ms := v.with(StateNoQuorum)
	if v.alive || len(ms) < v.quorum {
		return nil
	}
	s := sighting{subject: "etcd", args: []any{names(ms)}}
	for _, m := range ms {
		s.evidence = append(s.evidence, fmt.Sprintf("%s runs, leader %s: %s", m.cfg.Name, m.facts.Live.Value.Leader, m.facts.Live.Value.Linearizable.Why))
	}
	return []sighting{s}
}

func findQuorumLost(v view) []sighting {
	if len(v.members) == 0 || v.alive || v.perhapsAlive() || v.unseen() >= v.quorum {
		return nil
	}
	running := v.with(StateNoQuorum, StateServing)
	return []sighting{{"etcd", []any{len(running), v.voters, v.quorum},
		[]string{fmt.Sprintf("%d of %d members answer, %d are needed, no linearizable read succeeded", len(running), v.voters, v.quorum)}}}
}
