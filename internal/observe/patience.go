package observe

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A machine that accepts connections and then says no word must not hold up
// what all others have told. It is given up when the others have answered and it
// has been silent for patienceLeast, and for patienceTimes as long as the slowest
// of the others took to be reached.
const (
	patienceLeast = 2 * time.Second
	patienceTimes = 5
)

// patience is how long to wait for machines that were not reached yet.
type patience struct {
	mu    sync.Mutex
	began time.Time
	// silent were not reached yet, asked were, and have not answered yet.
	silent, asked, reached int
	slowest                time.Duration
	timer                  *time.Timer
	over                   chan struct{}
}

func newPatience(hosts int) *patience {
	return &patience{began: time.Now(), silent: hosts, over: make(chan struct{})}
}

// reach opens the way to a host, as long as there is patience.
func (p *patience) reach(ctx context.Context, a Asker) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	if way, is := a.(Reacher); is {
		go func() { done <- way.Reach(ctx) }()
	} else {
		done <- nil
	}
	var err error
	select {
	case err = <-done:
	case <-p.over:
		if spoke(a) {
			err = <-done // it is on its way: salvor itself may have to travel there first
			break
		}
		select {
		case err = <-done: // at the last moment
		default:
			cancel(fmt.Errorf("it was silent for %s, while all others had answered", time.Since(p.began).Round(100*time.Millisecond)))
			err = <-done
			if err == nil {
				err = context.Cause(ctx)
			}
		}
	}
	p.change(func() {
		p.silent--
		if err == nil {
			p.asked++
			p.reached++
			p.slowest = max(p.slowest, time.Since(p.began))
		}
	})
	return err
}

// spoke tells whether anything was heard from a host's machine, as far as its
// Asker knows.
func spoke(a Asker) bool {
	s, ok := a.(interface{ Spoke() bool })
	return ok && s.Spoke()
}

// answered notes that a host that was reached has told what it knows.
func (p *patience) answered() { p.change(func() { p.asked-- }) }

// failed notes a host that cannot be reached at all.
func (p *patience) failed() { p.change(func() { p.silent-- }) }

// change notes something and begins to count once only silent hosts are waited
// for, and another one has answered.
func (p *patience) change(note func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note()
	if p.silent > 0 && p.asked == 0 && p.reached > 0 && p.timer == nil {
		left := max(patienceLeast, patienceTimes*p.slowest) - time.Since(p.began)
		p.timer = time.AfterFunc(max(left, 0), func() { close(p.over) })
	}
}
