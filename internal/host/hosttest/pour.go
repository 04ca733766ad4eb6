package hosttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host"
)

// pourWish is the parameter of the springs.
type pourWish struct {
	Bytes   int
	Fail    bool   // after the bytes
	Stopped string // a file that is written when the spring was cancelled
}

func springs() host.Springs {
	return host.Springs{"bytes": func(ctx context.Context, raw json.RawMessage, w io.Writer) (any, error) {
		wish, err := host.Params[pourWish](raw)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(pattern(wish.Bytes)); err != nil {
			return nil, err
		}
		if wish.Stopped != "" {
			<-ctx.Done()
			return nil, errors.Join(ctx.Err(), os.WriteFile(wish.Stopped, nil, 0o600))
		}
		if wish.Fail {
			return nil, &host.Failure{Code: host.CodeNoSpace, Err: errors.New("the spring ran dry")}
		}
		return map[string]int{"bytes": wish.Bytes}, nil
	}}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

func testPour(t *testing.T, f fixture) {
	c := f.dial(t)
	for _, compress := range []bool{false, true} {
		p, err := c.Pour(f.ctx, "bytes", pourWish{Bytes: 3_500_000}, compress)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Result(nil); err == nil {
			t.Error("a result before the end")
		}
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, pattern(3_500_000)) {
			t.Fatalf("compress %v: %d bytes, %v", compress, len(got), err)
		}
		var r map[string]int
		if err := p.Result(&r); err != nil || r["bytes"] != 3_500_000 {
			t.Errorf("result %v, %v", r, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func testPourFails(t *testing.T, f fixture) {
	c := f.dial(t)
	p, err := c.Pour(f.ctx, "bytes", pourWish{Bytes: 100_000, Fail: true}, false)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, p)
	var remote *host.RemoteError
	if n != 100_000 || !errors.As(err, &remote) || remote.Code != host.CodeNoSpace {
		t.Errorf("%d bytes, %v; want the spring's own error", n, err)
	}
	_ = p.Close() // its error is the spring's, which is known
	p, err = c.Pour(f.ctx, "wine", nil, false)
	if err == nil {
		_, err = io.ReadAll(p)
		_ = p.Close()
	}
	if !errors.As(err, &remote) || remote.Code != host.CodeUnknownMethod {
		t.Errorf("got %v, want an unknown method", err)
	}
}

func testPourStops(t *testing.T, f fixture) {
	c := f.dial(t)
	stopped := filepath.Join(f.dir, "stopped")
	p, err := c.Pour(f.ctx, "bytes", pourWish{Bytes: 10, Stopped: stopped}, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	_ = p.Close() // the spring's end is an error there
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(stopped); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the spring goes on after its reader has left")
		}
	}
}
