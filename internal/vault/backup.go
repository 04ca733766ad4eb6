package vault

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// Backup is one under way: Begin, Part for each stream, Commit. One that is
// dropped before Commit was never there; the next Collect cleans up after it.
type Backup struct {
	v        *Vault
	manifest catalog.Manifest
	until    time.Time
	live     []target.Target  // took everything so far
	failed   map[string]error // did not, and why
	locks    map[string]string
	renewed  time.Time
}

// Result is what Commit gives: an error per target that has no copy yet. Those
// wait for Complete.
type Result struct {
	Manifest catalog.Manifest
	Receipts []catalog.Receipt
	Failed   map[string]error
}

// Begin starts a backup on every target that can be reached; none is an error.
// RetainUntil locks it where a target can; zero: it is not locked.
func (v *Vault) Begin(ctx context.Context, cluster catalog.Cluster, retainUntil time.Time) (*Backup, error) {
	if len(v.cfg.Recipients) == 0 && !v.cfg.Plain {
		return nil, errors.New("begin backup: no recipient is configured, and plain backups were not asked for")
	}
	if v.cfg.Signer == nil {
		return nil, errors.New("begin backup: no signing key")
	}
	now := v.cfg.Now().UTC()
	var salt [4]byte
	_, _ = rand.Read(salt[:]) // never fails
	id := now.Format("20060102T150405Z") + "-" + hex.EncodeToString(salt[:])
	b := &Backup{v: v, until: retainUntil, failed: map[string]error{}, locks: map[string]string{}, manifest: catalog.Manifest{
		Format: catalog.Format, ID: id, Created: now.Truncate(time.Millisecond), Cluster: cluster,
	}}
	if !v.cfg.Plain {
		b.manifest.Recipients = seal.Fingerprints(v.cfg.Recipients)
	}
	said := v.each(ctx, v.ready)
	for _, t := range v.cfg.Targets {
		if err := said[t.Name()]; err != nil {
			b.failed[t.Name()] = err
			continue
		}
		if v.cfg.Later[t.Name()] {
			continue
		}
		b.live = append(b.live, t)
	}
	if err := b.lock(ctx); err != nil {
		return nil, fmt.Errorf("begin backup: %w", err)
	}
	return b, nil
}

// ID is the backup's name, sortable by time.
func (b *Backup) ID() string { return b.manifest.ID }

// lock says on every live target that an upload is under way; a target that
// does not take it gets nothing.
func (b *Backup) lock(ctx context.Context) error {
	v, id := b.v, b.manifest.ID
	now := v.cfg.Now()
	until := now.Add(v.cfg.LockFor)
	name := lockName(until, v.stamp())
	failed, locks := maps.Clone(b.failed), maps.Clone(b.locks) // a late answer must not meet what is changed below
	said := v.each(ctx, func(ctx context.Context, t target.Target) error {
		if failed[t.Name()] != nil || v.cfg.Later[t.Name()] {
			return nil
		}
		if err := v.putLock(ctx, t, id, name, until, "upload"); err != nil {
			return err
		}
		if old := locks[t.Name()]; old != "" {
			return t.Delete(ctx, key(id, old))
		}
		return nil
	})
	for _, t := range b.live {
		if err := said[t.Name()]; err != nil {
			b.fail(t, err)
			continue
		}
		b.locks[t.Name()] = name
	}
	b.renewed = now
	if len(b.live) == 0 {
		all := []error{errors.New("no target can be written to")}
		for _, err := range b.failed {
			all = append(all, err)
		}
		return errors.Join(all...)
	}
	return nil
}

func (v *Vault) putLock(ctx context.Context, t target.Target, id, name string, until time.Time, why string) error {
	who, err := os.Hostname()
	if err != nil {
		who = "unknown host"
	}
	return putDoc(ctx, t, key(id, name), mark{Who: who, Why: why, At: v.cfg.Now().UTC(), Until: until.UTC()}.bytes(), time.Time{})
}

// fail takes a target out of the backup. The slice is made anew: a part's
// feeds may still hold the old one.
func (b *Backup) fail(t target.Target, err error) {
	b.failed[t.Name()] = err
	var live []target.Target
	for _, l := range b.live {
		if l.Name() != t.Name() {
			live = append(live, l)
		}
	}
	b.live = live
}

