package diagnose

import (
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// Diagnose answers the facts.
func Diagnose(f cluster.Facts) Diagnosis {
	v := newView(f)
	d := Diagnosis{At: f.At, ClusterID: v.lineage, HighestRevision: v.seen()}
	for _, m := range v.members {
		d.Members = append(d.Members, MemberState{Name: m.cfg.Name, Host: m.cfg.Host, State: m.state})
	}
	d.Findings = v.findings()
	d.Unknown = v.unknown()
	d.Candidates = v.candidates()
	d.Scenario = v.scenario(d.Findings)
	d.Level = v.level(d)
	d.Summary = v.summary(d)
	d.Allowed, d.Forbidden = v.advice(d)
	d.Next = next(d.Scenario)
	return d
}

// unknown lists what could not be observed and matters.
func (v view) unknown() []say.Text {
	var out []say.Text
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
			out = append(out, say.New("unknown.host", h.Name, h.Reached.Why))
		}
	}
	for _, h := range v.facts.Hosts {
		if h.Reached.OK && h.ClientProblem != "" {
			out = append(out, say.New("unknown.client", h.Name, h.ClientProblem))
		}
	}
	for _, e := range v.strangers {
		out = append(out, say.New("unknown.stranger", e.Name, strings.Join(e.PeerURLs, ",")))
	}
	for _, m := range v.members {
		if !m.reached {
			continue
		}
		if !m.facts.Process.OK {
			out = append(out, say.New("unknown.process", m.cfg.Name, m.facts.Process.Why))
		}
		if !m.facts.Disk.OK && !m.facts.Live.OK {
			out = append(out, say.New("unknown.disk", m.cfg.Name, m.facts.Disk.Why))
		}
	}
	return out
}

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
	case has(fs, DiskReadOnly), has(fs, DiskFull):
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
	case v.unseen() > 0:
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
	case len(v.with(StateStopped, StateStuck)) > 0:
		return Stopped
	case len(v.with(StateServing)) == len(v.members) && !has(fs, CertExpired) && !has(fs, CorruptAlarm) && !has(fs, Diverged) && !has(fs, MembersDisagree):
		return Healthy
	}
	return Degraded
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
		if l := m.facts.Live; l.OK && v.sameLineage(m) && l.Value.Leader != 0 && !l.Value.Linearizable.OK {
			return true
		}
	}
	return false
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

func (v view) level(d Diagnosis) Level {
	return Level{Availability: v.availability(d), Data: v.data(d)}
}

func (v view) availability(d Diagnosis) Availability {
	switch {
	case d.Scenario == Healthy:
		return T0
	case v.alive:
		return T1
	case v.perhapsAlive(), v.unseen() >= v.quorum:
		return TUnknown
	case len(v.with(StateNoQuorum)) > 0:
		return T2
	}
	return T3
}

func (v view) data(d Diagnosis) Data {
	switch {
	case d.Scenario == Rewound:
		return DUnknown
	case v.alive, len(v.sound()) >= v.quorum:
		return D0
	case d.Scenario == Unreachable, v.perhapsAlive():
		return DUnknown
	case len(v.usable()) > 0:
		return D1
	}
	if c, ok := d.Chosen(); ok && c.Kind == FromSnapshot {
		return D2
	}
	return D3
}

func (v view) summary(d Diagnosis) say.Text {
	s := d.Scenario
	if s == AllLost && d.Level.Data == D3 {
		return say.New("scenario.nothing-left", len(v.members))
	}
	switch s {
	case AllLost, Healthy:
		return say.New("scenario."+string(s), len(v.members))
	case Stopped:
		return say.New("scenario.stopped", len(v.with(StateServing, StateNoQuorum)), v.voters)
	case MajorityLost, MemberLost:
		return say.New("scenario."+string(s), names(v.with(StateLost, StateDamaged, StateRemoved)))
	case DataDamaged:
		return say.New("scenario.data-damaged", names(v.with(StateDamaged, StateRemoved)))
	case Impostor:
		return say.New("scenario.impostor", names(v.with(StateImpostor)))
	case Unreachable:
		unseen := names(v.with(StateUnknown))
		for _, e := range v.strangers {
			unseen = strings.TrimPrefix(unseen+", "+e.Name, ", ")
		}
		return say.New("scenario.unreachable", unseen)
	}
	return say.New("scenario." + string(s))
}

func next(s Scenario) string {
	switch s {
	case Healthy:
		return "salvor verify"
	case Stopped, MemberLost, MajorityLost, DataDamaged, NoSpace, Impostor:
		return "salvor recover"
	case AllLost:
		return "salvor plan"
	}
	return "salvor diagnose -o json"
}
