// Package tell says how far the lab is, with times.
package tell

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Teller writes one line per event, with the seconds since its start. It may
// be used by several goroutines.
type Teller struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
}

// New begins to count now.
func New(w io.Writer) *Teller { return &Teller{w: w, start: time.Now()} }

// Say writes a line.
func (t *Teller) Say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%7.1f s  %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}

// Step says that something begins, and when done is called, how long it took.
func (t *Teller) Step(format string, args ...any) (done func()) {
	what, begun := fmt.Sprintf(format, args...), time.Now()
	t.Say("%s …", what)
	return func() { t.Say("%s: %.1f s", what, time.Since(begun).Seconds()) }
}

// Elapsed is the time since the start.
func (t *Teller) Elapsed() time.Duration { return time.Since(t.start) }
