package vault

import (
	"context"
	"io"
	"sync/atomic"
)

// stream puts chunks that arrive in any order into their order.
type stream struct {
	cancel   context.CancelFunc
	queue    chan chan fetched
	complete atomic.Bool // the last chunk is in the queue
	skip     int64       // bytes of the first chunk that are not wanted
	cur      []byte
	err      error
}

func (r *stream) Read(p []byte) (int, error) {
	for len(r.cur) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		one, ok := <-r.queue
		if !ok {
			r.err = io.EOF
			if !r.complete.Load() {
				r.err = context.Canceled
			}
			continue
		}
		f := <-one
		r.cur, r.err = f.b, f.err
		if r.err == nil {
			r.cur = r.cur[r.skip:]
			r.skip = 0
		}
	}
	n := copy(p, r.cur)
	r.cur = r.cur[n:]
	return n, nil
}

// Close stops fetching.
func (r *stream) Close() error {
	r.cancel()
	return nil
}
