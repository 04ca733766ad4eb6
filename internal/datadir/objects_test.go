package datadir_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
)

// listed is a digest of everything that a reading of objects gives, in its
// order, with its error.
func listed(each func(fn func(key, value []byte) error) error) string {
	h := sha256.New()
	err := each(func(key, value []byte) error {
		_, _ = fmt.Fprintf(h, "%d %d ", len(key), len(value))
		_, _ = h.Write(key)
		_, _ = h.Write(value)
		return nil
	})
	if err != nil {
		return err.Error() // what came before it is not used
	}
	return hex.EncodeToString(h.Sum(nil))
}

func eachLive(t *testing.T, path string) string {
	return listed(func(fn func(key, value []byte) error) error { return datadir.EachLive(t.Context(), path, fn) })
}

func objectsIn(t *testing.T, o *datadir.Objects) string {
	return listed(func(fn func(key, value []byte) error) error { return o.Each(t.Context(), fn) })
}

// sameInOnePass holds the one reading of a data dir for damage and objects
// against the reading for damage and the one for objects, each by itself. It
// gives 1 where there were objects to be read.
func sameInOnePass(t *testing.T, what, dir string, want cluster.DataDir) int {
	t.Helper()
	d, o, err := datadir.InspectObjects(t.Context(), dir, "")
	defer o.Close()
	if diff := cmp.Diff(want, d); err != nil || diff != "" {
		t.Errorf("%s: in one reading: %v %s", what, err, diff)
	}
	if !d.DB.OK {
		return 0
	}
	got, apart := objectsIn(t, o), eachLive(t, dbOf(dir))
	if got != apart {
		t.Errorf("%s: the objects are %s in one reading, %s in one of their own", what, got, apart)
	}
	if len(got) != 2*sha256.Size {
		return 0
	}
	return 1
}

// snapshotsInOnePass does to a saved snapshot what TestRandomDamage does to a
// data dir.
func (c crashed) snapshotsInOnePass(t *testing.T) {
	path := filepath.Join(scratch(t), "s.db")
	sound, damaged := 0, 0
	for seed := range uint64(80) {
		copyFile(t, c.saved, path)
		if seed > 0 {
			if _, ok := damage(t, rand.New(rand.NewPCG(seed, 3)), path); !ok {
				continue
			}
		}
		want := must(datadir.InspectSnapshot(t.Context(), path))(t)
		got, o, err := datadir.InspectSnapshotObjects(t.Context(), path)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("seed %d, in one reading: %v %s", seed, err, diff)
		}
		if got.DB.OK {
			if got, apart := objectsIn(t, o), eachLive(t, path); got != apart {
				t.Errorf("seed %d: the objects are %s in one reading, %s in one of their own", seed, got, apart)
			} else if len(got) == 2*sha256.Size {
				sound++
			} else {
				damaged++
			}
		}
		o.Close()
	}
	if sound < 10 || damaged < 5 {
		t.Errorf("%d readable, %d not: the test proves nothing", sound, damaged)
	}
}

// objectsAreThoseThatLive: what one reading gives is what a reading key by key
// gives, a file is open no longer than its objects, and what was never kept can
// be read all the same.
func (c crashed) objectsAreThoseThatLive(t *testing.T) {
	_, o, err := datadir.InspectObjects(t.Context(), c.stopped, "")
	if err != nil {
		t.Fatal(err)
	}
	held(t, dbOf(c.stopped)).Close() // nobody has to wait for who reads the objects
	n := int64(0)
	if err := o.Each(t.Context(), func([]byte, []byte) error { n++; return nil }); err != nil || n == 0 {
		t.Fatalf("%d objects: %v", n, err)
	}
	if want := must(datadir.ContentOf(t.Context(), dbOf(c.stopped), 0))(t); n != want.Keys {
		t.Errorf("%d objects, %d keys live", n, want.Keys)
	}
	if err := o.Each(t.Context(), func([]byte, []byte) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the error of the reader is %v", err)
	}
	o.Close()
	o.Close()
	if err := o.Each(t.Context(), func([]byte, []byte) error { return nil }); err == nil {
		t.Error("objects are read from a closed file")
	}
	open := must(os.ReadDir("/proc/self/fd"))(t)
	for _, f := range open {
		if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); to == dbOf(c.stopped) {
			t.Errorf("%s is still open", to)
		}
	}
}
