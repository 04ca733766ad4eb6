package datadir_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/datadir"
)

// TestUnlockedBesideAWriter reads the db of an etcd that writes all the time:
// what is read must be refused, or be one revision of it, whole.
func TestUnlockedBesideAWriter(t *testing.T) {
	m := newMembers(t, t.TempDir(), 1)[0]
	m.cfg.BackendBatchInterval = 4 * time.Millisecond
	start(t, m)
	workload(t, m.client, 60)
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = m.client.Put(ctx, fmt.Sprintf("/registry/pods/default/w%d", i%40), fmt.Sprint(i))
			if i%5 == 0 {
				_, _ = m.client.Delete(ctx, fmt.Sprintf("/registry/pods/default/w%d", (i+7)%40))
			}
			if i%64 == 63 {
				time.Sleep(30 * time.Millisecond) // so that some readings are let through
			}
		}
	})
	defer writer.Wait()
	defer stop()
	whole, refused := 0, 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && (whole < 40 || refused < 40); {
		revision, n, err := countUnlocked(t, m.dir)
		switch {
		case errors.Is(err, datadir.ErrCommits):
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			whole++
			r, err := m.client.Get(t.Context(), "\x00", clientv3.WithFromKey(), clientv3.WithCountOnly(), clientv3.WithRev(revision))
			if err != nil || r.Count != n {
				t.Fatalf("revision %d has %d objects, %v of them were read: %v", revision, r.Count, n, err)
			}
		}
	}
	if whole < 5 || refused < 5 {
		t.Errorf("%d readings, %d refused: the test proves nothing", whole, refused)
	}
}

// countUnlocked reads a db in use and counts its objects.
func countUnlocked(t *testing.T, dir string) (revision, n int64, err error) {
	t.Helper()
	d, o, err := datadir.InspectUnlocked(t.Context(), dir, "")
	defer o.Close()
	if err != nil {
		return 0, 0, err
	}
	if !o.InUse() || !d.DB.OK || d.DB.Value.InUse == 0 || len(d.Damage) > 0 {
		t.Fatalf("in use %t, db %+v, damage %+v", o.InUse(), d.DB, d.Damage)
	}
	err = o.Each(t.Context(), func([]byte, []byte) error { n++; return nil })
	return d.DB.Value.Revision, n, err
}

// held holds a db as bbolt does.
func held(t *testing.T, path string) *os.File {
	t.Helper()
	f := must(os.OpenFile(path, os.O_RDWR, 0))(t)
	t.Cleanup(func() { _ = f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return f
}

// unlocked: a db in use is read as one at rest is, its damage is found, and
// nobody who wants its lock has to wait; a commit between the inspection and the
// end of the objects is noticed.
func (c crashed) unlocked(t *testing.T) {
	dir := c.copy(t, c.stopped)
	rest, o, err := datadir.InspectObjects(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	want := objectsIn(t, o)
	o.Close()
	f := held(t, dbOf(dir))

	d, o, err := datadir.InspectObjects(t.Context(), dir, "")
	if err != nil || !o.InUse() || d.DB.Value.InUse != 0 {
		t.Fatalf("a db in use is read whole: %+v %v", d.DB, err)
	}
	if err := o.Each(t.Context(), func([]byte, []byte) error { return nil }); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("objects of a db in use: %v", err)
	}
	o.Close()

	d, o, err = datadir.InspectUnlocked(t.Context(), dir, "")
	if err != nil || !o.InUse() || d.DB.Value.InUse == 0 || d.DB.Value.InUse != rest.DB.Value.InUse || len(d.Damage) > 0 {
		t.Fatalf("%+v, at rest %+v: %v", d, rest, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("an etcd that wants its db has to wait for who reads it: %v", err)
	}
	if got := objectsIn(t, o); got != want {
		t.Errorf("objects %s, at rest %s", got, want)
	}
	commit(t, dbOf(dir))
	if err := o.Each(t.Context(), func([]byte, []byte) error { return nil }); !errors.Is(err, datadir.ErrCommits) {
		t.Errorf("after a commit: %v", err)
	}
	o.Close()

	b := must(os.ReadFile(dbOf(dir)))(t)
	leaf := keyLeaf(t, b, int(binary.NativeEndian.Uint32(b[24:])))
	if _, err := f.WriteAt(make([]byte, 64), int64(leaf)); err != nil {
		t.Fatal(err)
	}
	d, o, err = datadir.InspectUnlocked(t.Context(), dir, "")
	if err != nil || len(d.Damage) == 0 || d.Damage[0].File != dbOf(dir) || d.Damage[0].Offset != int64(leaf) {
		t.Errorf("damage of a db in use: %+v %v", d.Damage, err)
	}
	if err := o.Each(t.Context(), func([]byte, []byte) error { return nil }); err == nil {
		t.Error("objects are read from a damaged db")
	}
	o.Close()
}

// commit makes the other meta page of a db the newest, as a commit of bbolt
// does that changes nothing.
func commit(t *testing.T, path string) {
	t.Helper()
	from := filepath.Join(t.TempDir(), "db")
	copyFile(t, path, from)
	bump(t, from)
	b := must(os.ReadFile(from))(t)
	f := must(os.OpenFile(path, os.O_WRONLY, 0))(t)
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// bump lets bbolt itself commit once.
func bump(t *testing.T, path string) {
	t.Helper()
	db := must(bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true}))(t)
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("x"), []byte("y")) }); err != nil {
		t.Fatal(err)
	}
}
