package diagnose

import (
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// awayNames are the members on machines that were not reached and not given up:
// somebody has to bring them into sight.
func (v view) awayNames() []string {
	var out []string
	for _, m := range v.with(StateUnknown) {
		if !m.reached && !m.gone {
			out = append(out, m.cfg.Name)
		}
	}
	return out
}

// strangerNames are the voters that salvor.yaml does not name.
func (v view) strangerNames() []string {
	var out []string
	for _, e := range v.strangers {
		out = append(out, e.Name)
	}
	return out
}

// opaqueNames are the members on machines that were reached, of which what
// decides could not be read: for want of rights, of time, or of a certificate
// that is accepted.
func (v view) opaqueNames() []string {
	var out []string
	for _, m := range v.members {
		shut := !m.facts.Disk.OK && m.state != StateServing && m.state != StateLearner || unreadDB(m)
		if m.reached && !unmounted(m) && (m.state == StateUnknown || shut && !v.alive) {
			out = append(out, m.cfg.Name)
		}
	}
	return out
}

// rightsMissing tells that something which decides could not be read on the
// machine that salvor was started on, and that root could read it.
func (v view) rightsMissing() bool {
	for _, m := range v.members {
		h, _ := v.facts.Config.Host(m.cfg.Host)
		if !m.reached || h.Via == cluster.ViaSSH {
			continue
		}
		facts, _ := v.facts.Host(m.cfg.Host)
		if !m.facts.Process.OK && denied(m.facts.Process.Why) || !m.facts.Disk.OK && !m.facts.Live.OK && denied(m.facts.Disk.Why) || denied(facts.ClientProblem) {
			return true
		}
	}
	return false
}

// denied tells the reasons that are a want of rights.
func denied(why string) bool {
	return strings.Contains(why, "permission denied") || strings.Contains(why, "run salvor as root")
}

// forWantOf gives the ending of the key that says what would tell: other rights,
// or more time.
func forWantOf(why string) string {
	for _, sign := range []string{cluster.CutOff, "in time"} {
		if strings.Contains(why, sign) {
			return "-time"
		}
	}
	if denied(why) {
		return "-rights"
	}
	return ""
}
