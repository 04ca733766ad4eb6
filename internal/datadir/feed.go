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
	d := digesting{feed: f, h: sha256.New()}
	for {
		b, err := r.take(ctx)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			break
		}
		if err := d.copy(b); err != nil {
			return err
		}
		d.add(b)
	}
	d.end()
	return nil
}

// digesting is a pass that is under way.
type digesting struct {
	*feed
	h    hash.Hash
	at   int64
	own  []byte // the digest of the body
	rest []byte // what follows the body
}

// copy writes what is wanted of a chunk.
func (d *digesting) copy(b []byte) error {
	if d.copyTo == nil || d.at >= d.copyBytes {
		return nil
	}
	_, err := d.copyTo.Write(b[:min(int64(len(b)), d.copyBytes-d.at)])
	return err
}

// add hashes a chunk and goes behind it.
func (d *digesting) add(b []byte) {
	d.digest(b)
	d.pass(b)
}

func (d *digesting) digest(b []byte) {
	if !d.hash {
		return
	}
	d.own = hashBody(d.h, b, d.at, d.body, d.own)
	if from := max(d.body-d.at, 0); from < int64(len(b)) {
		d.rest = append(d.rest, b[from:]...)
	}
}

func (d *digesting) pass(b []byte) {
	d.at += int64(len(b))
	if d.seen != nil {
		d.seen(len(b))
	}
}

func (d *digesting) end() {
	if d.hash {
		d.judge(d.h, d.own, d.rest, d.at)
	}
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
