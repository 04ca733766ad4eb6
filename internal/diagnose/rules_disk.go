package diagnose

import (
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// spaceNeeded is what etcd needs to start: one preallocated WAL segment.
const spaceNeeded = 64 << 20

// inodesNeeded are the files that etcd has to be able to make.
const inodesNeeded = 16

func isFull(s cluster.Space) bool {
	return s.FreeBytes < spaceNeeded || s.TotalInodes > 0 && s.FreeInodes < inodesNeeded
}

// nothingLeft is below what free bytes are as good as none.
const nothingLeft = 10 << 20

// isExhausted tells that nothing can be written any more. An etcd that serves
// there lives off the segment of its log that it has allocated before.
func isExhausted(s cluster.Space) bool {
	return s.FreeBytes < nothingLeft || s.TotalInodes > 0 && s.FreeInodes < inodesNeeded
}

// fullFor tells that a file system has no room for what its member needs next.
func fullFor(m memberView, s cluster.Space) bool {
	if m.state == StateServing {
		return isExhausted(s)
	}
	return isFull(s)
}

// spaces are the file systems of a member's data and log.
func spaces(m memberView) []cluster.Space {
	var out []cluster.Space
	for _, s := range []cluster.Known[cluster.Space]{m.facts.Space, m.facts.WALSpace} {
		if s.OK {
			out = append(out, s.Value)
		}
	}
	return out
}

func findFull(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		for _, s := range spaces(m) {
			if fullFor(m, s) {
				out = append(out, sighting{m.cfg.Name, []any{s.Path, s.FreeBytes, s.FreeInodes},
					[]string{fmt.Sprintf("%s: %d bytes and %d inodes free", s.Path, s.FreeBytes, s.FreeInodes)}})
				break
			}
		}
	}
	return out
}

func findReadOnly(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		for _, s := range spaces(m) {
			if s.ReadOnly {
				out = append(out, sighting{m.cfg.Name, []any{s.Path}, []string{s.Path + " takes no writes: it is mounted read-only, or is since an error of its disk"}})
				break
			}
		}
	}
	return out
}

// blocked tells that a full or read-only disk keeps a member from starting.
func blocked(m memberView) bool {
	for _, s := range spaces(m) {
		if s.ReadOnly || isFull(s) {
			return true
		}
	}
	return false
}

// findNodeFull finds full file systems under the kubelet, the container
// runtime and the logs: they stop pods, and etcd with them.
func findNodeFull(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		for _, f := range h.Node.FileSystems {
			s := f.Value
			if !f.OK || s.Role == "snapshots" || s.Role == "etcd-data" || s.Role == "etcd-wal" || s.Role == "kubernetes" {
				continue
			}
			if isExhausted(s.Space) {
				out = append(out, sighting{h.Name, []any{s.Path, s.FreeBytes, s.FreeInodes},
					[]string{fmt.Sprintf("%s (%s): %d bytes and %d inodes free", s.Path, s.Role, s.FreeBytes, s.FreeInodes)}})
				break
			}
		}
	}
	return out
}

// findFilling finds file systems of members that will be full soon.
func findFilling(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		for _, s := range spaces(m) {
			if !fullFor(m, s) && s.FreeBytes < s.TotalBytes/20 && s.FreeBytes < 2<<30 {
				out = append(out, sighting{m.cfg.Name, []any{s.Path, s.FreeBytes, s.TotalBytes},
					[]string{fmt.Sprintf("%s: %d of %d bytes free", s.Path, s.FreeBytes, s.TotalBytes)}})
				break
			}
		}
	}
	return out
}

// unmounted tells that the machine's configuration wants a file system at the
// data dir that is not mounted, and that what is seen instead is no proof of a
// loss.
func unmounted(m memberView) bool {
	f := m.facts.Mount
	return f.OK && f.Value.Expected != "" && (dirGone(m) || newborn(m))
}

// newborn tells a data dir in which an etcd began that does not answer and to
// which nothing was ever written: what a start over an empty folder leaves.
func newborn(m memberView) bool {
	d := m.facts.Disk.Value
	return m.facts.Disk.OK && !m.facts.Live.OK && d.State == cluster.DirData && d.DB.OK && d.DB.Value.ConsistentIndex == 0 && d.DB.Value.Revision <= 1
}

