package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// window is how many chunks are fetched at once, ahead of the reader.
const window = 4

// Opened is a backup that is being fetched.
type Opened struct {
	Manifest   catalog.Manifest
	v          *Vault
	identities []age.Identity
	sources    *sources
}

// Open prepares fetching a backup from all copies that can be reached, damaged
// ones too: where they are right they help. Its manifest
// was verified by List; every chunk is verified when it is fetched, against the
// manifest, and taken from another copy if it is wrong.
func (v *Vault) Open(e catalog.Entry, identities []age.Identity) (*Opened, error) {
	return v.OpenFrom(e, identities, nil)
}

// OpenFrom is Open from some of the targets only; nil: all.
func (v *Vault) OpenFrom(e catalog.Entry, identities []age.Identity, only []string) (*Opened, error) {
	if err := e.Manifest.Check(); err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	s := &sources{v: v, id: e.Manifest.ID}
	for _, c := range e.Copies {
		t, ok := v.target(c.Target)
		if ok && c.State != catalog.Away && (only == nil || contains(only, c.Target)) {
			s.all = append(s.all, &source{t: t})
		}
	}
	if len(s.all) == 0 {
		return nil, fmt.Errorf("open backup %s: no target that answers holds a copy", e.Manifest.ID)
	}
	return &Opened{Manifest: e.Manifest, v: v, identities: identities, sources: s}, nil
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// Part gives a part's plain data as it arrives: fetched in parallel ranges,
// verified chunk by chunk, unsealed, and verified as a whole at its end. Only a
// reader that was read to io.EOF gave all of it. Close stops fetching.
func (o *Opened) Part(ctx context.Context, name string) (io.ReadCloser, error) {
	p, sealed, err := o.part(ctx, name)
	if err != nil {
		return nil, err
	}
	plain, err := seal.NewReader(sealed, p, o.identities)
	if err != nil {
		return nil, errors.Join(err, sealed.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, closers{sealed, plain}}, nil
}

// Unverified is Part for who digests the plain data himself: he has to compare
// its size and digest with those of the manifest's part when he has read all,
// and to believe nothing before.
func (o *Opened) Unverified(ctx context.Context, name string) (seal.Stream, error) {
	p, sealed, err := o.part(ctx, name)
	if err != nil {
		return nil, err
	}
	plain, err := seal.Unverified(sealed, p, o.identities)
	if err != nil {
		return nil, errors.Join(err, sealed.Close())
	}
	return struct {
		io.Reader
		io.WriterTo
		io.Closer
	}{plain, plain, closers{sealed, plain}}, nil
}

// part begins to fetch a part.
func (o *Opened) part(ctx context.Context, name string) (catalog.Part, io.ReadCloser, error) {
	p, ok := o.Manifest.Part(name)
	if !ok {
		return p, nil, fmt.Errorf("open backup %s: it has no part %q", o.Manifest.ID, name)
	}
	return p, o.sources.stream(ctx, p, 0), nil
}

// Sealed gives a part as it lies in the vault, verified chunk by chunk.
func (o *Opened) Sealed(ctx context.Context, name string) (io.ReadCloser, error) {
	_, sealed, err := o.part(ctx, name)
	return sealed, err
}

// Fetched says how much came from each target so far.
func (o *Opened) Fetched() []Fetched { return o.sources.report() }

// Fetched is one target's share.
type Fetched struct {
	Target string
	Bytes  int64
	Speed  float64 // bytes per second of one request; zero: not known
	Bad    []error // what it gave that was wrong, or failed to give
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// sources are the copies of one backup, and how fast and right they were.
type sources struct {
	v   *Vault
	id  string
	mu  sync.Mutex
	all []*source
}

type source struct {
	t     target.Target
	speed float64 // smoothed
	busy  int
	bytes int64
	bad   []error
}

// pick takes the copy to ask next: one whose speed is not known yet, then the
// fastest, where every wrong answer counts against the speed: one bad sector
// does not make a slow line the better choice, a dead disk does.
func (s *sources) pick(tried map[*source]bool) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *source
	for _, one := range s.all {
		if !tried[one] && (best == nil || better(one, best)) {
			best = one
		}
	}
	if best != nil {
		best.busy++
	}
	return best
}

func better(a, b *source) bool {
	if a.unknown() != b.unknown() {
		return a.unknown()
	}
	return a.worth() > b.worth()
}

func (o *source) unknown() bool { return o.speed == 0 && o.busy == 0 && len(o.bad) == 0 }

func (o *source) worth() float64 { return o.speed / float64(1+4*len(o.bad)) }

func (s *sources) record(one *source, n int64, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.busy--
	if err != nil {
		one.bad = append(one.bad, err)
		return
	}
	if n == 0 {
		return // nobody waited for it any more
	}
	one.bytes += n
	speed := float64(n) / max(took.Seconds(), 1e-6)
	if one.speed > 0 {
		speed = 0.7*one.speed + 0.3*speed
	}
	one.speed = speed
}

func (s *sources) report() []Fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Fetched
	for _, one := range s.all {
		all = append(all, Fetched{one.t.Name(), one.bytes, one.speed, append([]error(nil), one.bad...)})
	}
	return all
}

// chunk fetches one chunk into b from whichever copy has it right.
func (s *sources) chunk(ctx context.Context, p catalog.Part, i int, b []byte) ([]byte, error) {
	tried := map[*source]bool{}
	var failed []error
	for {
		one := s.pick(tried)
		if one == nil {
			return nil, fmt.Errorf("fetch %s of backup %s: chunk %d is right on no target: %w", p.Object, s.id, i, errors.Join(failed...))
		}
		tried[one] = true
		begin := time.Now()
		b, err := s.chunkFrom(ctx, one.t, p, i, b)
		if ctx.Err() != nil {
			s.record(one, 0, 0, nil)
			return nil, context.Cause(ctx)
		}
		s.record(one, int64(len(b)), time.Since(begin), err)
		if err == nil {
			s.v.cfg.Progress(one.t.Name(), key(s.id, p.Object), int64(len(b)))
			return b, nil
		}
		failed = append(failed, err)
	}
}

// ErrChunk means that a copy holds a wrong byte.
var ErrChunk = errors.New("digest is wrong")

func (s *sources) chunkFrom(ctx context.Context, t target.Target, p catalog.Part, i int, b []byte) ([]byte, error) {
	ctx, alive, end := s.v.watch(ctx)
	defer end()
	off := int64(i) * p.Chunk
	b = b[:min(p.Chunk, p.Sealed.Size-off)]
	r, err := t.Get(ctx, key(s.id, p.Object), off, int64(len(b)))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := io.ReadFull(beating{r, alive}, b); err != nil {
		return nil, fmt.Errorf("fetch chunk %d of %s from target %s: %w", i, p.Object, t.Name(), err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != p.Chunks[i] {
		return nil, fmt.Errorf("fetch chunk %d of %s from target %s: %w", i, p.Object, t.Name(), ErrChunk)
	}
	return b, nil
}

// stream gives a part's sealed bytes from an offset on, in order, fetching a
// window of chunks ahead.
func (s *sources) stream(ctx context.Context, p catalog.Part, offset int64) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	r := &stream{cancel: cancel, queue: make(chan chan fetched, window-1), skip: offset % p.Chunk,
		size: min(p.Chunk, p.Sealed.Size), free: make(chan []byte, window+1)}
	go func() {
		defer close(r.queue)
		for i := int(offset / p.Chunk); i < len(p.Chunks); i++ {
			one := make(chan fetched, 1)
			select {
			case r.queue <- one:
			case <-ctx.Done():
				return
			}
			go func() {
				b, err := s.chunk(ctx, p, i, r.buffer())
				one <- fetched{b, err}
			}()
		}
		r.complete.Store(true)
	}()
	return r
}

type fetched struct {
	b   []byte
	err error
}
