package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/kube"
)

// writeWorkers write at once, each restThen after its last write: a few
// hundred writes a second leave two cores room for a recovery.
const (
	writeWorkers = 4
	restThen     = 10 * time.Millisecond
	writeTimeout = 2 * time.Second
	retryAfter   = 25 * time.Millisecond
)

// Writer is an API server's writes: it creates and updates objects without
// end, through all members, and notes in a ledger what etcd acknowledged. An
// outage only makes it try again, the same write with the same content, so
// that each write is either acknowledged or known as tried.
//
// As the API server's NamespaceLifecycle admission does, every write demands
// that its namespace exists. A member that came back empty as a cluster of its
// own therefore acknowledges nothing; such answers are counted as Refused.
type Writer struct {
	client  *clientv3.Client
	codec   *kube.Codec
	ledger  *ledger
	witness string
	stop    context.CancelFunc
	group   sync.WaitGroup

	mu     sync.Mutex
	wake   *sync.Cond
	paused bool
	active int // workers with a write under way
	stats  Stats
	failed error
}

// Stats is what a Writer did since it was started.
type Stats struct {
	Acked       int
	MaxRevision int64
	LastAck     time.Time
	// LongestPause is the longest time between two acknowledgements since
	// the start or the last ResetPause, counting the time since the last one
	// while the writer is not paused.
	LongestPause time.Duration
	// Refused counts answers of a store that does not know our namespace.
	Refused int
	// Failed counts answers that were errors.
	Failed int
	// Lost counts acknowledged writes that the writer found gone.
	Lost int
}

// StartWriter makes sure that the writer's namespace exists and begins to
// write. The ledger and the witness file are the cluster's. Stop it in the end.
func (c *Cluster) StartWriter(ctx context.Context) (*Writer, error) {
	codec, err := kube.NewCodec()
	if err != nil {
		return nil, err
	}
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	revision, err := ensureNamespace(ctx, client, codec)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start writer: %w", err), client.Close())
	}
	ledger, err := openLedger(c.LedgerPath())
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Writer{client: client, codec: codec, ledger: ledger, witness: c.WitnessPath(), stop: stop}
	w.wake = sync.NewCond(&w.mu)
	w.stats = Stats{MaxRevision: revision, LastAck: time.Now()}
	for n := range writeWorkers {
		w.group.Go(func() { w.fail(newWorker(w, n).run(ctx)) })
	}
	w.group.Go(func() { w.fail(w.keepWitness(ctx)) })
	return w, nil
}

func ensureNamespace(ctx context.Context, client *clientv3.Client, codec *kube.Codec) (int64, error) {
	w := world{codec: codec, namespaces: []string{demoNamespace}, nodes: 1}
	value, err := codec.Encode(w.namespace(0, 0))
	if err != nil {
		return 0, err
	}
	resp, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(namespaceKey), "=", 0)).
		Then(clientv3.OpPut(namespaceKey, string(value))).Commit()
	if err != nil {
		return 0, err
	}
	return resp.Header.Revision, nil
}

const namespaceKey = kube.Root + "namespaces/" + demoNamespace

// Pause returns when no write is under way and the witness file is up to date.
// A write that etcd does not answer is given up after its timeout and taken up
// again by Resume.
func (w *Writer) Pause() error {
	w.mu.Lock()
	w.paused = true
	for w.active > 0 {
		w.wake.Wait()
	}
	err := w.failed
	w.mu.Unlock()
	return errors.Join(err, w.writeWitness())
}

// Resume goes on after Pause; the time in between counts as no outage.
func (w *Writer) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = false
	w.stats.LastAck = time.Now()
	w.wake.Broadcast()
}

// Stop ends the writer and closes its ledger. It gives the first error that
// kept the writer from keeping its books; an unreachable etcd is none.
func (w *Writer) Stop() error {
	w.stop()
	w.mu.Lock()
	w.paused = false
	w.wake.Broadcast()
	w.mu.Unlock()
	w.group.Wait()
	return errors.Join(w.failed, w.writeWitness(), w.ledger.close(), w.client.Close())
}

// Stats tells what was done so far.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	if !w.paused {
		s.LongestPause = max(s.LongestPause, time.Since(s.LastAck))
	}
	return s
}

// ResetPause forgets the longest pause so far.
func (w *Writer) ResetPause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.LongestPause, w.stats.LastAck = 0, time.Now()
}

// WaitAcked waits until n more writes were acknowledged.
func (w *Writer) WaitAcked(ctx context.Context, n int) error {
	goal := w.Stats().Acked + n
	for w.Stats().Acked < goal {
		w.mu.Lock()
		err := w.failed
		w.mu.Unlock()
		if err := errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("wait for %d writes (%d came): %w", n, w.Stats().Acked-goal+n, err)
		}
		pause(ctx, 10*time.Millisecond)
	}
	return nil
}

func (w *Writer) fail(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// enter waits while the writer is paused and then counts a write under way.
// It is false when the writer is to end.
func (w *Writer) enter(ctx context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.paused && ctx.Err() == nil {
		w.wake.Wait()
	}
	if ctx.Err() != nil {
		return false
	}
	w.active++
	return true
}

func (w *Writer) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
	w.wake.Broadcast()
}

func (w *Writer) acknowledged(revision int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.stats.LongestPause = max(w.stats.LongestPause, now.Sub(w.stats.LastAck))
	w.stats.LastAck = now
	w.stats.Acked++
	w.stats.MaxRevision = max(w.stats.MaxRevision, revision)
}

func (w *Writer) count(of func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of(&w.stats)
}
