package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// The shares, in per cent, from which on a machine's own load explains an etcd
// that is late: tasks that wait for a CPU, time that the hypervisor took away,
// scheduling periods without quota, and time in which everything waits for
// memory.
const (
	muchCPUWait   = 50
	muchSteal     = 20
	muchThrottled = 10
	muchMemory    = 10
)

// late are what an etcd says that comes too late, and slow how often it has to.
const slow = 5

// complains gives the lines in which a machine's etcd says that it is late.
func (v view) complains(host string) []string {
	var out []string
	for _, s := range components(v.said(cluster.SaidLateHeartbeat, cluster.SaidSlowApply, cluster.SaidLinearizableSlow), "etcd") {
		if s.host == host && s.sign.Count >= slow {
			out = append(out, s.evidence())
		}
	}
	return out
}

// slowDisk tells a machine whose etcd has measured that its disk is slow: then
// the machine's load explains nothing.
func (v view) slowDisk(host string) bool {
	for _, m := range v.members {
		if k := m.facts.Metrics; m.cfg.Host == host && k.OK && (k.Value.FsyncP99 > slowFsync || k.Value.CommitP99 > slowCommit) {
			return true
		}
	}
	return false
}

// findCPUStarved finds machines whose etcd says that it is late, whose disk is
// not the reason, and which have no time for it. The load alone is no fault.
func findCPUStarved(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		said := v.complains(h.Name)
		if !h.Reached.OK || len(said) == 0 || v.slowDisk(h.Name) {
			continue
		}
		if why := withoutCPU(h); len(why) > 0 {
			out = append(out, sighting{h.Name, []any{why[0]}, append(why, said...)})
		}
	}
	return out
}

// withoutCPU says by what a machine has no time for its etcd.
func withoutCPU(h cluster.HostFacts) []string {
	var why []string
	p := h.Node.Pressure.Value
	if c := p.CPU; c.OK && c.Value.Some >= muchCPUWait {
		why = append(why, fmt.Sprintf("/proc/pressure/cpu: tasks waited for a CPU in %.0f %% of the last minute", c.Value.Some))
	}
	if s := p.Steal; s.OK && s.Value >= muchSteal {
		why = append(why, fmt.Sprintf("/proc/stat: the hypervisor gave %.0f %% of the CPUs' time to others", s.Value))
	}
	if t := p.Throttled; t.OK && t.Value >= muchThrottled {
		why = append(why, fmt.Sprintf("cpu.stat: etcd's control group was out of its quota in %.0f %% of its periods", t.Value))
	}
	return why
}

// outOfTime says why a member that does not answer may only have had no time to do
// so; empty when its machine has time, or when it is known that it cannot answer.
func (v view) outOfTime(m memberView) []string {
	h, _ := v.facts.Host(m.cfg.Host)
	if m.state != StateStuck || m.facts.Process.Value.Frozen || strings.Contains(m.facts.Live.Why, "refused") {
		return nil
	}
	why := withoutCPU(h)
	if p := h.Node.Pressure.Value.Memory; p.OK && p.Value.Full >= muchMemory {
		why = append(why, fmt.Sprintf("/proc/pressure/memory: everything waited for memory in %.0f %% of the last minute", p.Value.Full))
	}
	return why
}

// rateStuck is less sure of a member whose machine has no time.
func rateStuck(v view, s sighting) (Confidence, []string) {
	for _, m := range v.members {
		if why := v.outOfTime(m); m.cfg.Name == s.subject && len(why) > 0 {
			return Likely, append([]string{"its machine is so busy that it may only have had no time to answer: look again before anything is restarted"}, why...)
		}
	}
	return Certain, nil
}

