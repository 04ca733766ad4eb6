package diagnose

import (
	"fmt"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// The codes of the classes of failure.
const (
	HostUnreachable    Code = "host-unreachable"
	QuorumLost         Code = "etcd-quorum-lost"
	MemberStopped      Code = "etcd-member-stopped"
	MemberStuck        Code = "etcd-member-not-answering"
	DataDirLost        Code = "etcd-data-dir-lost"
	DataDirForeign     Code = "etcd-data-dir-foreign"
	WALDamaged         Code = "etcd-wal-damaged"
	WALTornTail        Code = "etcd-wal-torn-tail"
	DBDamaged          Code = "etcd-db-damaged"
	WALBehindDB        Code = "etcd-wal-behind-db"
	ClusterIDMismatch  Code = "etcd-cluster-id-mismatch"
	SingleMemberBoot   Code = "etcd-silent-rebootstrap"
	NoSpaceAlarm       Code = "etcd-nospace-alarm"
	CorruptAlarm       Code = "etcd-corrupt-alarm"
	Diverged           Code = "etcd-members-diverged"
	CertExpired        Code = "etcd-cert-expired"
	CertNotYetValid    Code = "etcd-cert-not-yet-valid"
	CertExpiring       Code = "etcd-cert-expiring"
	ClockSkew          Code = "clock-skew"
	DiskFull           Code = "disk-full"
	DiskReadOnly       Code = "disk-read-only"
	NoQuorumThoughLive Code = "etcd-no-leader-though-running"
	HistoryRewound     Code = "etcd-history-rewound"
	MembersDisagree    Code = "etcd-members-disagree"
	MemberRemoved      Code = "etcd-member-removed"
	LearnerWaiting     Code = "etcd-learner-waiting"
	VoterNotConfigured Code = "etcd-voter-not-configured"
)

// rule is one class of failure: what shows it, and what explains it away.
type rule struct {
	code     Code
	severity Severity
	// causes are the codes under which this one falls silent.
	causes []Code
	// find returns a sighting for each subject that shows the failure.
	find func(view) []sighting
}

// sighting is one subject of a finding with what proves it.
type sighting struct {
	subject  string
	args     []any
	evidence []string
}

// rules is the table of all classes, causes first.
func rules() []rule {
	return []rule{
		{HostUnreachable, Warning, nil, findUnreachable},
		{DiskReadOnly, Critical, nil, findReadOnly},
		{DiskFull, Critical, nil, findFull},
		{ClockSkew, Warning, nil, findSkew},
		{CertExpired, Critical, []Code{ClockSkew}, findCerts(expired)},
		{CertNotYetValid, Critical, []Code{ClockSkew}, findCerts(notYetValid)},
		{CertExpiring, Warning, nil, findCerts(expiring)},
		{DataDirLost, Critical, nil, findLost},
		{DataDirForeign, Critical, nil, findForeign},
		{WALDamaged, Critical, nil, findDamage(cluster.DamageWAL, cluster.DamageWALMissing)},
		{WALTornTail, Info, nil, findDamage(cluster.DamageTornTail)},
		{DBDamaged, Critical, nil, findDamage(cluster.DamageDB, cluster.DamageDBMissing, cluster.DamageDBTruncated)},
		{WALBehindDB, Critical, nil, findDamage(cluster.DamageBehind)},
		{SingleMemberBoot, Critical, nil, findRebootstrap},
		{ClusterIDMismatch, Critical, []Code{SingleMemberBoot}, findMismatch},
		{HistoryRewound, Critical, nil, findRewound},
		{VoterNotConfigured, Warning, nil, findStrangers},
		{MemberRemoved, Critical, nil, findRemoved},
		{LearnerWaiting, Warning, nil, findLearners},
		{MembersDisagree, Critical, []Code{HistoryRewound, SingleMemberBoot, MemberRemoved}, findDisagreement},
		{NoSpaceAlarm, Critical, nil, findAlarm("NOSPACE")},
		{CorruptAlarm, Critical, nil, findAlarm("CORRUPT")},
		{Diverged, Critical, nil, findDiverged},
		{MemberStuck, Critical, []Code{CertExpired, CertNotYetValid, DiskFull, DiskReadOnly, WALDamaged, DBDamaged}, findStuck},
		{MemberStopped, Critical, []Code{CertExpired, CertNotYetValid, DiskFull, DiskReadOnly}, findStopped},
		{NoQuorumThoughLive, Critical, []Code{CertExpired, CertNotYetValid}, findLeaderless},
		{QuorumLost, Critical, []Code{DataDirLost, DataDirForeign, WALDamaged, DBDamaged, WALBehindDB, CertExpired,
			CertNotYetValid, DiskFull, DiskReadOnly, MemberStopped, MemberStuck, HostUnreachable, NoQuorumThoughLive}, findQuorumLost},
	}
}

// findings runs the table. A finding whose cause was found too names it.
func (v view) findings() []Finding {
	out := []Finding{}
	for _, r := range rules() {
		for _, s := range r.find(v) {
			f := Finding{Code: r.code, Severity: r.severity, Subject: s.subject, Evidence: s.evidence,
				Text: say.New("finding."+string(r.code), append([]any{s.subject}, s.args...)...)}
			for _, c := range r.causes {
				if has(out, c) {
					f.CausedBy = append(f.CausedBy, c)
				}
			}
			out = append(out, f)
		}
	}
	return out
}

func has(fs []Finding, c Code) bool {
	for _, f := range fs {
		if f.Code == c {
			return true
		}
	}
	return false
}

func names(ms []memberView) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.cfg.Name)
	}
	return strings.Join(out, ", ")
}

