package host

import (
	"context"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"
)

// noteEvery is the shortest time between two progress notifications of a call.
const noteEvery = 100 * time.Millisecond

// notes sends a call's progress: the first at once, then not more often than
// noteEvery, and the last before the call's answer.
type notes struct {
	call int64
	rpc  *jrpc2.Server

	mu      sync.Mutex
	pending *Progress
	sent    time.Time
	ended   bool
}

func newNotes(call int64, rpc *jrpc2.Server) *notes { return &notes{call: call, rpc: rpc} }

// add takes one progress report; after finish it does nothing.
func (n *notes) add(p Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return
	}
	n.pending = &p
	if time.Since(n.sent) >= noteEvery {
		n.sendLocked()
	}
}

// finish sends what was held back.
func (n *notes) finish() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sendLocked()
	n.ended = true
}

func (n *notes) sendLocked() {
	if n.pending == nil {
		return
	}
	// A broken connection ends the call by its context, not here.
	_ = n.rpc.Notify(context.Background(), noteProgress, progressNote{Call: n.call, Progress: *n.pending})
	n.pending, n.sent = nil, time.Now()
}