// perhapsUnmounted tells a data dir that is not there on a machine whose mounts
// could not be read: it may lie on a volume that is not mounted.
func perhapsUnmounted(m memberView) bool {
	return dirGone(m) && !m.facts.Mount.OK && m.facts.Mount.Why != ""
}

func findUnmounted(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if unmounted(m) {
			f := m.facts.Mount.Value
			out = append(out, sighting{m.cfg.Name, []any{f.Expected, f.ExpectedBy, m.facts.Disk.Value.Path, m.facts.Disk.Value.State},
				[]string{fmt.Sprintf("%s wants %s to be mounted; %s lies on %s", f.ExpectedBy, f.Expected, m.facts.Disk.Value.Path, f.MountPoint)}})
		}
	}
	return out
}

func findAllLost(v view) []sighting {
	lost := v.with(StateLost)
	if len(lost) == 0 || len(lost) < len(v.members) || len(v.strangers) > 0 {
		return nil
	}
	s := sighting{subject: "etcd", args: []any{len(lost)}}
	for _, m := range lost {
		if m.facts.Live.OK {
			return nil
		}
		s.evidence = append(s.evidence, fmt.Sprintf("%s: %s is %s", m.cfg.Name, m.facts.Disk.Value.Path, m.facts.Disk.Value.State))
	}
	return []sighting{s}
}

// findDBBehind finds a db that ends before the snapshot record from which the
// log goes on: the db is older than its log, and etcd refuses it.
func findDBBehind(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		d := m.facts.Disk
		if !d.OK || d.Value.State != cluster.DirData || !d.Value.Log.OK || !d.Value.DB.OK || m.facts.Live.OK {
			continue
		}
		ci, snap := d.Value.DB.Value.ConsistentIndex, d.Value.Log.Value.SnapshotIndex
		if ci < snap {
			out = append(out, sighting{m.cfg.Name, []any{ci, snap},
				[]string{fmt.Sprintf("%s: consistent index %d, newest snapshot record of the log %d", m.cfg.DB(), ci, snap)}})
		}
	}
	return out
}

// The latency from which etcd's own alerts call a disk too slow (etcd
// contrib/mixin: 99th percentile of fsync 1 s critical, of commit 0.25 s).
const (
	slowFsync   = 1.0
	slowCommit  = 1.0
	manyLeaders = 50
)

func findSlowDisk(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		k := m.facts.Metrics
		if k.OK && (k.Value.FsyncP99 > slowFsync || k.Value.CommitP99 > slowCommit) {
			out = append(out, sighting{m.cfg.Name, []any{k.Value.FsyncP99, k.Value.CommitP99},
				append([]string{fmt.Sprintf("99th percentile since start: WAL fsync ≤%g s, backend commit ≤%g s", k.Value.FsyncP99, k.Value.CommitP99)}, v.waiting(m.cfg.Host)...)})
		}
	}
	return out
}

// findElections finds members that have seen so many leaders that elections
// cannot be the exception.
func findElections(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		k := m.facts.Metrics
		if !k.OK || k.Value.LeaderChanges < 4 {
			continue
		}
		hours := 1.0
		if p := m.facts.Process; p.OK && !p.Value.Since.IsZero() {
			hours = max(1, m.now.Sub(p.Value.Since).Hours())
		} else if k.Value.LeaderChanges < manyLeaders {
			continue
		}
		if perHour := float64(k.Value.LeaderChanges) / hours; perHour >= 8 {
			out = append(out, sighting{m.cfg.Name, []any{k.Value.LeaderChanges, fmt.Sprintf("%.0f", perHour)},
				[]string{fmt.Sprintf("%d leader changes seen, %.0f an hour", k.Value.LeaderChanges, perHour)}})
		}
	}
	return out
}

// maxSkew is the clock difference that does harm: etcd warns at 1 s, and
// certificates are judged by the second.
const maxSkew = 5 * time.Second

// observationTime bounds what can pass between the coordinator's clock reading
// and a host's, where nobody has noted it.
const observationTime = 30 * time.Second

// offset is how far a host's clock is off the coordinator's at least: its
// reading lies between question and answer.
func (v view) offset(h cluster.HostFacts) (time.Duration, bool) {
	if !h.Reached.OK || h.Reached.Value.Clock.IsZero() {
		return 0, false
	}
	from, to := h.Asked, h.Answered
	if from.IsZero() || to.IsZero() {
		from, to = v.facts.At.Add(-observationTime), v.facts.At.Add(observationTime)
	}
	switch c := h.Reached.Value.Clock; {
	case c.After(to):
		return c.Sub(to), true
	case c.Before(from):
		return c.Sub(from), true
	}
	return 0, true
}

