package diagnose

import (
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/say"
)

// Actions that advice allows or forbids; their names are stable.
const (
	ActRestore       = "restore-snapshot"
	ActStart         = "start-members"
	ActReplace       = "replace-member"
	ActRebuild       = "rebuild-from-survivor"
	ActForceNew      = "force-new-cluster"
	ActWipe          = "wipe-data-dir"
	ActRenewCerts    = "renew-certificates"
	ActCompact       = "compact-defragment-disarm"
	ActDisarmFirst   = "disarm-alarm-first"
	ActFreeSpace     = "free-disk-space"
	ActReachHosts    = "reach-missing-hosts"
	ActReachVault    = "reach-vault"
	ActReadRest      = "read-the-rest"
	ActRestartOthers = "restart-healthy-members"
	ActSetClock      = "set-clock"
	ActMount         = "mount-volume"
	ActRaiseQuota    = "raise-quota"
	// ActExtract takes single objects out of a backup, without a restore.
	ActExtract = "extract-objects"
	// ActRepair and ActWrong are the page of the root cause: its repair, and
	// the repair that makes it worse.
	ActRepair = "repair-cause"
	ActWrong  = "wrong-repair"
)

// advice says what may be done and what must not, each with its reason.
func (v view) advice(d Diagnosis) (allowed, forbidden []Advice) {
	allow := func(a string, args ...any) {
		allowed = append(allowed, Advice{a, say.New("allow."+a, args...)})
	}
	forbid := func(a, why string, args ...any) {
		forbidden = append(forbidden, Advice{a, say.New("forbid."+a+"."+why, args...)})
	}
	switch d.Scenario {
	case Stopped:
		allow(ActStart)
	case MemberLost, Impostor:
		allow(ActReplace, names(v.with(StateLost, StateDamaged, StateImpostor)))
		forbid(ActRestartOthers, "quorum")
	case MajorityLost, DataDamaged:
		if c, ok := d.Chosen(); ok {
			allow(ActRebuild, c.Log, c.LastTerm, c.LastIndex)
		}
	case AllLost:
		if c, ok := d.Chosen(); ok {
			allow(ActRestore, c.place())
		}
		v.allowSearch(d, allow)
	case NoSpace:
		allow(outOfAlarm(d))
		forbid(ActDisarmFirst, "rearms")
	case CertsExpired:
		if !has(d.Findings, ClockSkew) {
			allow(ActRenewCerts)
		}
	case Blocked:
		if has(d.Findings, DiskFull, DiskReadOnly, NoQuorumThoughLive) {
			allow(ActFreeSpace)
		}
	case Degraded:
		if has(d.Findings, DiskFull) {
			allow(ActFreeSpace)
		}
	}
	v.allowSight(d, allow)
	if has(d.Findings, ClockSkew) {
		allow(ActSetClock)
		forbid(ActRenewCerts, "clock")
	}
	if names, from, ok := v.extractable(d.Findings); ok {
		allow(ActExtract, some(names), from.id())
	}
	if has(d.Findings, DataDirUnmounted) {
		allow(ActMount)
		forbid(ActReplace, "unmounted")
		forbid(ActRebuild, "unmounted")
	}
	if c := d.Cause; c != nil && (d.Scenario == Blocked || d.Scenario == Degraded) {
		allowed = append(allowed, Advice{ActRepair, say.New("repair." + string(c.Code))})
		forbidden = append(forbidden, Advice{ActWrong, say.New("wrong." + string(c.Code))})
	}
	v.forbidRestore(d, forbid)
	_, remains := d.Remains()
	if d.Scenario != Healthy && d.Level.Data != D2 && (d.Level.Data != D3 || remains) {
		forbid(ActForceNew, "tail")
		forbid(ActWipe, "evidence")
	}
	return allowed, forbidden
}

// outOfAlarm is the way out of a quota alarm.
func outOfAlarm(d Diagnosis) string {
	switch {
	case has(d.Findings, DiskFull): // a defragmentation writes a second db
		return ActFreeSpace
	case has(d.Findings, QuotaFullOfData):
		return ActRaiseQuota
	}
	return ActCompact
}

// allowSearch says where backups may lie that nobody could look at.
func (v view) allowSearch(d Diagnosis, allow func(a string, args ...any)) {
	if _, ok := v.silence(); ok || d.Level.Data == DUnknown && v.vaultHides() {
		allow(ActReachVault)
	}
	if places := v.unreadPlaces(); len(places) > 0 {
		allow(ActReadRest, some(places))
	}
}

// allowSight says how to see what could not be seen.
func (v view) allowSight(d Diagnosis, allow func(a string, args ...any)) {
	away, opaque := slices.Concat(v.awayNames(), v.strangerNames()), v.opaqueNames()
	if hidden := v.hidden(); v.alive && len(hidden) > 0 && d.Scenario == Unreachable {
		opaque = hidden // all serve
	}
	if len(away) > 0 && d.Scenario == Unreachable { // else the host's finding says it
		allow(ActReachHosts, strings.Join(away, ", "))
	}
	if len(opaque) > 0 && (d.Scenario == Unreachable || d.Scenario == Degraded) {
		allow(ActReadRest, strings.Join(opaque, ", "))
	}
}

func (v view) forbidRestore(d Diagnosis, forbid func(a, why string, args ...any)) {
	switch {
	case d.Scenario == CertsExpired:
		forbid(ActRestore, "certs")
	case split(d.Findings):
		forbid(ActRestore, "split")
	case d.Level.Data == D0:
		forbid(ActRestore, "intact")
	case d.Level.Data == D1:
		forbid(ActRestore, "survivor")
	case d.Level.Data == DUnknown:
		forbid(ActRestore, "unseen")
	}
}
