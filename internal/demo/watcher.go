package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/connectivity"
)

// Watch is what a watcher has been told so far.
type Watch string

// What a watcher may have been told.
const (
	// WatchContinued: events newer than all it knew, from the history it knew.
	WatchContinued Watch = "continued"
	// WatchCompacted: its revision is gone; it must list everything anew. The
	// right answer of a restored cluster.
	WatchCompacted Watch = "compacted"
	// WatchSilent: nothing. Against a cluster whose revisions went back this
	// is how controllers go blind.
	WatchSilent Watch = "silent"
)

// Watcher is a controller's watch: it starts at a revision and goes on from
// the last one that it saw, whichever member it reaches.
type Watcher struct {
	cluster *Cluster
	stop    context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	next     int64
	marked   int64 // the highest revision known when Mark was called
	events   int
	told     int64 // compact revision
	behind   int
	lastSeen time.Time
}

// Watched is a Watcher's account.
type Watched struct {
	// Outcome is what was told since the last Mark.
	Outcome Watch
	// Events counts all events, Revision is the last one's.
	Events   int
	Revision int64
	// CompactRevision is what etcd gave with WatchCompacted.
	CompactRevision int64
	// Behind counts how often a member's revision was older than our own,
	// which can only be a member of another history.
	Behind   int
	LastSeen time.Time
}

// StartWatcher watches everything under /registry from the revision that is
// current now. Stop it in the end.
func (c *Cluster) StartWatcher(ctx context.Context) (*Watcher, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	resp, err := client.Get(ctx, namespaceKey, clientv3.WithCountOnly())
	if err := errors.Join(err, client.Close()); err != nil {
		return nil, fmt.Errorf("start watcher: %w", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Watcher{cluster: c, stop: stop, done: make(chan struct{}), next: resp.Header.Revision + 1}
	go w.run(ctx)
	return w, nil
}

// Mark begins a new account: Outcome tells of what comes after it.
func (w *Watcher) Mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marked = w.next
}

// Stop ends the watch and gives the account.
func (w *Watcher) Stop() Watched {
	w.stop()
	<-w.done
	return w.Account()
}

// Account tells what was seen so far.
func (w *Watcher) Account() Watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := Watched{Outcome: WatchSilent, Events: w.events, Revision: w.next - 1, CompactRevision: w.told, Behind: w.behind, LastSeen: w.lastSeen}
	switch {
	case w.told > 0:
		a.Outcome = WatchCompacted
	case w.next > w.marked && w.events > 0:
		a.Outcome = WatchContinued
	}
	return a
}

// run watches through one member after the other until it is told that its
// revision is compacted.
func (w *Watcher) run(ctx context.Context) {
	defer close(w.done)
	for i := 0; ctx.Err() == nil; i++ {
		names := Names()
		if w.through(ctx, names[i%len(names)]) {
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// through watches through one member until that breaks; true when the end of
// this history was told.
func (w *Watcher) through(ctx context.Context, name string) bool {
	client, err := w.cluster.Client(name)
	if err != nil {
		return false
	}
	defer client.Close()
	// A member that is down would be dialled for ever.
	try, cancel := context.WithTimeout(ctx, time.Second)
	status, err := client.Status(try, client.Endpoints()[0])
	cancel()
	if err != nil || status.Leader == 0 {
		return false
	}
	ctx, end := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer end()
	events := client.Watch(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithRev(w.position()), clientv3.WithCreatedNotify())
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for {
		select {
		case resp, ok := <-events:
			if !ok {
				return false
			}
			if over, compacted := w.take(resp); over {
				return compacted
			}
		case <-check.C:
			if client.ActiveConnection().GetState() != connectivity.Ready {
				return false // its member is gone: the next one
			}
		}
	}
}

func (w *Watcher) position() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

func (w *Watcher) take(resp clientv3.WatchResponse) (over, compacted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp.CompactRevision > 0 || errors.Is(resp.Err(), rpctypes.ErrCompacted) {
		w.told = max(1, resp.CompactRevision)
		return true, true
	}
	if resp.Err() != nil {
		return true, false
	}
	if resp.Created && resp.Header.Revision < w.next-1 {
		w.behind++
		return true, false
	}
	for _, e := range resp.Events {
		w.events++
		w.next = max(w.next, e.Kv.ModRevision+1)
		w.lastSeen = time.Now()
	}
	return false, false
}
