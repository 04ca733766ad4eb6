package datadir

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/salvor-project/salvor/internal/cluster"
)

// feedChunk is how much is read at once, feedReaders how many do so side by
// side: a cold disk gives one reader less than half of what it has. Memory: two
// chunks for each reader.
const (
	feedChunk   = 2 << 20
	feedReaders = 4
)

// feed is one sequential pass through a file: it makes the page cache warm for
// the walk that runs beside it, computes the digests and, where a copy is
// wanted, writes it.
type feed struct {
	path string
	// body is how many bytes belong to the db; what follows may be a trailer.
	body int64
	// hash asks for the digests.
	hash bool
	// copyTo gets the first copyBytes bytes; nil copies nothing.
	copyTo    io.Writer
	copyBytes int64
	seen      func(n int)
	// seal asks for the digests of the file with the trailer that it lacks.
	seal bool

	sum     string // sha256 of the whole file, in hex
	own     []byte // sha256 of the body
	trailer cluster.Trailer
}

// bodyOf tells how much of a file's size is db, and whether a trailer follows:
// as etcdutl decides, by a size that is 32 above a multiple of 512
// (etcdutl/snapshot/v3_snapshot.go, hasChecksum).
func bodyOf(size int64) (body int64, trailer bool) {
	if size%trailerBoundary == trailerSize {
		return size - trailerSize, true
	}
	return size, false
}

// run reads the file.
func (f *feed) run(ctx context.Context) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	r := newRow(file)
	defer r.close()
	return f.consume(ctx, r)
}

// row reads a file's chunks side by side and gives them in their order.
type row struct {
	file *os.File
	// places are where the next chunks go: each is filled by one reader.
	places []chan chunk
	next   int
	stop   chan struct{}
	wait   sync.WaitGroup
}

type chunk struct {
	b   []byte
	err error
}

// newRow begins to read a file from its beginning; reader i takes the chunks i,
// i+feedReaders, and so on.
func newRow(file *os.File) *row {
	r := &row{file: file, stop: make(chan struct{})}
	for i := range feedReaders {
		place := make(chan chunk)
		r.places = append(r.places, place)
		r.wait.Go(func() { r.read(i, place) })
	}
	return r
}

// read fills two buffers in turn: one is being used while the other is filled.
func (r *row) read(from int, place chan<- chunk) {
	defer close(place)
	var bufs [2][]byte
	for n := 0; ; n++ {
		b := bufs[n%2]
		if b == nil {
			b = make([]byte, feedChunk)
			bufs[n%2] = b
		}
		size, err := r.file.ReadAt(b, int64(from+n*feedReaders)*feedChunk)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		select {
		case place <- chunk{b[:size], err}:
		case <-r.stop:
			return
		}
		if err != nil || size < feedChunk {
			return
		}
	}
}

// take gives the next chunk, which is valid until the next call; nil is the
// end.
func (r *row) take(ctx context.Context) ([]byte, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case c := <-r.places[r.next%feedReaders]:
		r.next++
		return c.b, c.err
	}
}

// close ends the readers.
func (r *row) close() {
	close(r.stop)
	r.wait.Wait()
}

// consume hashes and copies what was read.
func (f *feed) consume(ctx context.Context, r *row) error {
	h, at := sha256.New(), int64(0)
	var rest []byte
	var own []byte // the digest of the body
	for {
		b, err := r.take(ctx)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			break
		}
		if f.copyTo != nil && at < f.copyBytes {
			if _, err := f.copyTo.Write(b[:min(int64(len(b)), f.copyBytes-at)]); err != nil {
				return err
			}
		}
		if f.hash {
			own = hashBody(h, b, at, f.body, own)
			if from := max(f.body-at, 0); from < int64(len(b)) {
				rest = append(rest, b[from:]...)
			}
		}
		at += int64(len(b))
		if f.seen != nil {
			f.seen(len(b))
		}
	}
	if f.hash {
		f.judge(h, own, rest, at)
	}
	return nil
}

// hashBody feeds the part of a chunk that belongs to the body, and gives the
// body's digest once it is complete.
func hashBody(h hash.Hash, b []byte, at, body int64, own []byte) []byte {
	if at >= body {
		return own
	}
	h.Write(b[:min(int64(len(b)), body-at)])
	if at+int64(len(b)) >= body {
		return h.Sum(nil)
	}
	return own
}

func (f *feed) judge(h hash.Hash, own, rest []byte, size int64) {
	f.own = own
	if f.seal {
		rest = own
	}
	f.trailer = cluster.TrailerMissing
	if body, has := bodyOf(size); has && body == f.body {
		f.trailer = cluster.TrailerWrong
		if bytes.Equal(own, rest) {
			f.trailer = cluster.TrailerGood
		}
	}
	h.Write(rest)
	f.sum = hex.EncodeToString(h.Sum(nil))
}

// errTrailer says why a snapshot's digest forbids its use.
func errTrailer(path string, t cluster.Trailer) error {
	if t == cluster.TrailerMissing {
		return fmt.Errorf("the sha256 trailer of %s is missing: it is no saved snapshot; for a db copied from a data dir, skip the hash check", path)
	}
	return fmt.Errorf("the sha256 trailer of %s is %s: it is not the file that was saved", path, t)
}
