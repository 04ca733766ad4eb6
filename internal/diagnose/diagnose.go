package diagnose

import (
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
	case v.alive:
		return v.aliveScenario(fs)
	case (has(fs, CertExpired) || has(fs, CertNotYetValid)) && v.certsBlock():
		return CertsExpired
	case has(fs, DiskReadOnly), has(fs, DiskFull):
		return Blocked
	case len(v.sound()) >= v.quorum:
		if len(v.with(StateNoQuorum)) >= v.quorum {
			return Blocked // they run and do not reach each other
		}
		return Stopped
	case len(v.sound())+len(v.with(StateUnknown)) >= v.quorum:
		return Unreachable // the unseen members could form a quorum: permanence is not proved
	case len(v.usable()) > 0 && len(v.with(StateLost)) >= len(v.with(StateDamaged)) && len(v.with(StateLost)) > 0:
		return MajorityLost
	case len(v.usable()) > 0:
		return DataDamaged
	case len(v.with(StateUnknown)) > 0:
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
	case len(v.with(StateLost, StateDamaged)) > 0:
		return MemberLost
	case v.certsBar():
		return CertsExpired
	case len(v.with(StateStopped, StateStuck)) > 0:
		return Stopped
	case len(v.with(StateServing)) == len(v.members) && !has(fs, CertExpired) && !has(fs, CorruptAlarm) && !has(fs, Diverged):
		return Healthy
	}
	return Degraded
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
	case len(v.with(StateUnknown)) == len(v.members):
		return TUnknown
	case len(v.with(StateNoQuorum)) > 0:
		return T2
	}
	return T3
}

func (v view) data(d Diagnosis) Data {
	switch {
	case v.alive, len(v.sound()) >= v.quorum:
		return D0
	case d.Scenario == Unreachable:
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
		return say.New("scenario."+string(s), names(v.with(StateLost, StateDamaged)))
	case DataDamaged:
		return say.New("scenario.data-damaged", names(v.with(StateDamaged)))
	case Impostor:
		return say.New("scenario.impostor", names(v.with(StateImpostor)))
	case Unreachable:
		return say.New("scenario.unreachable", names(v.with(StateUnknown)))
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
