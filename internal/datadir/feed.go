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

	"github.com/salvor-project/salvor/internal/cluster"
)

// feedChunk is how much is read at once; a few chunks are on their way from
// the disk to the hash.
const (
	feedChunk  = 2 << 20
	feedChunks = 4
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
	ctx, cancel := context.WithCancel(ctx)
	free, full := make(chan []byte, feedChunks), make(chan []byte, feedChunks)
	for range feedChunks {
		free <- make([]byte, feedChunk)
	}
	read := make(chan error, 1)
	go func() {
		defer close(full)
		read <- readChunks(ctx, file, free, full)
	}()
	err = f.consume(free, full)
	cancel()
	for range full { // let the reader end before its file is closed
	}
	if readErr := <-read; err == nil {
		err = readErr
	}
	return err
}

func readChunks(ctx context.Context, file *os.File, free <-chan []byte, full chan<- []byte) error {
	for at, hint := int64(0), int64(0); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-free:
			hint = readAhead(file, at, hint)
			n, err := io.ReadFull(file, b[:feedChunk])
			at += int64(n)
			if n > 0 {
				full <- b[:n]
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// consume hashes and copies what was read.
func (f *feed) consume(free chan<- []byte, full <-chan []byte) error {
	h, at := sha256.New(), int64(0)
	var rest []byte
	var own []byte // the digest of the body
	for b := range full {
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
		free <- b
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
