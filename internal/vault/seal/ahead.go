package seal

import (
	"errors"
	"io"
	"sync"
)

// ahead reads a stream in a goroutine of its own, some blocks ahead of its
// reader, so that decrypting, unpacking and digesting run side by side. The
// stream must end soon after whatever it reads from was closed: Close waits for
// the goroutine.
type ahead struct {
	full chan block
	free chan []byte
	stop chan struct{}
	once sync.Once
	done chan struct{}
	cur  block
	rest []byte
}

type block struct {
	buf []byte // to be given back
	n   int
	err error
}

const (
	aheadBlock  = 512 << 10
	aheadBlocks = 4
)

func newAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan block, aheadBlocks), free: make(chan []byte, aheadBlocks), stop: make(chan struct{}), done: make(chan struct{})}
	for range aheadBlocks {
		a.free <- make([]byte, aheadBlock)
	}
	go a.fill(r)
	return a
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.done)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		n, err := 0, error(nil)
		for n < len(buf) && err == nil {
			var m int
			m, err = r.Read(buf[n:])
			n += m
		}
		a.full <- block{buf, n, err} // there is room for all blocks
		if err != nil {
			return
		}
	}
}

// Read gives what was read ahead, and the stream's error in its place.
func (a *ahead) Read(p []byte) (int, error) {
	if err := a.next(); err != nil {
		return 0, err
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// next makes sure that rest holds something, or gives the stream's error.
func (a *ahead) next() error {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return a.cur.err
		}
		if a.cur.buf != nil {
			a.free <- a.cur.buf
		}
		select {
		case a.cur = <-a.full:
		case <-a.stop:
			return io.ErrClosedPipe
		}
		a.rest = a.cur.buf[:a.cur.n]
	}
	return nil
}

// WriteTo gives the blocks away as they are: what Read would copy once more.
func (a *ahead) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		if len(a.rest) > 0 {
			n, err := w.Write(a.rest)
			total += int64(n)
			if err != nil {
				return total, err
			}
			a.rest = nil
		}
		err := a.next()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close ends the reading.
func (a *ahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return nil
}