// findSkew compares all clocks. Where the hosts agree with one another and not
// with the coordinator, the coordinator's is the wrong one.
func findSkew(v view) []sighting {
	type one struct {
		name string
		off  time.Duration
	}
	var off []one
	total := 0
	for _, h := range v.facts.Hosts {
		d, ok := v.offset(h)
		if !ok {
			continue
		}
		total++
		if d.Abs() > maxSkew {
			off = append(off, one{h.Name, d})
		}
	}
	agree := len(off) > 1 && len(off) == total
	for _, o := range off {
		agree = agree && (o.off-off[0].off).Abs() <= maxSkew
	}
	if agree {
		return []sighting{{"coordinator", []any{(-off[0].off).Round(time.Second)},
			[]string{fmt.Sprintf("all %d hosts agree with one another, and this machine's clock is %s off theirs", total, (-off[0].off).Round(time.Second))}}}
	}
	var out []sighting
	for _, o := range off {
		h, _ := v.facts.Host(o.name)
		out = append(out, sighting{o.name, []any{o.off.Round(time.Second)},
			[]string{fmt.Sprintf("clock %s, coordinator %s", stamp(h.Reached.Value.Clock), stamp(v.facts.At))}})
	}
	return out
}

// findHardwareClock finds hardware clocks far from the system's: after the
// next power cut the machine wakes in that time.
func findHardwareClock(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		c := h.Node.Clock
		if !c.OK || !c.Value.RTC.OK || c.Value.System.IsZero() {
			continue
		}
		// A hardware clock in local time is off by less than a day, and whole
		// quarters of an hour: no fault.
		if d := c.Value.RTC.Value.Sub(c.Value.System).Round(time.Minute); d.Abs() > 15*time.Hour {
			out = append(out, sighting{h.Name, []any{d}, []string{fmt.Sprintf("hardware clock %s, system clock %s", stamp(c.Value.RTC.Value), stamp(c.Value.System))}})
		}
	}
	return out
}

func findUnsynced(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		if c := h.Node.Clock; c.OK && c.Value.Synchronized.OK && !c.Value.Synchronized.Value {
			out = append(out, sighting{h.Name, []any{}, []string{"the kernel says that nobody keeps its clock right (adjtimex: STA_UNSYNC)"}})
		}
	}
	return out
}

// isEndpoint tells whether an address is one at which clients look for an API
// server or a member.
func (v view) isEndpoint(address string) bool {
	for _, h := range v.facts.Hosts {
		for _, a := range h.Node.APIServers {
			if urlHost(a.URL) == address {
				return true
			}
		}
	}
	for _, a := range v.facts.Outside {
		if urlHost(a.URL) == address {
			return true
		}
	}
	for _, m := range v.members {
		for _, u := range append(append([]string{}, m.cfg.PeerURLs...), m.cfg.ClientURLs...) {
			if urlHost(u) == address {
				return true
			}
		}
	}
	return false
}

// findStrayAddress finds hosts that do not have the address at which their
// member or API server is said to listen: the machine's address has changed.
func findStrayAddress(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		if !h.Node.Addresses.OK || len(h.Node.Addresses.Value) == 0 {
			continue
		}
		own := map[string]bool{"127.0.0.1": true, "::1": true, "0.0.0.0": true, "::": true}
		for _, a := range h.Node.Addresses.Value {
			own[a] = true
		}
		s := sighting{subject: h.Name}
		stray := func(address, where string) {
			if isIP(address) && !own[address] && !loopback(address) && len(s.args) == 0 {
				s.args = []any{address, where}
				s.evidence = []string{fmt.Sprintf("%s names %s; this host has %v", where, address, h.Node.Addresses.Value)}
			}
		}
		for _, m := range v.members {
			if m.cfg.Host == h.Name && m.state != StateServing && m.state != StateNoQuorum {
				for _, u := range m.cfg.PeerURLs {
					stray(urlHost(u), "peerURLs of "+m.cfg.Name)
				}
			}
		}
		for _, a := range h.Node.APIServers {
			if a.Direct && a.Layer == cluster.LayerNone {
				stray(urlHost(a.URL), a.Named)
			}
		}
		if len(s.args) > 0 {
			out = append(out, s)
		}
	}
	return out
}
