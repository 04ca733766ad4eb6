package datadir

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// windowSize is how much a walk reads at once where the pages that it asks for
// lie behind each other, as they mostly do in the order of revisions.
const windowSize = 256 << 10

// window is a piece of a file that was read ahead of a walk. It is for files
// that nobody writes, or of which what is read does not change; it does nothing
// until it is switched on. While the walk goes through one piece, the next is
// being read beside it: that is half of the work where the page cache is warm.
type window struct {
	on   bool
	buf  []byte
	from int64
	last int64 // where the last read was
	hint int64 // up to where the kernel was told to read ahead
	// spare is a buffer that is not in use, next the place of the piece that is
	// being read; 0 means none. ready gives it.
	spare []byte
	next  int64
	want  chan piece
	ready chan []byte
}

// piece is what is to be read next, and into what.
type piece struct {
	off int64
	buf []byte
}

// hintSize is how far the kernel reads ahead of who goes through a file.
const hintSize = 8 << 20

// readAhead tells the kernel that a file is read onwards from a place, and
// gives the place up to which it knows. It is only a hint.
func readAhead(f *os.File, off, hint int64) int64 {
	if hint > off+hintSize/2 && hint <= off+2*hintSize {
		return hint
	}
	from := off
	if hint > off && hint <= off+2*hintSize {
		from = hint
	}
	_ = unix.Fadvise(int(f.Fd()), from, off+hintSize-from, unix.FADV_WILLNEED)
	return off + hintSize
}

// take copies what the window holds; where the walk goes forward, it moves
// there first. It is false when the file has to be asked.
func (w *window) take(f *os.File, buf []byte, off int64) bool {
	if !w.on || len(buf) > windowSize/2 {
		return false
	}
	forward := off >= w.last && off-w.last < windowSize
	w.last = off
	if w.copy(buf, off) {
		return true
	}
	end := w.from + int64(len(w.buf))
	onwards := w.buf != nil && off >= end && off < end+windowSize/4
	switch {
	case !forward, w.next > 0 && off < end: // what reaches from one piece into the next is read by itself
		return false
	case w.next > 0 && off < end+windowSize:
		w.turn()
	default:
		w.move(f, off)
	}
	if !w.copy(buf, off) {
		return false
	}
	if onwards { // a walk that jumps would have it read in vain
		w.begin(f)
	}
	return true
}

// move reads a piece at once.
func (w *window) move(f *os.File, off int64) {
	if w.next > 0 {
		w.spare, w.next = <-w.ready, 0 // it was read in vain
	}
	if w.buf == nil {
		w.buf, w.spare = make([]byte, windowSize), make([]byte, windowSize)
	}
	w.hint = readAhead(f, off, w.hint)
	n, _ := f.ReadAt(w.buf[:windowSize], off)
	w.buf, w.from = w.buf[:n], off
}

// turn goes to the piece that was read beside the walk.
func (w *window) turn() {
	w.spare, w.buf, w.from = w.buf, <-w.ready, w.next
	w.next = 0
}

// begin lets the piece behind this one be read.
func (w *window) begin(f *os.File) {
	if len(w.buf) < windowSize {
		return // the file ends
	}
	if w.want == nil {
		w.want, w.ready = make(chan piece, 1), make(chan []byte, 1)
		go func(want <-chan piece, ready chan<- []byte) {
			for p := range want {
				n, _ := f.ReadAt(p.buf[:windowSize], p.off)
				ready <- p.buf[:n]
			}
		}(w.want, w.ready)
	}
	w.next = w.from + windowSize
	w.hint = readAhead(f, w.next, w.hint)
	w.want <- piece{w.next, w.spare}
}

// close ends the reading beside the walk.
func (w *window) close() {
	if w.want == nil {
		return
	}
	if w.next > 0 {
		<-w.ready
	}
	close(w.want)
	*w = window{}
}

func (w *window) copy(buf []byte, off int64) bool {
	if off < w.from || off+int64(len(buf)) > w.from+int64(len(w.buf)) {
		return false
	}
	copy(buf, w.buf[off-w.from:])
	return true
}

// warm begins to read the file from its beginning to its end, so that a walk
// beside it does not wait for a cold disk, and lets walks read ahead. What is in
// the page cache already is passed over. It ends with the file's closing. What
// cannot be read is reported by the walk, page by page.
func (p *pageFile) warm(ctx context.Context) {
	p.ahead.on = true
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	if f, err := os.Open(p.f.Name()); err == nil { // the walk's own may be closed before a read ends
		for i := range feedReaders {
			readers.Go(func() { warmChunks(ctx, f, p.size, i) })
		}
		p.stopWarm = func() {
			cancel()
			readers.Wait()
			_ = f.Close()
		}
		return
	}
	cancel()
}

// warmChunks reads the chunks of one of several readers, as far as they are not
// in the page cache.
func warmChunks(ctx context.Context, f *os.File, size int64, from int) {
	var buf []byte
	for off := int64(from) * feedChunk; off < size && ctx.Err() == nil; off += feedReaders * feedChunk {
		if cached(f, off, min(feedChunk, size-off)) {
			continue
		}
		if buf == nil {
			buf = make([]byte, feedChunk)
		}
		if _, err := f.ReadAt(buf, off); err != nil && !errors.Is(err, io.EOF) {
			return // only a hint
		}
	}
}

// probeEvery is how far apart the bytes are from which a piece of a file is
// taken to be in the page cache: what the kernel reads at once is larger.
const probeEvery = 64 << 10

// cached tells whether a piece of a file is in the page cache, as far as a few
// of its bytes can tell. Where the kernel or the file system cannot say, it is
// not.
func cached(f *os.File, off, size int64) bool {
	var b [1]byte
	for at := off; at < off+size; at += probeEvery {
		if n, err := unix.Preadv2(int(f.Fd()), [][]byte{b[:]}, at, unix.RWF_NOWAIT); err != nil || n < 1 {
			return false
		}
	}
	return true
}

// beside runs a pass through the file and a walk at the same time; each ends
// the other when it fails.
func beside(ctx context.Context, p *pageFile, f *feed, walk func(ctx context.Context) error) (feedErr, walkErr error) {
	p.ahead.on = true
	feeding, stopFeed := context.WithCancel(ctx)
	defer stopFeed()
	walking, stopWalk := context.WithCancel(ctx)
	defer stopWalk()
	done := make(chan error, 1)
	go func() {
		err := f.run(feeding)
		if err != nil {
			stopWalk()
		}
		done <- err
	}()
	walkErr = walk(walking)
	if ctx.Err() != nil {
		stopFeed()
	}
	return <-done, walkErr
}
