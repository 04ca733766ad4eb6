package hosttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/salvor-project/salvor/internal/host"
)

// cutting is a transport that counts what its sessions read, and breaks a
// session after so many bytes when limit is not 0.
type cutting struct {
	host.Transport
	limit int64
	read  *atomic.Int64
}

func (c cutting) Start(ctx context.Context, args ...string) (host.Stream, error) {
	s, err := c.Transport.Start(ctx, args...)
	return cutStream{s, c}, err
}

type cutStream struct {
	host.Stream
	c cutting
}

func (s cutStream) Read(p []byte) (int, error) {
	if s.c.limit > 0 && s.c.read.Load() > s.c.limit {
		return 0, io.EOF
	}
	n, err := s.Stream.Read(p)
	s.c.read.Add(int64(n))
	return n, err
}

// dialVia connects through a cutting transport.
func (f fixture) dialVia(t *testing.T, limit int64) (*host.Client, *atomic.Int64) {
	f.open = cutting{f.open, limit, new(atomic.Int64)}
	return f.dial(t), f.open.(cutting).read
}

// random makes a file of bytes that do not compress.
func random(t *testing.T, path string, n int) (data []byte, sha string) {
	t.Helper()
	data = make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	if _, err := r.Read(data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o640); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:])
}

// same checks a file's content.
func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that differ from the %d that were sent, %v", path, len(got), len(want), err)
	}
}

// absent checks that nothing lies at a path.
func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s exists: %v", path, err)
	}
}

func testRelay(t *testing.T, f fixture) {
	from, to := f.dial(t), f.dial(t)
	for _, n := range []int{0, 1, 1 << 20, 3<<20 + 17} {
		src, dst := filepath.Join(f.dir, "src"), filepath.Join(f.dir, "new", "folders", "dst")
		data, sha := random(t, src, n)
		var last host.Progress
		gotSHA, gotN, err := host.Relay(f.ctx, from, src, to, dst, func(p host.Progress) { last = p })
		if err != nil || gotSHA != sha || gotN != int64(n) {
			t.Fatalf("%d bytes: %s, %d, %v", n, gotSHA, gotN, err)
		}
		if last.Done != int64(n) || last.Total != int64(n) || last.Unit != "bytes" {
			t.Errorf("%d bytes: last progress %+v", n, last)
		}
		same(t, dst, data)
		absent(t, dst+".part")
		if st, err := os.Stat(dst); err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
		if err := os.Remove(dst); err != nil {
			t.Fatal(err)
		}
	}
}

func testRelayResumes(t *testing.T, f fixture) {
	src, dst := f.dir+"/src", f.dir+"/dst"
	const n = 20 << 20
	data, sha := random(t, src, n)
	to := f.dial(t)
	cut, _ := f.dialVia(t, n/2)
	if _, _, err := host.Relay(f.ctx, cut, src, to, dst, nil); !errors.Is(err, host.ErrDisconnected) {
		t.Fatalf("a transfer that breaks in the middle: %v", err)
	}
	absent(t, dst)
	from, read := f.dialVia(t, 0)
	gotSHA, gotN, err := host.Relay(f.ctx, from, src, to, dst, nil)
	if err != nil || gotSHA != sha || gotN != n {
		t.Fatalf("the second attempt: %s, %d, %v", gotSHA, gotN, err)
	}
	if got := read.Load(); got > n*6/10 {
		t.Errorf("the second attempt moved %d of %d bytes: it did not go on where the first ended", got, n)
	}
	same(t, dst, data)
	absent(t, dst+".part")
	// A third time there is nothing to do.
	before := read.Load()
	if gotSHA, _, err = host.Relay(f.ctx, from, src, to, dst, nil); err != nil || gotSHA != sha {
		t.Errorf("a transfer that was done before: %s, %v", gotSHA, err)
	}
	if moved := read.Load() - before; moved > 10000 {
		t.Errorf("%d bytes moved for nothing", moved)
	}
}

