package datadir

import "context"

// laneBatch is how many events of a lane are handed over at once.
const laneBatch = 4096

// lane is a tally that is kept beside who adds to it: what it is told is handed
// over in batches, each worked off by a goroutine that ends with it. The state
// of the tally's rules may be looked at after finish only. Memory: that of the
// tally, and two batches.
type lane[V comparable, E any] struct {
	t      *tally[V, E]
	batch  []keyEvent[E]
	spare  []keyEvent[E]
	beside chan error // gives what the batch that is being worked off came to; nil when there is none
}

// keyEvent is an event of a key.
type keyEvent[E any] struct {
	id keyID
	e  E
}

func newLane[V comparable, E any](t *tally[V, E]) *lane[V, E] {
	return &lane[V, E]{t: t}
}

// add tells what happened to a key. The error may be that of an event before.
func (l *lane[V, E]) add(key []byte, e E) error {
	if l.batch == nil {
		l.batch, l.spare = make([]keyEvent[E], 0, laneBatch), make([]keyEvent[E], 0, laneBatch)
	}
	l.batch = append(l.batch, keyEvent[E]{l.t.table.id(key), e})
	if len(l.batch) < laneBatch {
		return nil
	}
	return l.hand()
}

// hand lets the batch be worked off, once the one before is done.
func (l *lane[V, E]) hand() error {
	if err := l.wait(); err != nil {
		return err
	}
	batch := l.batch
	l.batch, l.spare = l.spare[:0], batch
	l.beside = make(chan error, 1)
	go func(done chan<- error) { done <- l.t.addAll(batch) }(l.beside)
	return nil
}

func (l *lane[V, E]) wait() error {
	if l.beside == nil {
		return nil
	}
	err := <-l.beside
	l.beside = nil
	return err
}

// finish does what is left; see tally.finish.
func (l *lane[V, E]) finish(ctx context.Context) error {
	if err := l.wait(); err != nil {
		return err
	}
	if err := l.t.addAll(l.batch); err != nil {
		return err
	}
	l.batch, l.spare = nil, nil
	return l.t.finish(ctx, nil, nil)
}

// close gives back what an unfinished lane holds.
func (l *lane[V, E]) close() {
	_ = l.wait()
	l.t.close()
}
