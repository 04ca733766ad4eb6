package diagnose

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
	case d.Scenario == Rewound, split(d.Findings):
		return DUnknown
	case v.alive, len(v.sound()) >= v.quorum:
		return D0
	case d.Scenario == Blocked:
		return DUnknown
	case d.Scenario == Unreachable, v.perhapsAlive():
		return DUnknown
	case len(v.usable()) > 0:
		return D1
	case v.unseen() > 0, v.unread():
		return DUnknown // what was not read is not lost
	}
	if c, ok := d.Chosen(); ok && c.stored() {
		return D2
	}
	if v.vaultHides() || v.perhapsNewer() {
		return DUnknown // what did not answer is not lost
	}
	return D3
}