func testRelayCorruptPart(t *testing.T, f fixture) {
	from, to := f.dial(t), f.dial(t)
	src := f.dir + "/src"
	data, sha := random(t, src, 2<<20)
	flipped := bytes.Clone(data[:1<<20])
	flipped[12345] ^= 1
	for name, part := range map[string][]byte{
		"flipped": flipped, "longer": append(bytes.Clone(data), 1), "empty": {}, "whole": data, "good": data[:99],
	} {
		dst := filepath.Join(f.dir, name)
		if err := os.WriteFile(dst+".part", part, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := host.Relay(f.ctx, from, src, to, dst, nil); err != nil || got != sha {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		same(t, dst, data)
	}
}

func testRelayFolder(t *testing.T, f fixture) {
	from, to := f.dial(t), f.dial(t)
	src, dst := f.dir+"/wal", f.dir+"/copy"
	if err := errors.Join(os.MkdirAll(src+"/lost+found", 0o700), os.Mkdir(dst+".part", 0o700), os.WriteFile(dst+".part/stale", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	a, shaA := random(t, src+"/0.wal", 3<<20)
	b, shaB := random(t, src+"/1.wal", 10)
	if err := os.WriteFile(dst+".part/0.wal", a[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(shaA + "  0.wal\n" + shaB + "  1.wal\n"))
	for range 2 { // the second time everything is there
		got, n, err := host.Relay(f.ctx, from, src, to, dst, nil)
		if err != nil || n != 3<<20+10 || got != hex.EncodeToString(sum[:]) {
			t.Fatalf("relay: %s, %d, %v", got, n, err)
		}
	}
	same(t, dst+"/0.wal", a)
	same(t, dst+"/1.wal", b)
	entries, err := os.ReadDir(dst)
	if err != nil || len(entries) != 2 {
		t.Errorf("the copy holds %v, %v", entries, err)
	}
	absent(t, dst+".part")
}

func testRelayRefuses(t *testing.T, f fixture) {
	from, to := f.dial(t), f.dial(t)
	src, dst := f.dir+"/src", f.dir+"/dst"
	random(t, src, 1000)
	for _, old := range []string{"", "precious", strings.Repeat("x", 1000), strings.Repeat("y", 2000)} {
		if err := os.WriteFile(dst, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := host.Relay(f.ctx, from, src, to, dst, nil); !errors.Is(err, host.ErrExists) {
			t.Errorf("over %d bytes: %v", len(old), err)
		}
		same(t, dst, []byte(old))
	}
	if _, _, err := host.Relay(f.ctx, from, src, to, f.dir, nil); !errors.Is(err, host.ErrExists) {
		t.Errorf("a file over a folder: %v", err)
	}
}

func testRelayErrors(t *testing.T, f fixture) {
	from, to := f.dial(t), f.dial(t)
	src := f.dir + "/src"
	random(t, src, 5<<20)
	_, _, err := host.Relay(f.ctx, from, f.dir+"/none", to, f.dir+"/dst", nil)
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrDisconnected) {
		t.Errorf("a missing source: %v", err)
	}
	absent(t, f.dir+"/dst")
	absent(t, f.dir+"/dst.part")
	var remote *host.RemoteError
	for _, dst := range []string{src + "/below/a/file", "/proc/salvor/x"} {
		if _, _, err = host.Relay(f.ctx, from, src, to, dst, nil); !errors.As(err, &remote) {
			t.Errorf("to %s: %v", dst, err)
		}
	}
	if _, _, err = host.Relay(f.ctx, from, "/dev/null", to, f.dir+"/dst", nil); !errors.As(err, &remote) {
		t.Errorf("from a device: %v", err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	_, _, err = host.Relay(ctx, from, src, to, f.dir+"/dst", func(host.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled transfer: %v", err)
	}
	absent(t, f.dir+"/dst")
}

func testFetchAndPut(t *testing.T, f fixture) {
	c := f.dial(t)
	data, _ := random(t, f.dir+"/a", 100000)
	if err := c.Put(f.ctx, f.dir+"/a", f.dir+"/b", nil); err != nil {
		t.Error(err)
	}
	same(t, f.dir+"/b", data)
	var last host.Progress
	if err := c.Fetch(f.ctx, f.dir+"/b", f.dir+"/c", func(p host.Progress) { last = p }); err != nil || last.Done != 100000 {
		t.Error(err, last)
	}
	same(t, f.dir+"/c", data)
}
