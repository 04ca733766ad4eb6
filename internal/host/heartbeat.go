package host

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// methodAlive is the notification that a coordinator is still there. A machine
// that vanishes, its power gone or its network cut, closes no connection: its
// silence is all that a host notices.
const methodAlive = "alive"

// Vanished is how long a host may keep the lock of a coordinator that is gone:
// until it has noticed the silence, and stopped what it was doing.
const Vanished = silence + 10*time.Second

const (
	// heartbeat is how often a coordinator lets itself be heard.
	heartbeat = 5 * time.Second
	// silence is how long a host listens in vain before it takes the
	// coordinator for gone: it stops what it does and frees its lock.
	silence = 30 * time.Second
)

// beat lets the host hear of this coordinator until the connection ends. A
// notification that blocks, because bulk data fills the pipe, is a sign of life
// by itself.
func (c *Client) beat(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-c.broken:
			return
		case <-t.C:
			// Bounded by the connection, whose end is what is noticed.
			if err := c.rpc.Notify(context.Background(), methodAlive, envelope{}); err != nil {
				return
			}
		}
	}
}

// hearing notes when something was last heard.
type hearing struct {
	r    io.Reader
	last atomic.Int64 // nanoseconds since begin
	// begin carries the monotonic clock: a clock that is set must not look like
	// silence.
	begin time.Time
}

func newHearing(r io.Reader) *hearing { return &hearing{r: r, begin: time.Now()} }

// Read passes on what arrives.
func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if n > 0 {
		h.last.Store(int64(time.Since(h.begin)))
	}
	return n, err
}

// watch calls gone when nothing was heard for limit; it returns then, or when
// ctx ends.
func (h *hearing) watch(ctx context.Context, limit time.Duration, gone func()) {
	t := time.NewTicker(limit / 10)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if time.Since(h.begin)-time.Duration(h.last.Load()) > limit {
				gone()
				return
			}
		}
	}
}
