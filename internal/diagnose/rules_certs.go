package diagnose

import (
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// expiryWarning is how long before its end a certificate becomes a finding.
const expiryWarning = 30 * 24 * time.Hour

func expired(c cluster.Certificate, now time.Time) bool     { return now.After(c.NotAfter) }
func notYetValid(c cluster.Certificate, now time.Time) bool { return now.Before(c.NotBefore) }
func expiring(c cluster.Certificate, now time.Time) bool {
	return !expired(c, now) && now.Add(expiryWarning).After(c.NotAfter)
}

// findCerts finds the certificates of each member that a test hits, judged by
// the clock of the member's own host.
func findCerts(hit func(cluster.Certificate, time.Time) bool) func(view) []sighting {
	return func(v view) []sighting {
		var out []sighting
		for _, m := range v.members {
			s := sighting{subject: m.cfg.Name}
			for _, c := range m.facts.Certificates {
				if !c.OK || !hit(c.Value, m.now) {
					continue
				}
				s.evidence = append(s.evidence, fmt.Sprintf("%s (%s, %s): valid %s to %s, clock %s", c.Value.Source, c.Value.Use,
					c.Value.Subject, stamp(c.Value.NotBefore), stamp(c.Value.NotAfter), stamp(m.now)))
				if len(s.args) == 0 {
					s.args = []any{c.Value.Source, stamp(c.Value.NotBefore), stamp(c.Value.NotAfter), stamp(m.now)}
				}
			}
			if len(s.evidence) > 0 {
				out = append(out, s)
			}
		}
		return out
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// barred tells whether a member shows a server or peer certificate that is not
// valid: it cannot speak, and starting it again does not help.
func barred(m memberView) bool {
	for _, c := range m.facts.Certificates {
		if c.OK && c.Value.Use != "client" && (expired(c.Value, m.now) || notYetValid(c.Value, m.now)) {
			return true
		}
	}
	return false
}

// certsBlock tells whether invalid server or peer certificates stop so many
// members that no quorum can form.
func (v view) certsBlock() bool {
	n := 0
	for _, m := range v.members {
		if barred(m) {
			n++
		}
	}
	return v.voters-n < v.quorum
}

// certsBar tells whether a member that does not serve is barred.
func (v view) certsBar() bool {
	for _, m := range v.with(StateStopped, StateStuck, StateNoQuorum) {
		if barred(m) {
			return true
		}
	}
	return false
}
