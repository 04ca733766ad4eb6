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
	size     int64       // of a chunk
	free     chan []byte // chunks that were read
	whole    []byte      // the chunk of which cur is left
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
		r.release()
		f := <-one
		r.whole, r.cur, r.err = f.b, f.b, f.err
		if r.err == nil {
			r.cur = r.cur[r.skip:]
			r.skip = 0
		}
	}
	n := copy(p, r.cur)
	r.cur = r.cur[n:]
	return n, nil
}

// buffer gives room for a chunk.
func (r *stream) buffer() []byte {
	select {
	case b := <-r.free:
		return b
	default:
		return make([]byte, r.size)
	}
}

// release gives the chunk that was read back.
func (r *stream) release() {
	if r.whole == nil {
		return
	}
	select {
	case r.free <- r.whole[:cap(r.whole)]:
	default:
	}
	r.whole, r.cur = nil, nil
}

// Close stops fetching.
func (r *stream) Close() error {
	r.cancel()
	return nil
}
