package vault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/media"
	"github.com/salvor-project/salvor/internal/vault/target"
)

// gone is a target whose every call is refused.
type gone struct {
	target.Target
	name, where string
}

func (g gone) Name() string { return g.name }
func (g gone) err() error {
	return &target.Error{Target: g.name, Op: "reach", Key: g.where, Err: target.ErrDenied}
}
func (g gone) Put(context.Context, string, io.Reader, target.PutOptions) error  { return g.err() }
func (g gone) Get(context.Context, string, int64, int64) (io.ReadCloser, error) { return nil, g.err() }
func (g gone) Stat(context.Context, string) (target.Object, error)              { return target.Object{}, g.err() }
func (g gone) List(context.Context, string) ([]target.Object, error)            { return nil, g.err() }
func (g gone) Delete(context.Context, string) error                             { return g.err() }

// slow is a real target behind a bad line: each read of a part's upload waits.
type slow struct {
	target.Target
	wait time.Duration
	on   *atomic.Bool
}

func (s slow) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	if s.on.Load() && strings.HasSuffix(key, ".age") {
		r = waiting{r, s.wait}
	}
	return s.Target.Put(ctx, key, r, o)
}

type waiting struct {
	io.Reader
	wait time.Duration
}

func (w waiting) Read(p []byte) (int, error) {
	time.Sleep(w.wait)
	return w.Reader.Read(p[:min(len(p), 16<<10)])
}

// forgets is a target that says yes to a part and keeps nothing.
type forgets struct{ target.Target }

func (f forgets) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	if strings.HasSuffix(key, ".age") {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	return f.Target.Put(ctx, key, r, o)
}

// turns is a target that changes a byte on the way and says yes.
type turns struct{ target.Target }

func (f turns) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if strings.HasSuffix(key, ".age") {
		b[len(b)/2] ^= 1
	}
	return f.Target.Put(ctx, key, bytes.NewReader(b), o)
}

// hangs never answers a Put of a part until its context ends, and not even then.
type hangs struct {
	target.Target
	until chan struct{}
}

func (h hangs) Put(ctx context.Context, key string, r io.Reader, o target.PutOptions) error {
	if strings.HasSuffix(key, ".age") {
		<-h.until
		return errors.New("hung")
	}
	return h.Target.Put(ctx, key, r, o)
}

// TestSlowTargetIsLetGoAndCompletedLater: the others are not stopped, and the
// copy is finished from them, from where it stopped.
func TestSlowTargetIsLetGoAndCompletedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	on := new(atomic.Bool)
	on.Store(true)
	w.cfg.Patience = time.Second
	w.cfg.Targets[1] = slow{w.cfg.Targets[1], 500 * time.Millisecond, on}
	begin := time.Now()
	res := w.backup(1)
	if len(res.Receipts) != 2 || res.Failed["disk2"] == nil || !strings.Contains(res.Failed["disk2"].Error(), "too slow") {
		t.Fatalf("got %+v", res)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the slow target stopped the others: %s", took)
	}
	cat := w.list()
	if len(cat.Entries) != 1 || states(cat.Entries[0]) != "disk1 whole, disk2 partly, disk3 whole" {
		t.Fatalf("got %s; %s", states(cat.Entries[0]), codes(cat))
	}
	on.Store(false)
	done, err := w.vault().Complete(t.Context(), nil)
	if err != nil || len(done) != 1 || done[0].Err != nil {
		t.Fatalf("got %+v, %v", done, err)
	}
	if done[0].Resumed == 0 {
		t.Error("the upload began anew")
	}
	if e := w.list().Entries[0]; states(e) != "disk1 whole, disk2 whole, disk3 whole" {
		t.Errorf("got %s", states(e))
	}
	w.pass(25 * time.Hour)
	if _, err := w.vault().Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.files("lock."); len(left) != 0 {
		t.Errorf("locks left: %v", left)
	}
}

func TestHangingTargetStopsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	until := make(chan struct{})
	defer close(until)
	w.cfg.Patience = time.Second
	w.cfg.Targets[0] = hangs{w.cfg.Targets[0], until}
	begin := time.Now()
	res := w.backup(1)
	if len(res.Receipts) != 1 || res.Failed["disk1"] == nil || time.Since(begin) > 15*time.Second {
		t.Errorf("after %s: %+v", time.Since(begin), res)
	}
	w.mustRead(w.list().Entries[0])
}

// deaf takes everything and never answers a read of a part.
type deaf struct {
	target.Target
	until chan struct{}
}

func (d deaf) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if strings.HasSuffix(key, ".age") {
		<-d.until
	}
	return d.Target.Get(ctx, key, offset, length)
}

func TestTargetThatHangsAtCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.cfg.Quiet = 3 * time.Second
	until := make(chan struct{})
	w.cfg.Targets[0] = deaf{w.cfg.Targets[0], until}
	res := w.backup(1)
	close(until)
	if len(res.Receipts) != 1 || res.Failed["disk1"] == nil {
		t.Errorf("got %+v", res)
	}
}

func TestTargetsThatLie(t *testing.T) {
	for name, lie := range map[string]func(target.Target) target.Target{
		"forgets": func(t target.Target) target.Target { return forgets{t} },
		"turns":   func(t target.Target) target.Target { return turns{t} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.cfg.Targets[0] = lie(w.cfg.Targets[0])
			res := w.backup(1)
			if len(res.Receipts) != 1 || res.Receipts[0].Target != "disk2" || res.Failed["disk1"] == nil {
				t.Fatalf("got %+v", res)
			}
			if e := w.list().Entries[0]; !strings.Contains(states(e), "disk1 partly") {
				t.Errorf("got %s", states(e))
			}
			w.cfg.Targets = w.cfg.Targets[:1]
			if _, err := write(t.Context(), w.vault(), 2); err == nil {
				t.Error("a backup that no target kept was committed")
			}
		})
	}
}

// TestForgottenLater: a target that had a copy and has it no more is named.
func TestForgottenLater(t *testing.T) {
	w := newWorld(t, 2)
	id := w.backup(1).Manifest.ID
	if err := os.RemoveAll(w.object("disk1", id, "")); err != nil {
		t.Fatal(err)
	}
	if cat := w.list(); len(cat.Entries) != 1 || codes(cat) != "copy-lost disk1" {
		t.Errorf("got %s", codes(cat))
	}
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 1 || done[0].Err != nil {
		t.Fatalf("got %+v, %v", done, err)
	}
	if cat := w.list(); len(cat.Problems) != 0 || states(cat.Entries[0]) != "disk1 whole, disk2 whole" {
		t.Errorf("got %s; %s", codes(cat), states(cat.Entries[0]))
	}
}

