package datadir

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// windowSize is how much a walk reads at once where the pages that it asks for
// lie behind each other, as they mostly do in the order of revisions.
const windowSize = 256 << 10

// window is a piece of a file that was read ahead of a walk. It is for files
// that nobody writes; it does nothing until it is switched on.
type window struct {
	on   bool
	buf  []byte
	from int64
	last int64 // where the last read was
	hint int64 // up to where the kernel was told to read ahead
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
	if !forward {
		return false
	}
	if w.buf == nil {
		w.buf = make([]byte, windowSize)
	}
	w.hint = readAhead(f, off, w.hint)
	n, _ := f.ReadAt(w.buf[:windowSize], off)
	w.buf, w.from = w.buf[:n], off
	return w.copy(buf, off)
}

func (w *window) copy(buf []byte, off int64) bool {
	if off < w.from || off+int64(len(buf)) > w.from+int64(len(w.buf)) {
		return false
	}
	copy(buf, w.buf[off-w.from:])
	return true
}

// warm begins to read the file from its beginning to its end, so that a walk
// beside it does not wait for a cold disk, and lets walks read ahead. It ends
// with the file's closing. What cannot be read is reported by the walk, page by
// page. For files that nobody writes only.
func (p *pageFile) warm(ctx context.Context) {
	p.ahead.on = true
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f := feed{path: p.f.Name()}
		_ = f.run(ctx) // only a hint
	}()
	p.stopWarm = func() {
		cancel()
		<-done
	}
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