// Part seals a stream and uploads it to all live targets at once, in one pass
// and with bounded memory. It fails when r does or when no target is left.
func (b *Backup) Part(ctx context.Context, name string, r io.Reader) (catalog.Part, error) {
	part := catalog.Part{Name: name, Object: name + ".zst", Chunk: b.v.cfg.Chunk}
	if err := catalog.CheckName(name); err != nil {
		return part, fmt.Errorf("back up part: %w", err)
	}
	if b.v.cfg.Now().Sub(b.renewed) > b.v.cfg.LockFor/3 {
		if err := b.lock(ctx); err != nil {
			return part, fmt.Errorf("back up %s: %w", name, err)
		}
	}
	var recipients []seal.Recipient
	if !b.v.cfg.Plain {
		part.Object += ".age"
		recipients = b.v.cfg.Recipients
	}
	f := b.v.newFan(ctx, key(b.manifest.ID, part.Object), b.live, b.until)
	w, err := b.pump(ctx, f, recipients, r)
	if err != nil {
		f.abort(err)
		return part, fmt.Errorf("back up %s: %w", name, err)
	}
	for _, d := range f.feeds {
		d.stop(nil)
		if d.gone != nil {
			b.fail(d.target, d.gone)
		}
	}
	part.Encoding, part.Plain, part.Sealed, part.Chunks = w.Encoding(), w.Plain(), w.Sealed(), f.chunks
	b.manifest.Parts = append(b.manifest.Parts, part)
	return part, nil
}

func (b *Backup) pump(ctx context.Context, f *fan, recipients []seal.Recipient, r io.Reader) (*seal.Writer, error) {
	w, err := seal.NewWriter(f, recipients)
	if err != nil {
		return nil, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, target.WithContext(ctx, r), make([]byte, 1<<20))
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = f.finish()
	}
	return w, err
}

// Facts are what is known about a backup when its parts are through.
type Facts struct {
	Cluster  catalog.Cluster // what Begin did not know yet; may be empty
	Revision int64
	Highest  int64 // that any member has been seen at; zero: not known
	Source   string
	Salvaged bool
	Members  []catalog.Member
	Tools    map[string]string
	Missing  []catalog.Note
	// Fence is asked on every target when all is read back, right before the
	// manifest is written there; an error keeps it from being written, and so
	// does the time that it gives, once it has passed. It may be nil.
	Fence func(ctx context.Context) (until time.Time, err error)
}

// Commit reads every part back from every live target, and then writes the
// manifest: from that moment on the backup exists there. It fails if it exists
// nowhere.
func (b *Backup) Commit(ctx context.Context, facts Facts) (Result, error) {
	m := &b.manifest
	m.Revision, m.Source, m.Salvaged = facts.Revision, facts.Source, facts.Salvaged
	m.Members, m.Missing, m.Tools, m.Highest = facts.Members, facts.Missing, maps.Clone(facts.Tools), facts.Highest
	m.Cluster = cmp.Or(facts.Cluster, m.Cluster)
	if err := m.Check(); err != nil {
		return Result{}, fmt.Errorf("commit backup: %w", err)
	}
	signed, err := catalog.Sign(catalog.KindManifest, m, b.v.cfg.Signer)
	if err != nil {
		return Result{}, fmt.Errorf("commit backup: %w", err)
	}
	type answer struct {
		t       target.Target
		receipt catalog.Receipt
		err     error
	}
	answers := make(chan answer, len(b.live))
	waiting := len(b.live)
	for _, t := range b.live {
		go func() {
			r, err := b.v.guarded(ctx, func(ctx context.Context, alive func()) (catalog.Receipt, error) {
				return b.v.commitOn(ctx, alive, facts.Fence, t, *m, signed, b.until)
			})
			answers <- answer{t, r, err}
		}()
	}
	res := Result{Manifest: *m, Failed: b.failed}
	for range waiting {
		a := <-answers
		if a.err != nil {
			b.fail(a.t, a.err)
			continue
		}
		res.Receipts = append(res.Receipts, a.receipt)
	}
	if len(res.Receipts) == 0 {
		all := []error{errors.New("no target holds a copy")}
		for _, err := range b.failed {
			all = append(all, err)
		}
		return res, fmt.Errorf("commit backup %s: %w", m.ID, errors.Join(all...))
	}
	err = b.v.signAll(ctx, m.ID, receiptsName+b.v.stamp()+".json", catalog.KindReceipts, res.Receipts)
	b.unlock(ctx)
	if err != nil {
		return res, fmt.Errorf("backup %s is committed, its receipts are not written: %w", m.ID, err)
	}
	return res, nil
}