// perhapsSlow tells that a quorum would be there if those members served that may
// only have had no time to answer, and that no other has to be started.
func (v view) perhapsSlow() bool {
	slow := 0
	for _, m := range v.members {
		if v.votes(m) && m.state == StateStopped {
			return false // starting it harms nobody
		}
		if v.votes(m) && (m.state == StateServing || m.state == StateNoQuorum || len(v.outOfTime(m)) > 0) {
			slow++
		}
	}
	return !v.alive && slow >= v.quorum && slices.ContainsFunc(v.members, func(m memberView) bool { return len(v.outOfTime(m)) > 0 })
}

// rateLoad: the kernel tells what waits, not that etcd was among it.
func rateLoad(view, sighting) (Confidence, []string) { return Likely, nil }

// findMemoryStarved finds machines on which everything waits for memory.
func findMemoryStarved(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		p := h.Node.Pressure
		if m := p.Value.Memory; h.Reached.OK && p.OK && m.OK && m.Value.Full >= muchMemory {
			line := fmt.Sprintf("/proc/pressure/memory: everything waited for memory in %.0f %% of the last minute, something in %.0f %%", m.Value.Full, m.Value.Some)
			out = append(out, sighting{h.Name, []any{fmt.Sprintf("%.0f", m.Value.Full)}, append([]string{line}, v.complains(h.Name)...)})
		}
	}
	return out
}

// waiting gives what a machine's kernel says of tasks that wait for its disks.
func (v view) waiting(host string) []string {
	h, _ := v.facts.Host(host)
	if io := h.Node.Pressure.Value.IO; h.Node.Pressure.OK && io.OK {
		return []string{fmt.Sprintf("/proc/pressure/io: tasks waited for a disk in %.0f %% of the last minute", io.Value.Some)}
	}
	return nil
}

// pressureMissing gives the reasons why a machine's load is unknown. What the
// kernel does not measure is missed only where etcd says that it is late.
func (v view) pressureMissing(h cluster.HostFacts) []string {
	p := h.Node.Pressure
	if !p.OK {
		return reasons(p.Why)
	}
	if len(v.complains(h.Name)) == 0 {
		return nil
	}
	return reasons(p.Value.CPU.Why, p.Value.Memory.Why)
}

// reasons leaves out what is empty or said already.
func reasons(all ...string) []string {
	var out []string
	for _, why := range all {
		if why != "" && !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	return out
}

// findDefragmenting finds members that rewrite their db now: as their metrics
// say, or as their logs do while nothing answers.
func findDefragmenting(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		switch k := m.facts.Metrics; {
		case k.OK && k.Value.Defragmenting:
			out = append(out, sighting{m.cfg.Name, []any{}, append([]string{defragMetric}, texts(v.defragBegun(m))...)})
		case !k.OK && m.facts.Process.OK && m.facts.Process.Value.Running && !m.facts.Live.OK:
			if begun := v.defragBegun(m); len(begun) > 0 {
				out = append(out, sighting{m.cfg.Name, []any{}, texts(begun)})
			}
		}
	}
	return out
}

// defragMetric is the evidence of a member's own word.
const defragMetric = "its metrics say etcd_disk_defrag_inflight 1"

// rateDefragmenting is certain of the metrics, and of log lines what rateSign
// says.
func rateDefragmenting(v view, s sighting) (Confidence, []string) {
	if slices.Contains(s.evidence, defragMetric) {
		return Certain, nil
	}
	return rateSign(v, s)
}

// defragBegun gives the line that tells of a beginning, if none tells of its
// end.
func (v view) defragBegun(m memberView) []said {
	var begun []said
	for _, s := range v.said(cluster.SaidDefragBegun) {
		if s.subject == m.cfg.Name {
			begun = append(begun, s)
		}
	}
	for _, s := range v.said(cluster.SaidDefragEnded) {
		if s.subject == m.cfg.Name {
			begun = slices.DeleteFunc(begun, func(b said) bool { return !b.sign.Last.After(s.sign.Last) })
		}
	}
	return begun
}

func texts(all []said) []string {
	var out []string
	for _, s := range all {
		out = append(out, s.evidence())
	}
	return out
}
