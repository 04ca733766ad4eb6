package diagnose

import (
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/say"
)

func (v view) summary(d Diagnosis) say.Text {
	s := d.Scenario
	if c, ok := d.Remains(); ok && s == AllLost && d.Level.Data == D3 {
		return say.New("scenario.remains", len(v.members), c.Member, c.ID)
	}
	if s == AllLost && d.Level.Data == D3 {
		return say.New("scenario.nothing-left", len(v.members))
	}
	if s == AllLost && d.Level.Data == DUnknown {
		if places := v.unreadPlaces(); len(places) > 0 && !v.vaultHides() {
			return say.New("scenario.places-unread", len(v.members), some(places))
		}
		return say.New("scenario.vault-silent", len(v.members))
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
		if v.alive && len(v.hidden()) > 0 {
			return say.New("scenario.hidden", strings.Join(v.hidden(), ", "))
		}
		return say.New("scenario.unreachable", strings.Join(slices.Concat(v.awayNames(), v.strangerNames(), v.opaqueNames()), ", "))
	}
	if f, ok := root(d.Findings); ok && (s == Degraded || s == Blocked) && (f.Severity == Critical || explains(d.Findings, f)) {
		return f.Text
	}
	if unseen := slices.Concat(v.awayNames(), v.opaqueNames()); s == Degraded && v.alive && len(unseen) > 0 {
		return say.New("scenario.unseen", strings.Join(unseen, ", "))
	}
	return say.New("scenario." + string(s))
}

// explains tells that a finding is behind a critical one.
func explains(fs []Finding, f Finding) bool {
	return slices.ContainsFunc(fs, func(o Finding) bool { return o.Severity == Critical && slices.Contains(o.CausedBy, f.Code) })
}

// next is the command to type now; none when there is nothing to do.
func (v view) next(d Diagnosis, asRoot bool) string {
	if has(d.Findings, HeldBack) {
		return "salvor resume" // a case is open: a second one beside it would start from its middle
	}
	if asRoot && (d.Scenario == Unreachable || d.Scenario == Degraded) {
		return "sudo salvor diagnose"
	}
	if d.Scenario == NoSpace && has(d.Findings, DiskFull) {
		return "salvor explain " + string(DiskFull) // a plan would be refused
	}
	if d.Scenario == Stopped && v.perhapsSlow() {
		return "salvor diagnose" // again, before anything is restarted
	}
	switch d.Scenario {
	case Healthy:
		if d.Cause == nil {
			return ""
		}
	case Stopped, MemberLost, MajorityLost, DataDamaged, NoSpace, Impostor:
		return "salvor recover"
	case AllLost:
		if d.Level.Data == DUnknown && v.vaultHides() {
			return "salvor vault ls"
		}
		if d.Level.Data == DUnknown {
			return "salvor diagnose --verbose"
		}
		if c, ok := d.Remains(); ok && d.Level.Data == D3 {
			return "salvor recover --source " + c.ID
		}
		return "salvor plan"
	case Unreachable:
		return "salvor diagnose --verbose"
	}
	if d.Cause == nil {
		return "salvor diagnose --verbose"
	}
	return "salvor explain " + string(d.Cause.Code)
}
