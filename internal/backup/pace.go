package backup

import (
	"context"
	"sync"
	"time"
)

// pace lets bytes through at a rate; who comes waits for who came before.
type pace struct {
	rate int64 // bytes per second
	mu   sync.Mutex
	next time.Time
}

func (p *pace) wait(ctx context.Context, n int64) {
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	at := p.next
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	p.mu.Unlock()
	t := time.NewTimer(at.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