// TestSourceBreaks: a backup whose data could not be read to the end is none.
func TestSourceBreaks(t *testing.T) {
	w := newWorld(t, 2)
	b, err := w.vault().Begin(t.Context(), ours, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("etcd went away")
	if _, err := b.Part(t.Context(), "etcd.snapshot", io.MultiReader(bytes.NewReader(snapshotOf(1)), failing{broken})); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if cat := w.list(); len(cat.Entries) != 0 || !strings.Contains(codes(cat), "leftover disk1") {
		t.Errorf("got %d entries, %s", len(cat.Entries), codes(cat))
	}
	for _, hours := range []time.Duration{1, 23} { // young leftovers stay
		if done, err := w.vault().Collect(t.Context()); err != nil || len(done) != 0 {
			t.Errorf("collected %+v, %v", done, err)
		}
		w.pass(hours * time.Hour)
	}
	w.pass(time.Hour)
	if done, err := w.vault().Collect(t.Context()); err != nil || len(done) != 2 {
		t.Errorf("collected %+v, %v", done, err)
	}
	if left := w.files("backups/"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestOrphanIsNeverCollected: parts whose manifest somebody removed may still
// be opened with the key.
func TestOrphanIsNeverCollected(t *testing.T) {
	w := newWorld(t, 1)
	id := w.backup(1).Manifest.ID
	if err := os.Remove(w.object("disk1", id, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	w.pass(1000 * time.Hour)
	if done, err := w.vault().Collect(t.Context()); err != nil || len(done) != 0 {
		t.Errorf("collected %+v, %v", done, err)
	}
	if left := w.files("etcd.snapshot"); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// files lists the objects of all folders whose key contains text.
func (w *world) files(text string) []string {
	w.t.Helper()
	var all []string
	for _, tgt := range w.cfg.Targets {
		objects, err := tgt.List(w.t.Context(), "")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range objects {
			if strings.Contains(o.Key, text) {
				all = append(all, tgt.Name()+":"+o.Key)
			}
		}
	}
	return all
}

// TestTapesThatRotate: copies wait for the medium, and what lies in the safe is
// known when the drive is empty.
func TestTapesThatRotate(t *testing.T) {
	w := newWorld(t, 1)
	mounts := map[string]string{"A": t.TempDir(), "B": t.TempDir()}
	open := func(mount string) *media.Target {
		tape, err := media.New("tape", mount, target.Properties{Media: "tape", Offsite: true})
		if err != nil {
			t.Fatal(err)
		}
		return tape
	}
	for label, m := range mounts {
		if err := open(m).Label(label, w.now); err != nil {
			t.Fatal(err)
		}
	}
	disks, empty := w.cfg.Targets, t.TempDir()
	put := func(mount string) { w.cfg.Targets = append(disks[:1:1], open(mount)) }
	put(empty)
	res := w.backup(1)
	if len(res.Receipts) != 1 || !errors.Is(res.Failed["tape"], target.ErrAbsent) {
		t.Fatalf("got %+v", res)
	}
	put(mounts["A"])
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 1 || done[0].Err != nil {
		t.Fatalf("got %+v, %v", done, err)
	}
	put(empty)
	w.pass(time.Hour)
	w.backup(2)
	put(mounts["B"])
	if done, err := w.vault().Complete(t.Context(), nil); err != nil || len(done) != 2 {
		t.Fatalf("got %+v, %v", done, err)
	}
	put(empty)
	cat := w.list()
	if got := states(cat.Entries[0]); got != "disk1 whole, tape away B" {
		t.Errorf("newest: %s", got)
	}
	if got := states(cat.Entries[1]); got != "disk1 whole, tape away A, tape away B" && got != "disk1 whole, tape away B, tape away A" {
		t.Errorf("oldest: %s", got)
	}
	w.cfg.Targets = []target.Target{open(mounts["A"])} // the disk is gone, a tape is found
	found := w.list()
	if len(found.Entries) != 1 {
		t.Fatalf("tape A: %s", codes(found))
	}
	w.mustRead(found.Entries[0])
}

// TestMemoryAndOnePass puts a large part through: the source is read once, and
// what is held does not grow with it.
func TestMemoryAndOnePass(t *testing.T) {
	w := newWorld(t, 2)
	w.cfg.Chunk = 4 << 20
	const size = 96 << 20
	src := &once{r: io.LimitReader(mathrand.NewChaCha8([32]byte{9}), size)}
	b, err := w.vault().Begin(t.Context(), ours, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var p catalog.Part
	if p, err = b.Part(t.Context(), "etcd.snapshot", src); err != nil {
		t.Fatal(err)
	}
	if p.Plain.Size != size || p.Sealed.Size < size || src.n != size {
		t.Errorf("%d bytes in the manifest, %d were read", p.Plain.Size, src.n)
	}
	if src.peak > 200<<20 {
		t.Errorf("the heap grew to %d MiB", src.peak>>20)
	}
	t.Logf("peak of the heap in use: %d MiB", src.peak>>20)
	if _, err := b.Commit(t.Context(), vault.Facts{Revision: 1}); err != nil {
		t.Fatal(err)
	}
}

type once struct {
	r    io.Reader
	n    int64
	peak uint64
}

func (o *once) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.n += int64(n)
	if o.n%(16<<20) < int64(n) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		o.peak = max(o.peak, m.HeapInuse)
	}
	return n, err
}

// late is a real target far away: every answer takes a while.
type late struct {
	target.Target
	wait time.Duration
}

func (l late) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	time.Sleep(l.wait)
	return l.Target.Get(ctx, key, offset, length)
}

// TestFetchPrefersTheFastest and takes the slow one when a byte is bad.
func TestFetchPrefersTheFastest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.cfg.Chunk = 16 << 10
	id := w.backup(1).Manifest.ID
	w.cfg.Targets[0] = late{w.cfg.Targets[0], 300 * time.Millisecond}
	fetched := w.mustRead(w.list().Entries[0]).Fetched()
	if fetched[0].Bytes == 0 || fetched[1].Bytes < 4*fetched[0].Bytes {
		t.Errorf("the slow one gave %d bytes, the fast one %d", fetched[0].Bytes, fetched[1].Bytes)
	}
	change(t, w.object("disk2", id, "etcd.snapshot.zst.age"), func(b []byte) []byte { b[len(b)-20_000] ^= 1; return b })
	fetched = w.mustRead(w.list().Entries[0]).Fetched()
	if len(fetched[1].Bad) != 1 || !errors.Is(fetched[1].Bad[0], vault.ErrChunk) || len(fetched[0].Bad) != 0 {
		t.Errorf("got %v and %v", fetched[0].Bad, fetched[1].Bad)
	}
}

// TestFence: who has lost the right to make a backup does not make it exist,
// whether that is seen before the manifest is written or only by the time.
func TestFence(t *testing.T) {
	w := newWorld(t, 2)
	lost := errors.New("another has the turn")
	for name, fence := range map[string]func(context.Context) (time.Time, error){
		"lost":     func(context.Context) (time.Time, error) { return time.Time{}, lost },
		"too late": func(context.Context) (time.Time, error) { return time.Now().Add(-time.Second), nil },
	} {
		b, err := w.vault().Begin(t.Context(), ours, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Part(t.Context(), "etcd.snapshot", bytes.NewReader(snapshotOf(1))); err != nil {
			t.Fatal(err)
		}
		_, err = b.Commit(t.Context(), vault.Facts{Revision: 1, Fence: fence})
		if !errors.Is(err, lost) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if cat := w.list(); len(cat.Entries) != 0 {
		t.Errorf("it exists: %v", cat.Entries)
	}
	w.pass(48 * time.Hour)
	if _, err := w.vault().Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.files("backups/"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestThrottle: whatever is written to targets is announced first, once for
// each target, also when copies are completed; and a target that comes later is
// passed over by Begin without being counted as failed.
func TestThrottle(t *testing.T) {
	w := newWorld(t, 3)
	var mu sync.Mutex
	var announced int64
	w.cfg.Throttle = func(_ context.Context, n int64) { mu.Lock(); defer mu.Unlock(); announced += n }
	w.cfg.Later = map[string]bool{"disk3": true}
	res := w.backup(5)
	var sealed int64
	for _, p := range res.Manifest.Parts {
		sealed += p.Sealed.Size
	}
	if announced != 2*sealed || len(res.Failed) != 0 || len(res.Receipts) != 2 {
		t.Errorf("announced %d bytes, want twice %d; failed %v", announced, sealed, res.Failed)
	}
	if left := w.files("disk3:backups"); len(left) != 0 {
		t.Errorf("the later target has %v", left)
	}
	if _, err := w.vault().Complete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if announced != 3*sealed {
		t.Errorf("announced %d bytes in all, want three times %d", announced, sealed)
	}
	if e := w.list().Entries[0]; states(e) != "disk1 whole, disk2 whole, disk3 whole" {
		t.Errorf("copies: %s", states(e))
	}
}
