package diagnose

import (
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// scenario names the incident as a whole. The order is the rule: a cause that
// a restore would not cure comes before everything that a restore could.
func (v view) scenario(fs []Finding) Scenario {
	switch {
	case has(fs, HistoryRewound):
		return Rewound
	case v.alive:
		return v.aliveScenario(fs)
	case v.perhapsAlive():
		return Degraded // it may serve: nothing here may stop it
	case (has(fs, CertExpired) || has(fs, CertNotYetValid)) && v.certsBlock():
		return CertsExpired
	case v.unmountedDecide(), v.held(fs):
		return Blocked
	case len(v.sound()) >= v.quorum:
		if len(v.with(StateNoQuorum)) >= v.quorum {
			return Blocked // they run and do not reach each other
		}
		return Stopped
	case len(v.sound())+v.unseen() >= v.quorum:
		return Unreachable // the unseen members could form a quorum: permanence is not proved
	case len(v.usable()) > 0 && len(v.with(StateLost)) >= len(v.with(StateDamaged)) && len(v.with(StateLost)) > 0:
		return MajorityLost
	case len(v.usable()) > 0:
		return DataDamaged
	case v.unseen() > 0, v.unread():
		return Unreachable
	}
	return AllLost
}

func (v view) aliveScenario(fs []Finding) Scenario {
	switch {
	case has(fs, NoSpaceAlarm):
		return NoSpace
	case len(v.with(StateImpostor)) > 0:
		return Impostor
	case len(v.with(StateLost, StateDamaged, StateRemoved)) > 0:
		return MemberLost
	case v.certsBar():
		return CertsExpired
	case has(fs, DataDirUnmounted):
		return Degraded // mount it; nothing here replaces it
	case len(v.with(StateStopped, StateStuck)) > 0:
		for _, m := range v.with(StateStopped, StateStuck) {
			if v.startable(m, fs) {
				return Stopped
			}
		}
		return Degraded // starting them would not help
	case len(v.with(StateServing)) == len(v.members) && !ailing(fs):
		if len(v.hidden()) > 0 {
			return Unreachable // something vital could not be read
		}
		return Healthy
	}
	return Degraded
}

// hidden are the hosts and members of which something vital was asked for and
// could not be read: it may hide a fault. Logs and the like are not vital: they
// explain, and decide nothing.
func (v view) hidden() []string {
	var out []string
	told := map[string]bool{}
	for _, n := range []Need{NeedKubernetes, NeedManifests, NeedKubeCerts, NeedIdentity, NeedKubelet, NeedRuntime, NeedEncryption,
		NeedFileSystems, NeedAddresses, NeedHash, NeedLinearizable, NeedMembers, NeedAlarms, NeedCertificates, NeedSpace, NeedMount} {
		for _, m := range v.missing(n) {
			if !told[m.subject] {
				told[m.subject] = true
				out = append(out, m.subject)
			}
		}
	}
	for _, h := range v.facts.Hosts {
		blind := false
		for _, a := range h.Node.APIServers {
			blind = blind || a.Layer == ""
		}
		for _, s := range h.Snapshots {
			blind = blind || !s.DB.OK && s.Trailer == "" // it could tell of a newer history
		}
		if blind && !told[h.Name] {
			told[h.Name] = true
			out = append(out, h.Name)
		}
	}
	return append(out, v.hiddenObjects(told)...)
}

// hiddenObjects are the hosts that could not tell what the API says, where no
// other could either, and the addresses that the coordinator could not try.
func (v view) hiddenObjects(told map[string]bool) []string {
	var out []string
	answered := len(v.objects()) > 0
	for _, h := range v.facts.Hosts {
		if h.Reached.OK && !answered && h.Node.Objects.Why != "" && !told[h.Name] {
			out = append(out, h.Name)
		}
	}
	for _, a := range v.facts.Outside {
		if a.Layer == "" && !told[a.URL] {
			told[a.URL] = true
			out = append(out, a.URL)
		}
	}
	return out
}

// unread tells that a member of the lineage lives, or may, whose files could
// not be read: its data is there, whatever the others have lost.
func (v view) unread() bool {
	for _, m := range v.members {
		if m.reached && !m.facts.Disk.OK && (m.facts.Live.OK && v.sameLineage(m) || m.facts.Process.OK && m.facts.Process.Value.Running) {
			return true
		}
		if m.reached && unreadDB(m) && v.sameLineage(m) {
			return true
		}
	}
	return false
}

// unreadDB tells a data dir whose db is there and could not be read, for want
// of time or of rights: that is no damage.
func unreadDB(m memberView) bool {
	d := m.facts.Disk
	return d.OK && d.Value.State == cluster.DirData && !d.Value.DB.OK && usableDamage(d.Value.Damage)
}

// ailing tells that something critical is wrong although every member serves.
func ailing(fs []Finding) bool {
	for _, f := range fs {
		if f.Severity == Critical && f.Confidence != Possible {
			return true
		}
	}
	return false
}

// unmountedDecide tells that the data dirs behind mounts that are missing could
// make a quorum: then they decide, and nothing is lost yet.
func (v view) unmountedDecide() bool {
	n := 0
	for _, m := range v.members {
		if unmounted(m) && v.votes(m) {
			n++
		}
	}
	return n > 0 && len(v.sound())+n >= v.quorum
}

// held tells that causes which no restore cures keep so many members from
// starting that no quorum comes back by itself.
func (v view) held(fs []Finding) bool {
	sound, free := v.sound(), 0
	for _, m := range sound {
		if v.startable(m, fs) {
			free++
		}
	}
	if len(sound) >= v.quorum {
		return free < v.quorum
	}
	return has(fs, DiskFull, DiskReadOnly) && len(sound)+v.blockedDamaged() >= v.quorum
}

// blockedDamaged counts the members whose files are damaged on a disk that is
// full or read-only: with room they might repair themselves.
func (v view) blockedDamaged() int {
	n := 0
	for _, m := range v.with(StateDamaged) {
		if blocked(m) {
			n++
		}
	}
	return n
}

// startable tells whether a member with sound files could be started: its disk
// has room, and what runs it is there.
func (v view) startable(m memberView, fs []Finding) bool {
	if blocked(m) {
		return false
	}
	for _, f := range fs {
		if v.hostOf(f.Subject) != m.cfg.Host || f.Confidence == Possible {
			continue
		}
		switch f.Code {
		case DataDirUnmounted, WipedRejoin, LogLostEntries, AlreadyBootstrapped, EtcdBadFlag, EtcdDowngrade, PortInUse, EtcdPermission, EtcdTLSFile, AddressNotHere, SameIDOtherHistory, EtcdOldStore, Defragmenting:
			return false
		case KubeletDown:
			if m.cfg.Run.StaticPod != "" && !v.idle(m.cfg.Host) {
				return false
			}
		case RuntimeDown, ManifestBroken, ManifestMissing, ManifestDuplicate, ManifestFiles, NodeDiskFull:
			if m.cfg.Run.StaticPod != "" {
				return false
			}
		case ImageMissing:
			if m.cfg.Run.StaticPod != "" && v.imageless(m) {
				return false
			}
		}
	}
	return true
}

// idle tells that a machine's kubelet was stopped and can be started: it is
// neither failing nor masked. A plan that starts a static pod starts it, too.
func (v view) idle(host string) bool {
	for _, k := range v.kubes() {
		if s := k.facts.Kubelet; k.host == host && s.OK {
			return s.Value.Active == "inactive" && (s.Value.Load == "" || s.Value.Load == "loaded")
		}
	}
	return false
}

// unseen counts the voters of which nothing is known.
func (v view) unseen() int {
	n := len(v.strangers)
	for _, m := range v.with(StateUnknown) {
		if v.votes(m) {
			n++
		}
	}
	return n
}

// perhapsAlive tells that a member knows a leader, but that it could not be
// asked whether a quorum stands behind it (authentication, an alarm).
func (v view) perhapsAlive() bool {
	if v.alive {
		return false
	}
	for _, m := range v.members {
		if lockedOut(m) && v.sameLineage(m) {
			return true // it answers, and only wants to know who asks
		}
		if l := m.facts.Live; l.OK && v.sameLineage(m) && l.Value.Leader != 0 && !l.Value.Linearizable.OK {
			return true
		}
	}
	return false
}

// lockedOut tells that a member answers nothing but that it wants a user.
func lockedOut(m memberView) bool {
	return !m.facts.Live.OK && m.facts.Process.OK && m.facts.Process.Value.Running && strings.Contains(m.facts.Live.Why, "user name is empty")
}

// usable are the members whose files a salvage could start from.
func (v view) usable() []Candidate {
	var out []Candidate
	for _, c := range v.survivors() {
		if c.Integrity != Unusable {
			out = append(out, c)
		}
	}
	return out
}
