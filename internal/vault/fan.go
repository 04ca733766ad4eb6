package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/salvor-project/salvor/internal/vault/target"
)

// ahead is how many chunks a target may lie behind the others.
const ahead = 4

var (
	errSlow      = errors.New("too slow: it kept the others waiting, and is copied to later")
	errAbandoned = errors.New("does not answer")
)

// fan gives one stream to several targets at once. A chunk is made once and
// shared, so memory is bounded by the slowest feed's queue. A feed that fails,
// or makes the others wait too long, is let go; its partial stays, and the copy
// is finished from another target later.
type fan struct {
	v      *Vault
	ctx    context.Context
	feeds  []*feed
	chunk  []byte
	chunks []string
}

// feed is one target's end of a fan.
type feed struct {
	target target.Target
	queue  chan []byte
	done   chan struct{} // closed when Put has returned
	err    error         // of Put, after done
	gone   error         // why the fan let it go
	stop   context.CancelCauseFunc
	waited time.Duration
}

func (v *Vault) newFan(ctx context.Context, object string, ts []target.Target, until time.Time) *fan {
	f := &fan{v: v, ctx: ctx}
	for _, t := range ts {
		ctx, stop := context.WithCancelCause(ctx)
		d := &feed{target: t, queue: make(chan []byte, ahead), done: make(chan struct{}), stop: stop}
		go func() {
			defer close(d.done)
			r := counting{&queueReader{ctx: ctx, queue: d.queue}, v, t.Name(), object}
			d.err = t.Put(ctx, object, r, target.PutOptions{RetainUntil: until})
		}()
		f.feeds = append(f.feeds, d)
	}
	return f
}

// Write cuts p into chunks and gives them out. It fails when no target is left.
func (f *fan) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if f.chunk == nil {
			f.chunk = make([]byte, 0, f.v.cfg.Chunk)
		}
		n := min(len(p), cap(f.chunk)-len(f.chunk))
		f.chunk = append(f.chunk, p[:n]...)
		p = p[n:]
		if len(f.chunk) == cap(f.chunk) {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
	}
	return total, nil
}

func (f *fan) flush() error {
	if len(f.chunk) == 0 {
		return nil
	}
	sum := sha256.Sum256(f.chunk)
	f.chunks = append(f.chunks, hex.EncodeToString(sum[:]))
	// Here and not on the way to each target: none is to be taken for slow.
	f.v.cfg.Throttle(f.ctx, int64(len(f.chunk)*f.living()))
	for _, d := range f.feeds {
		f.give(d, f.chunk)
	}
	f.chunk = nil
	if f.living() == 0 {
		return f.failure()
	}
	return nil
}

func (f *fan) living() int {
	n := 0
	for _, d := range f.feeds {
		if d.gone == nil {
			n++
		}
	}
	return n
}

func (f *fan) failure() error {
	all := []error{errors.New("no target is left")}
	for _, d := range f.feeds {
		all = append(all, d.gone)
	}
	return errors.Join(all...)
}

// give hands a chunk to a feed. As long as another target lives, it waits no
// longer than the feed's patience; the last one may take its time.
func (f *fan) give(d *feed, b []byte) {
	if d.gone != nil {
		return
	}
	select {
	case d.queue <- b:
		return
	case <-d.done:
		f.letGo(d, d.early())
		return
	default:
	}
	begin := time.Now()
	defer func() { d.waited += time.Since(begin) }()
	var tired <-chan time.Time
	if f.living() > 1 {
		timer := time.NewTimer(max(0, f.v.cfg.Patience-d.waited))
		defer timer.Stop()
		tired = timer.C
	}
	select {
	case d.queue <- b:
	case <-d.done:
		f.letGo(d, d.early())
	case <-tired:
		f.letGo(d, &target.Error{Target: d.target.Name(), Op: "put", Key: "part", Err: errSlow})
	}
}

// early is the error of a Put that returned before its stream had ended.
func (d *feed) early() error {
	if d.err == nil {
		return fmt.Errorf("target %s: put returned before the stream had ended", d.target.Name())
	}
	return d.err
}

func (f *fan) letGo(d *feed, why error) {
	d.gone = why
	d.stop(why)
}

// finish ends the stream on all targets and waits for them; the patience that
// a feed has left counts here too, once one target has finished.
func (f *fan) finish() error {
	if err := f.flush(); err != nil {
		return err
	}
	for _, d := range f.feeds {
		if d.gone == nil {
			close(d.queue)
		}
	}
	// The first that ends well starts the others' clocks.
	first := make(chan struct{}, len(f.feeds))
	for _, d := range f.feeds {
		go func() { <-d.done; first <- struct{}{} }()
	}
	<-first
	for _, d := range f.feeds {
		if d.gone == nil {
			f.await(d)
		}
	}
	if f.living() == 0 {
		return f.failure()
	}
	return nil
}

func (f *fan) await(d *feed) {
	// What is in the queue and in a target's own hands takes time even on a
	// good line; the last target that lives is waited for to its end.
	var tired <-chan time.Time
	if f.living() > 1 {
		timer := time.NewTimer(f.v.cfg.Patience)
		defer timer.Stop()
		tired = timer.C
	}
	select {
	case <-d.done:
		if d.err != nil {
			f.letGo(d, d.err)
		}
	case <-tired:
		f.letGo(d, &target.Error{Target: d.target.Name(), Op: "put", Key: "part", Err: errSlow})
	}
}

// abort lets all feeds go and waits a moment for them, so that partials are
// left in order.
func (f *fan) abort(why error) {
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	for _, d := range f.feeds {
		f.letGo(d, why)
	}
	for _, d := range f.feeds {
		select {
		case <-d.done:
		case <-timer.C:
			return
		}
	}
}

// queueReader reads the chunks of a queue; it fails, instead of ending, when
// its context does.
type queueReader struct {
	ctx   context.Context
	queue <-chan []byte
	cur   []byte
}

func (q *queueReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(q.cur) == 0 {
		select {
		case <-q.ctx.Done():
			return 0, context.Cause(q.ctx)
		case b, ok := <-q.queue:
			if err := context.Cause(q.ctx); err != nil {
				return 0, err
			}
			if !ok {
				return 0, io.EOF
			}
			q.cur = b
		}
	}
	n := copy(p, q.cur)
	q.cur = q.cur[n:]
	return n, nil
}
