// Package targettest is the one suite that every kind of target passes.
package targettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sort"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/vault/target"
)

// Run holds a kind of target to what target.Target says. fresh makes an empty
// target; again gives another handle on the same place, as a second process
// would have.
func Run(t *testing.T, fresh func(t *testing.T) (one, again target.Target)) {
	for name, check := range map[string]func(*testing.T, target.Target, target.Target){
		"put and get": putGet, "ranges": ranges, "never replaces": neverReplaces, "list": list,
		"delete": remove, "resume": resume, "whole or invisible": wholeOrInvisible, "keys": keys,
		"together": together, "cancelled": cancelled, "large": large,
	} {
		t.Run(name, func(t *testing.T) {
			one, again := fresh(t)
			check(t, one, again)
		})
	}
}

// Bytes makes n bytes that do not compress, the same for the same seed.
func Bytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = src.Read(b) // never fails
	return b
}

func put(t *testing.T, one target.Target, key string, b []byte) {
	t.Helper()
	if err := one.Put(t.Context(), key, onlyReader{bytes.NewReader(b)}, target.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, one target.Target, key string, b []byte) {
	t.Helper()
	r, err := one.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%s: %d bytes, %v; want the %d that were put", key, len(got), err, len(b))
	}
	o, err := one.Stat(t.Context(), key)
	if err != nil || o.Size != int64(len(b)) || o.Key != key || o.Partial || o.Modified.IsZero() {
		t.Fatalf("stat %s: %+v, %v; want %d bytes", key, o, err, len(b))
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func putGet(t *testing.T, one, again target.Target) {
	for i, n := range []int{0, 1, 4096, 300_000} {
		key, b := fmt.Sprintf("a/b-%d/c.json", i), Bytes(uint64(i), n)
		put(t, one, key, b)
		want(t, one, key, b)
		want(t, again, key, b)
	}
	_, err := one.Stat(t.Context(), "a/none")
	wantError(t, err, target.ErrNotFound)
	_, err = one.Get(t.Context(), "a/none", 0, -1)
	wantError(t, err, target.ErrNotFound)
	_, err = one.Get(t.Context(), "a/b-0", 0, -1) // a folder is no object
	if err == nil {
		_, err = one.Stat(t.Context(), "a/b-0")
	}
	wantError(t, err, target.ErrNotFound)
}

func ranges(t *testing.T, one, _ target.Target) {
	b := Bytes(1, 100_000)
	put(t, one, "a/f", b)
	for _, c := range []struct{ off, n, from, to int64 }{
		{0, 10, 0, 10}, {99_990, 10, 99_990, 100_000}, {99_990, 100, 99_990, 100_000}, {50_000, -1, 50_000, 100_000},
		{100_000, 5, 100_000, 100_000}, {7, 0, 7, 7}, {0, -1, 0, 100_000}, {0, 1, 0, 1},
	} {
		r, err := one.Get(t.Context(), "a/f", c.off, c.n)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, b[c.from:c.to]) {
			t.Errorf("%+v: got %d bytes, %v", c, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func neverReplaces(t *testing.T, one, again target.Target) {
	put(t, one, "a/f", []byte("first"))
	for _, who := range []target.Target{one, again} {
		wantError(t, who.Put(t.Context(), "a/f", bytes.NewReader([]byte("second")), target.PutOptions{}), target.ErrExists)
	}
	want(t, again, "a/f", []byte("first"))
}

func keysOf(t *testing.T, one target.Target, prefix string, partial bool) []string {
	t.Helper()
	all, err := one.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{}
	for _, o := range all {
		if o.Partial == partial {
			keys = append(keys, o.Key)
		}
	}
	sort.Strings(keys)
	return keys
}

func list(t *testing.T, one, again target.Target) {
	for _, k := range []string{"README.txt", "a/1/f", "a/1/g", "a/2/f", "b"} {
		put(t, one, k, []byte(k))
	}
	for prefix, keys := range map[string][]string{
		"": {"README.txt", "a/1/f", "a/1/g", "a/2/f", "b"}, "a/": {"a/1/f", "a/1/g", "a/2/f"},
		"a/1/": {"a/1/f", "a/1/g"}, "a/1/f": {"a/1/f"}, "c/": {}, "c": {}, "b": {"b"},
	} {
		if diff := cmp.Diff(keys, keysOf(t, again, prefix, false)); diff != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
		}
	}
	all, err := one.List(t.Context(), "a/1/f")
	if err != nil || len(all) != 1 || all[0].Size != 5 || all[0].Modified.IsZero() {
		t.Errorf("got %+v, %v", all, err)
	}
}

func remove(t *testing.T, one, again target.Target) {
	put(t, one, "a/1/f", []byte("x"))
	put(t, one, "a/1/f2", []byte("y"))
	for range 2 { // again is harmless
		if err := one.Delete(t.Context(), "a/1/f"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := again.Stat(t.Context(), "a/1/f")
	wantError(t, err, target.ErrNotFound)
	want(t, again, "a/1/f2", []byte("y"))
	put(t, one, "a/1/f", []byte("new")) // a deleted name is free
	want(t, again, "a/1/f", []byte("new"))
}

// cut makes a reader of b that fails after n bytes.
func cut(b []byte, n int) (io.Reader, error) {
	err := errors.New("the line broke")
	return io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(err)), err
}

const part = 6 << 20 // larger than the smallest part of an S3 upload

func resume(t *testing.T, one, again target.Target) {
	b := Bytes(2, 3*part)
	r, broken := cut(b, 2*part+1000)
	wantError(t, one.Put(t.Context(), "a/f", r, target.PutOptions{}), broken)
	size, err := target.Partial(t.Context(), again, "a/f")
	if err != nil || size < 5<<20 || size > 2*part+1000 {
		t.Fatalf("partial of %d bytes, %v; want what came through", size, err)
	}
	wantError(t, again.Put(t.Context(), "a/f", bytes.NewReader(nil), target.PutOptions{Offset: size + 100<<20}), target.ErrOffset)
	if err := again.Put(t.Context(), "a/f", bytes.NewReader(b[size:]), target.PutOptions{Offset: size}); err != nil {
		t.Fatal(err)
	}
	want(t, one, "a/f", b)
	if left := keysOf(t, one, "", true); len(left) != 0 {
		t.Errorf("partials left: %v", left)
	}
}

func wholeOrInvisible(t *testing.T, one, again target.Target) {
	b := Bytes(3, 2*part)
	r, broken := cut(b, part+part/2)
	wantError(t, one.Put(t.Context(), "a/f", r, target.PutOptions{}), broken)
	_, err := again.Stat(t.Context(), "a/f")
	wantError(t, err, target.ErrNotFound)
	_, err = again.Get(t.Context(), "a/f", 0, -1)
	wantError(t, err, target.ErrNotFound)
	if diff := cmp.Diff([]string{"a/f"}, keysOf(t, again, "a/", true)); diff != "" {
		t.Errorf("partials (-want +got):\n%s", diff)
	}
	if err := again.Delete(t.Context(), "a/f"); err != nil {
		t.Fatal(err)
	}
	if left := keysOf(t, one, "", true); len(left) != 0 {
		t.Errorf("partials left: %v", left)
	}
	r, broken = cut(b, part+part/2)
	wantError(t, one.Put(t.Context(), "a/f", r, target.PutOptions{}), broken)
	put(t, one, "a/f", b[:1000]) // offset zero starts anew
	want(t, again, "a/f", b[:1000])
	if left := keysOf(t, one, "", true); len(left) != 0 {
		t.Errorf("partials left: %v", left)
	}
}

func keys(t *testing.T, one, _ target.Target) {
	for _, k := range []string{"", "/etc/x", "../x", "a/../x", "a//b", "a/", ".hidden", "a/.hidden", "a\x00b", "a b", "ä"} {
		if err := one.Put(t.Context(), k, bytes.NewReader(nil), target.PutOptions{}); err == nil {
			t.Errorf("key %q was taken", k)
		}
		if _, err := one.Get(t.Context(), k, 0, -1); err == nil {
			t.Errorf("key %q was read", k)
		}
		if err := one.Delete(t.Context(), k); err == nil {
			t.Errorf("key %q was deleted", k)
		}
	}
}

func together(t *testing.T, one, again target.Target) {
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			key := fmt.Sprintf("a/%d/f", i)
			if err := one.Put(t.Context(), key, bytes.NewReader(Bytes(uint64(i), 50_000)), target.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 12 {
		want(t, again, fmt.Sprintf("a/%d/f", i), Bytes(uint64(i), 50_000))
	}
}

func cancelled(t *testing.T, one, _ target.Target) {
	put(t, one, "a/f", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := one.Put(ctx, "a/g", bytes.NewReader(Bytes(4, 100)), target.PutOptions{}); err == nil {
		t.Error("put went on after the context had ended")
	}
	_, err := one.Stat(t.Context(), "a/g")
	wantError(t, err, target.ErrNotFound)
}

func large(t *testing.T, one, again target.Target) {
	b := Bytes(5, 4*part+17)
	put(t, one, "a/large.zst.age", b)
	want(t, again, "a/large.zst.age", b)
}

// onlyReader hides what a reader could do besides reading: a stream can be
// read once.
type onlyReader struct{ io.Reader }
