//go:build unix && !linux

package observe

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// clock is all that can be told where the kernel is not Linux.
func (machine) clock() (cluster.ClockFacts, error) {
	return cluster.ClockFacts{System: time.Now().UTC(), RTC: cluster.Unknown[time.Time]("not read on this system"),
		Synchronized: cluster.Unknown[bool]("not read on this system")}, nil
}
