package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/salvor-project/salvor/internal/durable"
)

// receiver is the command "host receive PATH". It writes to PATH.part, a file
// or a folder of files, which it keeps when anything goes wrong, so that the
// next attempt can go on there; PATH itself appears whole or not at all. A PATH
// that exists is compared with what is sent and never written.
type receiver struct {
	path string
	r    *frameReader
	w    *frameWriter
	z    *unpacker

	complete bool // path exists
	exists   bool // path, or else path.part, exists
	dir      bool // what exists is a folder
	root     *os.File
	have     map[string]*prefix
	got      []held
	sealed   bool // the file that was written last is
}

// prefix is what lies here of one file already.
type prefix struct {
	size int64
	sum  hash.Hash
}

// syncEvery is how many bytes are written before they are made durable.
const syncEvery = 64 << 20

func receive(ctx context.Context, path string, stdin io.Reader, stdout io.Writer) error {
	r := &receiver{path: path, r: newFrameReader(stdin), w: &frameWriter{w: stdout}, have: map[string]*prefix{}}
	err := r.run(ctx)
	if r.root != nil {
		err = errors.Join(err, r.root.Close())
	}
	if err == nil {
		err = r.w.json(frameStored, r.stored())
	}
	if err != nil {
		// The other side may be gone; then this is for nobody.
		_ = r.w.json(frameTrouble, faultOf(err))
		return fmt.Errorf("receive %s: %w", path, err)
	}
	return nil
}

// stored tells what lies here.
func (r *receiver) stored() stored {
	s := stored{Files: r.got}
	if !r.dir && !r.complete {
		s.File, _ = durable.Identify(r.path) // without it nobody believes what is said of the file
		s.Sealed = r.sealed
	}
	return s
}

func (r *receiver) part() string { return r.path + ".part" }

func (r *receiver) run(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	if err := r.w.json(frameOffer, r.offer()); err != nil {
		return err
	}
	var s start
	if err := r.r.expect(frameStart, &s); err != nil {
		return fmt.Errorf("read what is to come: %w", err)
	}
	if s.Protocol != bulkProtocol {
		return &Failure{Code: CodeVersion, Hint: "use the same salvor binary on both sides", Err: fmt.Errorf("%w: transfer protocol %d there, %d here", ErrVersion, s.Protocol, bulkProtocol)}
	}
	if r.exists && r.dir != s.Dir {
		return r.other("a file and a folder are not the same thing")
	}
	r.dir = s.Dir
	if !r.exists {
		if err := r.create(); err != nil {
			return err
		}
	}
	var err error
	if r.z, err = newUnpacker(); err != nil {
		return err
	}
	if err := r.files(ctx); err != nil {
		return err
	}
	if len(r.got) != s.Files {
		return fmt.Errorf("%d files came instead of %d", len(r.got), s.Files)
	}
	return r.finish()
}

// offer tells the sender what lies here.
func (r *receiver) offer() offer {
	o := offer{Protocol: bulkProtocol, Complete: r.complete}
	for name, p := range r.have {
		o.Files = append(o.Files, held{Name: name, Size: p.size, SHA256: hexSum(p.sum)})
	}
	return o
}

// other refuses a target that exists and is something else.
func (r *receiver) other(why string) error {
	what := r.part()
	if r.complete {
		what = r.path
	}
	return &Failure{Code: CodeExists, Hint: "move it away, or choose another path", Err: fmt.Errorf("%w: %s: %s", ErrExists, what, why)}
}

// files receives all files up to the end frame.
func (r *receiver) files(ctx context.Context) error {
	seen := map[string]bool{}
	for {
		f, err := r.r.next()
		if err != nil {
			return fmt.Errorf("read the next file: %w", err)
		}
		switch f.kind {
		case frameAlive:
			continue
		case frameEnd:
			return nil
		case frameHeader:
		default:
			return fmt.Errorf("a frame %q came in the place of a file", f.kind)
		}
		var h header
		if err := f.decode(&h); err != nil {
			return err
		}
		if seen[h.Name] || !r.fits(h.Name) {
			return fmt.Errorf("a file named %q cannot come here", h.Name)
		}
		seen[h.Name] = true
		if err := r.file(ctx, h); err != nil {
			return err
		}
	}
}

