package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Copied is what Complete did for one backup on one target.
type Copied struct {
	Backup  string
	Target  string
	Resumed int64  // bytes that were there already
	Object  string // a document, where only that was missing or damaged
	Err     error
}

// Complete makes the copies that are missing or damaged: of targets that were
// down, full or slow, and of media that were away. It goes on where an upload
// stopped, takes every chunk from whichever copy is right, reads back, and
// writes the manifest last. Then it gives every target that holds a backup the
// proofs and receipts that others have of it. Targets are served at the same
// time, each newest backup first. Want says which copies are wanted; nil: all. Give it what
// policy.Keep keeps, so that nothing is copied that is dropped next.
func (v *Vault) Complete(ctx context.Context, want func(e catalog.Entry, target string) bool) ([]Copied, error) {
	if v.cfg.Signer == nil {
		return nil, errors.New("complete copies: no signing key")
	}
	cat, err := v.List(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var done []Copied
	var wg sync.WaitGroup
	for _, state := range cat.Targets {
		t, ok := v.target(state.Name)
		if !ok || state.Err != nil {
			continue
		}
		wg.Go(func() {
			for _, e := range cat.Entries {
				if hasWhole(e, t.Name(), state.Medium) || (want != nil && !want(e, t.Name())) || ctx.Err() != nil {
					continue
				}
				c := v.copyTo(ctx, e, t)
				mu.Lock()
				done = append(done, c)
				mu.Unlock()
			}
			for _, c := range v.mend(ctx, cat, t) {
				mu.Lock()
				done = append(done, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return done, ctx.Err()
}

// hasWhole says whether a target, with the medium that is in it, has a copy.
func hasWhole(e catalog.Entry, name, medium string) bool {
	for _, c := range e.Copies {
		if c.Target == name && c.State == catalog.Whole && c.Medium == medium {
			return true
		}
	}
	return false
}

func (v *Vault) copyTo(ctx context.Context, e catalog.Entry, t target.Target) Copied {
	id := e.Manifest.ID
	done := Copied{Backup: id, Target: t.Name()}
	fail := func(err error) Copied {
		done.Err = fmt.Errorf("copy backup %s to target %s: %w", id, t.Name(), err)
		return done
	}
	signed, err := v.signedManifest(ctx, e)
	if err != nil {
		return fail(err)
	}
	var others []string
	for _, c := range e.Copies {
		if c.Target != t.Name() {
			others = append(others, c.Target)
		}
	}
	from, err := v.OpenFrom(e, nil, others)
	if err != nil {
		return fail(err)
	}
	until := v.cfg.Now().Add(v.cfg.LockFor)
	lock := lockName(until, v.stamp())
	if err := v.ready(ctx, t); err != nil {
		return fail(err)
	}
	if err := v.putLock(ctx, t, id, lock, until, "copy"); err != nil {
		return fail(err)
	}
	for _, p := range e.Manifest.Parts {
		n, err := v.copyPart(ctx, from.sources, t, p, e.LockedUntil())
		done.Resumed += n
		if err != nil {
			return fail(err)
		}
	}
	if err := v.replaceManifest(ctx, t, id, signed); err != nil {
		return fail(err)
	}
	r, err := v.commitOn(ctx, func() {}, nil, t, e.Manifest, signed, e.LockedUntil())
	if err != nil {
		return fail(err)
	}
	name := receiptsName + v.stamp() + ".json"
	err = v.signAll(ctx, id, name, catalog.KindReceipts, []catalog.Receipt{r})
	if err = errors.Join(err, t.Delete(ctx, key(id, lock))); err != nil {
		return fail(err)
	}
	return done
}

// signedManifest reads a backup's manifest as it was signed.
func (v *Vault) signedManifest(ctx context.Context, e catalog.Entry) ([]byte, error) {
	keys, _ := v.trusted(ctx)
	var failed []error
	for _, c := range e.Copies {
		t, ok := v.target(c.Target)
		if !ok || c.State == catalog.Away || c.State == catalog.Partly {
			continue
		}
		b, err := target.ReadAll(ctx, t, key(e.Manifest.ID, manifestName), maxDocument)
		var m catalog.Manifest
		if err == nil {
			err = catalog.Verify(catalog.KindManifest, b, keys, &m)
		}
		if err == nil && !reflect.DeepEqual(m.Parts, e.Manifest.Parts) {
			err = errors.New("it is not the manifest that was listed")
		}
		if err == nil {
			return b, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("read manifest: %w", errors.Join(append(failed, errors.New("no copy has it"))...))
}

// replaceManifest removes a manifest that is not the signed one.
func (v *Vault) replaceManifest(ctx context.Context, t target.Target, id string, signed []byte) error {
	b, err := target.ReadAll(ctx, t, key(id, manifestName), maxDocument)
	if errors.Is(err, target.ErrNotFound) || (err == nil && bytes.Equal(b, signed)) {
		return nil
	}
	return t.Delete(ctx, key(id, manifestName))
}

// copyPart makes a part right on a target and gives how much was there.
func (v *Vault) copyPart(ctx context.Context, from *sources, t target.Target, p catalog.Part, until time.Time) (int64, error) {
	k := key(from.id, p.Object)
	_, err := t.Stat(ctx, k)
	if err == nil {
		if v.readBack(ctx, t, from.id, p, func() {}) == nil {
			return p.Sealed.Size, nil
		}
		if err := t.Delete(ctx, k); err != nil {
			return 0, err
		}
	} else if !errors.Is(err, target.ErrNotFound) {
		return 0, err
	}
	offset, err := target.Partial(ctx, t, k)
	if err != nil || offset > p.Sealed.Size {
		offset = 0
	}
	err = v.putPart(ctx, from, t, p, offset, until)
	if err == nil {
		err = v.readBack(ctx, t, from.id, p, func() {})
	}
	if err == nil || offset == 0 || ctx.Err() != nil || !(errors.Is(err, errReadBack) || errors.Is(err, target.ErrOffset) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return offset, err
	}
	// What was there was not the beginning of this part: once more, from zero.
	if err := t.Delete(ctx, k); err != nil {
		return 0, err
	}
	return 0, v.putPart(ctx, from, t, p, 0, until)
}

func (v *Vault) putPart(ctx context.Context, from *sources, t target.Target, p catalog.Part, offset int64, until time.Time) error {
	src := from.stream(ctx, p, offset)
	defer src.Close()
	return t.Put(ctx, key(from.id, p.Object), counting{throttled{ctx, v, src}, v, t.Name(), p.Object},
		target.PutOptions{Offset: offset, RetainUntil: until})
}

// throttled keeps to Config.Throttle.
type throttled struct {
	ctx context.Context
	v   *Vault
	r   io.Reader
}

func (t throttled) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n > 0 {
		t.v.cfg.Throttle(t.ctx, int64(n))
	}
	return n, err
}
