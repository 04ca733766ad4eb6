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

// certsBlock tells whether invalid server or peer certificates stop so many
// members that no quorum can form.
func (v view) certsBlock() bool {
	blocked := 0
	for _, m := range v.members {
		for _, c := range m.facts.Certificates {
			if c.OK && c.Value.Use != "client" && (expired(c.Value, m.now) || notYetValid(c.Value, m.now)) {
				blocked++
				break
			}
		}
	}
	return v.voters-blocked < v.quorum
}