func findUnreachable(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
			out = append(out, sighting{h.Name, []any{h.Reached.Why}, []string{h.Reached.Why}})
		}
	}
	return out
}

// spaceNeeded is what etcd needs to start: one preallocated WAL segment.
const spaceNeeded = 64 << 20

func findFull(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		s := m.facts.Space
		if !s.OK || m.state == StateServing {
			continue
		}
		if s.Value.FreeBytes < spaceNeeded || s.Value.TotalInodes > 0 && s.Value.FreeInodes < 16 {
			out = append(out, sighting{m.cfg.Name, []any{s.Value.Path, s.Value.FreeBytes, s.Value.FreeInodes},
				[]string{fmt.Sprintf("%s: %d bytes and %d inodes free", s.Value.Path, s.Value.FreeBytes, s.Value.FreeInodes)}})
		}
	}
	return out
}

func findReadOnly(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		if s := m.facts.Space; s.OK && s.Value.ReadOnly {
			out = append(out, sighting{m.cfg.Name, []any{s.Value.Path}, []string{s.Value.Path + " is mounted read-only"}})
		}
	}
	return out
}

// maxSkew is the clock difference beyond which etcd itself warns, with room
// for the time that asking takes.
const maxSkew = 5 * time.Second

func findSkew(v view) []sighting {
	var out []sighting
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK || h.Reached.Value.Clock.IsZero() {
			continue
		}
		if d := h.Reached.Value.Clock.Sub(v.facts.At); d.Abs() > maxSkew+observationTime {
			out = append(out, sighting{h.Name, []any{d.Round(time.Second)},
				[]string{fmt.Sprintf("clock %s, coordinator %s", h.Reached.Value.Clock.UTC().Format(time.RFC3339), v.facts.At.UTC().Format(time.RFC3339))}})
		}
	}
	return out
}

// observationTime is the most that can pass between the coordinator's clock
// reading and a host's.
const observationTime = 30 * time.Second

func findLost(v view) []sighting {
	var out []sighting
	for _, m := range v.members {
		d := m.facts.Disk
		if d.OK && (d.Value.State == cluster.DirAbsent || d.Value.State == cluster.DirEmpty) {
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

func findDamage(kinds ...cluster.DamageKind) func(view) []sighting {
	return func(v view) []sighting {
		var out []sighting
		for _, m := range v.members {
			if !m.facts.Disk.OK || m.facts.Disk.Value.State != cluster.DirData {
				continue
			}
			if s, ok := damageOf(m, kinds); ok {
				out = append(out, s)
			}
		}
		return out
	}
}

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
		out = append(out, sighting{m.cfg.Name, []any{m.facts.Process.Value.PID, m.facts.Live.Why},
			[]string{fmt.Sprintf("process %d runs; %s", m.facts.Process.Value.PID, m.facts.Live.Why)}})
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
	if v.alive || v.perhapsAlive() || v.unseen() >= v.quorum {
		return nil
	}
	running := v.with(StateNoQuorum, StateServing)
	return []sighting{{"etcd", []any{len(running), v.voters, v.quorum},
		[]string{fmt.Sprintf("%d of %d members answer, %d are needed, no linearizable read succeeded", len(running), v.voters, v.quorum)}}}
}