// file receives one file.
func (r *receiver) file(ctx context.Context, h header) error {
	p := r.have[h.Name]
	if r.complete {
		return r.compare(h, p)
	}
	f, err := r.open(h.Name)
	if err != nil {
		return err
	}
	if f != r.root {
		defer f.Close()
	}
	sum := sha256.New()
	switch {
	case h.From == 0:
		err = f.Truncate(0)
	case p != nil && p.size == h.From && h.From <= h.Size:
		sum = p.sum
	default:
		return fmt.Errorf("the sender goes on at byte %d, which was not offered", h.From)
	}
	if err != nil {
		return err
	}
	if err := durable.Room(filepath.Dir(r.part()), h.Size-h.From); err != nil { // before etcd's disk is full
		return &Failure{Code: CodeNoSpace, Err: err}
	}
	if err := r.data(ctx, f, h, sum); err != nil {
		return err
	}
	if err := f.Chmod(fs.FileMode(h.Mode) & fs.ModePerm); err != nil {
		return err
	}
	return f.Sync()
}

// data writes a file's data frames and judges the whole by its trailer.
func (r *receiver) data(ctx context.Context, f *os.File, h header, sum hash.Hash) (err error) {
	at, unsynced := h.From, int64(0)
	s := syncer{f: f}
	defer func() { err = errors.Join(err, s.wait()) }()
	end := ending{sum: sum, from: h.Size - sha256.Size}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		fr, err := r.r.next()
		if err != nil {
			return fmt.Errorf("read byte %d of %d: %w", at, h.Size, errors.Join(err, f.Sync()))
		}
		switch fr.kind {
		case frameAlive:
			continue
		case frameTrailer:
			r.sealed = end.sealed()
			return r.judge(fr, held{Name: h.Name, Size: at, SHA256: hexSum(sum)}, h.Size)
		case frameData, frameRaw:
		default:
			return fmt.Errorf("a frame %q came in the place of data", fr.kind)
		}
		plain := fr.payload
		if fr.kind == frameData {
			if plain, err = r.z.unpack(fr); err != nil {
				return err
			}
		}
		if at+int64(len(plain)) > h.Size {
			return fmt.Errorf("more data came than the %d bytes that were announced", h.Size)
		}
		digested := make(chan struct{})
		go func() {
			end.add(plain, at)
			close(digested)
		}()
		_, err = f.WriteAt(plain, at)
		<-digested
		if err != nil {
			return err
		}
		at += int64(len(plain))
		if unsynced += int64(len(plain)); unsynced >= syncEvery {
			if err := s.begin(); err != nil {
				return err
			}
			unsynced = 0
		}
	}
}

// ending digests a file that may end in the digest of all before, as etcd's
// snapshots do.
type ending struct {
	sum  hash.Hash
	from int64 // where such a digest begins
	own  []byte
	last []byte
}

// add takes in what lies at a place.
func (e *ending) add(b []byte, at int64) {
	head := b[:min(max(e.from-at, 0), int64(len(b)))]
	e.sum.Write(head)
	if at <= e.from && at+int64(len(head)) == e.from {
		e.own = e.sum.Sum(nil)
	}
	e.last = append(e.last, b[len(head):]...)
	e.sum.Write(b[len(head):])
}

func (e *ending) sealed() bool { return len(e.own) > 0 && bytes.Equal(e.own, e.last) }

// syncer makes what was written durable beside what is being written.
type syncer struct {
	f       *os.File
	running chan error
}

// begin waits for the one before, and gives its error.
func (s *syncer) begin() error {
	if err := s.wait(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.f.Sync() }()
	s.running = done
	return nil
}

func (s *syncer) wait() error {
	if s.running == nil {
		return nil
	}
	err := <-s.running
	s.running = nil
	return err
}

// judge compares what lies here with what the sender has read.
func (r *receiver) judge(fr frame, here held, size int64) error {
	var there held
	if err := fr.decode(&there); err != nil {
		return err
	}
	if here.Size != size || there != here {
		return &Failure{Code: CodeCorrupt, Hint: "repeat the transfer", Err: fmt.Errorf("what arrived is not what was sent: %d bytes %s here, %d bytes %s there", here.Size, here.SHA256, there.Size, there.SHA256)}
	}
	r.got = append(r.got, here)
	return nil
}

// compare checks a file of a target that exists.
func (r *receiver) compare(h header, p *prefix) error {
	if p == nil || h.From != h.Size || p.size != h.Size {
		return r.other(fmt.Sprintf("the file %q differs", h.Name))
	}
	var there held
	if err := r.r.expect(frameTrailer, &there); err != nil {
		return err
	}
	here := held{Name: h.Name, Size: p.size, SHA256: hexSum(p.sum)}
	if there != here {
		return r.other(fmt.Sprintf("the file %q differs", h.Name))
	}
	r.got = append(r.got, here)
	return nil
}

// fits tells whether a file of this name can be part of what comes: a single
// file has none, and one in a folder may begin with a dot.
func (r *receiver) fits(name string) bool {
	if !r.dir {
		return name == ""
	}
	return ValidName(name) == nil || (len(name) > 1 && name[0] == '.' && ValidName(name[1:]) == nil)
}