// guarded runs what talks to one target. One that shows no life for Quiet is
// cancelled, and left behind if it does not even notice that.
func (v *Vault) guarded(ctx context.Context, do func(ctx context.Context, alive func()) (catalog.Receipt, error)) (catalog.Receipt, error) {
	type answer struct {
		r   catalog.Receipt
		err error
	}
	watched, alive, end := v.watch(ctx)
	defer end()
	done := make(chan answer, 1)
	go func() {
		r, err := do(watched, alive)
		done <- answer{r, err}
	}()
	select {
	case a := <-done:
		return a.r, a.err
	case <-watched.Done():
	}
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.r, a.err
	case <-timer.C:
		return catalog.Receipt{}, context.Cause(watched)
	}
}

// commitOn reads the parts back and makes the backup exist on one target.
func (v *Vault) commitOn(ctx context.Context, alive func(), fence func(context.Context) (time.Time, error), t target.Target, m catalog.Manifest, signed []byte, until time.Time) (catalog.Receipt, error) {
	r := catalog.Receipt{Backup: m.ID, Target: t.Name(), Medium: medium(t)}
	if t.Properties().Immutable {
		r.LockedUntil = until.UTC()
	}
	for _, p := range m.Parts {
		if err := v.readBack(ctx, t, m.ID, p, alive); err != nil {
			return r, err
		}
		r.Sealed = append(r.Sealed, p.Sealed)
	}
	if fence != nil {
		limit, err := fence(ctx)
		if err != nil {
			return r, err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, limit)
		defer cancel()
	}
	if err := putDoc(ctx, t, key(m.ID, manifestName), signed, until); err != nil {
		return r, err
	}
	r.When = v.cfg.Now().UTC()
	return r, nil
}

// readBack reads a part from a target and compares all its digests; it calls
// alive as data comes.
func (v *Vault) readBack(ctx context.Context, t target.Target, id string, p catalog.Part, alive func()) error {
	ctx, beat, end := v.watch(ctx)
	defer end()
	also := alive
	alive = func() { beat(); also() }
	src, err := t.Get(ctx, key(id, p.Object), 0, -1)
	if err != nil {
		return err
	}
	defer src.Close()
	buf := make([]byte, min(p.Chunk, max(p.Sealed.Size, 1)))
	for i, want := range p.Chunks {
		n := min(p.Chunk, p.Sealed.Size-int64(i)*p.Chunk)
		if _, err := io.ReadFull(beating{src, alive}, buf[:n]); err != nil {
			return fmt.Errorf("read back %s from target %s: %w", p.Object, t.Name(), err)
		}
		sum := sha256.Sum256(buf[:n])
		if hex.EncodeToString(sum[:]) != want {
			return fmt.Errorf("read back %s from target %s: chunk %d: %w", p.Object, t.Name(), i, errReadBack)
		}
	}
	// The chunks' digests, all in their places, are the whole's.
	if n, _ := io.ReadFull(src, buf[:1]); n != 0 {
		return fmt.Errorf("read back %s from target %s: %w", p.Object, t.Name(), errReadBack)
	}
	return nil
}

// watch ends a context when alive was not called for Quiet.
func (v *Vault) watch(ctx context.Context) (_ context.Context, alive, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(v.cfg.Quiet, func() { cancel(errAbandoned) })
	return ctx, func() { timer.Reset(v.cfg.Quiet) }, func() { timer.Stop(); cancel(nil) }
}

type beating struct {
	io.Reader
	alive func()
}

func (b beating) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n > 0 {
		b.alive()
	}
	return n, err
}

// unlock removes this upload's locks where the backup is committed; the others
// are left for Complete or Collect.
func (b *Backup) unlock(ctx context.Context) {
	failed, locks, id := maps.Clone(b.failed), maps.Clone(b.locks), b.manifest.ID
	b.v.each(ctx, func(ctx context.Context, t target.Target) error {
		if name := locks[t.Name()]; name != "" && failed[t.Name()] == nil {
			return t.Delete(ctx, key(id, name))
		}
		return nil
	})
}

// labelled is a target on removable media.
type labelled interface{ MediumLabel() string }

func medium(t target.Target) string {
	if l, ok := t.(labelled); ok {
		return l.MediumLabel()
	}
	return ""
}

func lockName(until time.Time, stamp string) string {
	return fmt.Sprintf("%s%d.%s.json", lockPrefix, until.Unix(), stamp)
}
