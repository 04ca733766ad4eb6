package pki

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// State is what a clock says of a certificate.
type State string

// The states of a certificate.
const (
	Valid       State = "valid"
	Expiring    State = "expiring"
	Expired     State = "expired"
	NotYetValid State = "not-yet-valid"
)

// Judge compares a certificate with a clock. Expiring means valid at that
// time, but no longer when within has passed; a within of 0 never gives it.
// The bounds belong to the validity, as in RFC 5280 section 4.1.2.5.
func Judge(c cluster.Certificate, at time.Time, within time.Duration) State {
	switch {
	case at.After(c.NotAfter):
		return Expired
	case at.Before(c.NotBefore):
		return NotYetValid
	case at.Add(within).After(c.NotAfter):
		return Expiring
	}
	return Valid
}
