package datadir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/durable"
)

// Arrival is a snapshot file that comes as a stream, such as one that is being
// fetched from a backup.
type Arrival struct {
	// Name stands for the file's path in messages.
	Name string
	// Size and SHA256 (hexadecimal) are those of the whole file with its
	// trailer, known beforehand from who vouches for it.
	Size   int64
	SHA256 string
	// Open begins the stream. It is called once at most, when all else is ready.
	// A stream that is an io.WriterTo is asked to write itself.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// RestoreArrival is Restore from a stream: what arrives is digested and written
// at once, and read once more from the page cache, for its structure. Nothing
// is at a target before size, digest, trailer and structure were found right.
// A full restore writes the db itself; a compact one needs room for the whole
// snapshot while it works, in a file without a name beside the first target.
// Source is not looked at.
func RestoreArrival(ctx context.Context, o RestoreOptions, a Arrival, progress func(done, total int64)) (Restored, error) {
	o.Source = a.Name
	return told("restore "+a.Name, progress, func(progress func(done, total int64)) (Restored, error) {
		if _, has := bodyOf(a.Size); !has && !o.SkipHashCheck {
			return Restored{}, errTrailer(a.Name, cluster.TrailerMissing)
		}
		w, err := newRestorer(o)
		if err != nil {
			return Restored{}, err
		}
		w.arrival = &a
		return w.restore(ctx, progress)
	})
}

// takeArrival takes in a source that is a stream, and begins the db. The caller
// closes both.
func (w *restorer) takeArrival(ctx context.Context, m *meter) (_ *survey, db *os.File, err error) {
	m.total = w.arrival.Size * int64(1+len(w.stages))
	if db, err = w.stage(); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	p, err := w.land(ctx, db, m)
	if err != nil {
		return nil, nil, err
	}
	p.ahead.on = true
	synced := make(chan error, 1)
	go func() { synced <- db.Sync() }() // what is still on its way to the disk, beside the walk
	s, err := takeSurvey(ctx, p, 0, false, filepath.Dir(w.stages[0].db()))
	if err != nil {
		err = w.damaged(ctx, err)
	}
	if err = errors.Join(err, <-synced); err != nil {
		p.close()
		return nil, nil, err
	}
	return s, db, nil
}

// land writes the stream to the db that it becomes or, where only its live
// records are wanted, to a file that loses its name at once: it goes with its
// last reader.
func (w *restorer) land(ctx context.Context, db *os.File, m *meter) (*pageFile, error) {
	body, _ := bodyOf(w.arrival.Size)
	room := w.room // of each member
	if w.o.Compact {
		room = func(size int64) error { return durable.Room(filepath.Dir(w.stages[0].dir), size) }
	}
	if err := room(body); err != nil {
		return nil, err
	}
	to, into := db, io.Writer(&durable.Early{File: db})
	if w.o.Compact {
		f, err := os.OpenFile(filepath.Join(w.stages[0].dir, "arriving"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		defer os.Remove(f.Name())
		to, into = f, f // it need not reach the disk
	}
	if err := w.drain(ctx, &feed{path: w.arrival.Name, body: body, hash: true, copyTo: into, copyBytes: body, seen: m.addInt}); err != nil {
		return nil, err
	}
	p, err := openPages(to.Name())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.arrival.Name, err)
	}
	return p, nil
}

// drain reads the stream to its end and holds it against what it has to be.
func (w *restorer) drain(ctx context.Context, f *feed) (err error) {
	a := w.arrival
	r, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s := &sink{ctx: ctx, digesting: digesting{feed: f, h: sha256.New()}, size: a.Size}
	_, err = io.CopyBuffer(s, r, make([]byte, feedChunk))
	if s.err != nil {
		err = s.err // the reader may have put it into its own words
	}
	if err != nil {
		return err
	}
	s.end()
	if s.at != a.Size || f.sum != strings.ToLower(a.SHA256) {
		return fmt.Errorf("%s: %d bytes with SHA-256 %s came, and not %d with %s: %w", a.Name, s.at, f.sum, a.Size, a.SHA256, ErrArrival)
	}
	if !w.o.SkipHashCheck {
		if f.trailer != cluster.TrailerGood {
			return errTrailer(a.Name, f.trailer)
		}
	}
	w.done.SourceSHA256, w.trailer = f.sum, f.trailer
	return nil
}

// ErrArrival means that a stream was not what it was said to be.
var ErrArrival = errors.New("it is not the file that was announced")

// sink takes in a stream: a block is digested while it is written.
type sink struct {
	digesting
	ctx  context.Context
	size int64
	err  error
}

// Write takes a block in.
func (s *sink) Write(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.err = s.take(b); s.err != nil {
		return 0, s.err
	}
	return len(b), nil
}

func (s *sink) take(b []byte) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.at+int64(len(b)) > s.size {
		return fmt.Errorf("%s: more than %d bytes came: %w", s.path, s.size, ErrArrival)
	}
	done := make(chan struct{})
	go func() {
		s.digest(b)
		close(done)
	}()
	err := s.copy(b)
	<-done
	s.pass(b)
	return err
}
