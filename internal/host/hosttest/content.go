package hosttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/host"
)

// testPutContent puts what is no file: once, again, over another file, and
// three that are not what they are said to be.
func testPutContent(t *testing.T, f fixture) {
	c := f.dial(t)
	data, sum := random(t, f.dir+"/a", 3<<20+5)
	opened := 0
	content := func(b []byte) host.Content {
		return host.Content{Size: int64(len(data)), SHA256: sum, Open: func(context.Context) (io.ReadCloser, error) {
			opened++
			return io.NopCloser(bytes.NewReader(b)), nil
		}}
	}
	for name, b := range map[string][]byte{"short": data[:1<<20], "long": append(bytes.Clone(data), 1), "wrong": bytes.Repeat([]byte("x"), len(data))} {
		if _, err := c.PutContent(f.ctx, content(b), f.dir+"/got", nil); err == nil {
			t.Errorf("%s content was stored", name)
		}
		absent(t, f.dir+"/got")
	}
	gone := errors.New("the source is gone")
	broken := content(nil)
	broken.Open = func(context.Context) (io.ReadCloser, error) { return nil, gone }
	if _, err := c.PutContent(f.ctx, broken, f.dir+"/got", nil); err == nil || !strings.Contains(err.Error(), gone.Error()) {
		t.Errorf("got %v", err)
	}
	absent(t, f.dir+"/got")
	var last host.Progress
	opened = 0
	for i := range 2 { // the second time it is there
		got, err := c.PutContent(f.ctx, content(data), f.dir+"/got", func(p host.Progress) { last = p })
		if err != nil || last.Done != int64(len(data)) || got.SHA256 != sum || got.Sealed {
			t.Errorf("%v, %+v, %+v", err, last, got)
		}
		if id, err := durable.Identify(f.dir + "/got"); err != nil || (got.File == id) != (i == 0) || (got.File == durable.FileID{}) != (i > 0) {
			t.Errorf("it lies there as %+v, %v, and was said to be %+v", id, err, got.File)
		}
		same(t, f.dir+"/got", data)
	}
	if opened != 1 {
		t.Errorf("the source was opened %d times", opened)
	}
	other, _ := random(t, f.dir+"/other", 1000)
	if _, err := c.PutContent(f.ctx, content(data), f.dir+"/other", nil); !errors.Is(err, host.ErrExists) {
		t.Errorf("over another file: %v", err)
	}
	same(t, f.dir+"/other", other)
}

// testPutSealed puts what ends in the digest of all before, and what ends in
// that of something else.
func testPutSealed(t *testing.T, f fixture) {
	c := f.dial(t)
	for _, n := range []int{0, 1, 1 << 20, 1<<20 - 10, 2<<20 + 7} { // digests in one frame, at its beginning, over two
		data, _ := random(t, f.dir+"/a", n)
		own := sha256.Sum256(data)
		right := append(data, own[:]...)
		wrong := bytes.Clone(right)
		wrong[len(wrong)-1] ^= 1
		for want, b := range map[bool][]byte{true: right, false: wrong} {
			sum := sha256.Sum256(b)
			content := host.Content{Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:]), Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(b)), nil
			}}
			path := fmt.Sprintf("%s/%d-%v", f.dir, n, want)
			if got, err := c.PutContent(f.ctx, content, path, nil); err != nil || got.Sealed != want {
				t.Errorf("%d bytes and a digest: %+v, %v, want %v", n, got, err, want)
			}
		}
	}
}

// testPutContentSlow puts what comes after a long silence: the source works, and
// the line is not idle.
func testPutContentSlow(t *testing.T, f fixture) {
	const idle = 2 * time.Second
	c, err := host.Dial(f.ctx, f.open, host.DialOptions{Version: Version, StateDir: f.dir + "/state", IdleTimeout: idle})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data, sum := random(t, f.dir+"/a", 1<<20)
	content := host.Content{Size: int64(len(data)), SHA256: sum, Open: func(context.Context) (io.ReadCloser, error) {
		late := func() io.Reader {
			time.Sleep(idle + idle/4)
			return bytes.NewReader(data[1<<19:])
		}
		return io.NopCloser(io.MultiReader(bytes.NewReader(data[:1<<19]), &lazy{open: late})), nil
	}}
	if _, err := c.PutContent(f.ctx, content, f.dir+"/got", nil); err != nil {
		t.Fatalf("a source that is slow: %v", err)
	}
	same(t, f.dir+"/got", data)
}

// lazy is a reader that is made when it is read.
type lazy struct {
	open func() io.Reader
	r    io.Reader
}

func (l *lazy) Read(b []byte) (int, error) {
	if l.r == nil {
		l.r = l.open()
	}
	return l.r.Read(b)
}
