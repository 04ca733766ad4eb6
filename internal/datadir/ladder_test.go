package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/datadir"
)

// failed lists the rungs that failed.
func failed(r datadir.CheckReport) string {
	var names []string
	for _, x := range r.Rungs {
		if x.State == datadir.RungFailed {
			names = append(names, x.Name)
		}
	}
	return strings.Join(names, " ")
}

// check judges values of the workload: all under /registry begin with a number.
func check(t *testing.T, path string, level datadir.Level) datadir.CheckReport {
	t.Helper()
	return must(datadir.Check(t.Context(), path, datadir.CheckOptions{
		Level: level, Scratch: t.TempDir(),
		Decode: func(key, value []byte) (bool, error) {
			if strings.HasPrefix(string(key), "/registry/") && (len(value) == 0 || value[0] < '0' || value[0] > '9') {
				return false, errors.New(string(key) + " holds no number")
			}
			return false, nil
		},
	}))(t)
}

// used finds text in a page that is in use; the first place may be in a page
// that etcd has freed.
func (c crashed) used(t *testing.T, whole []byte, text string) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	for at := 0; ; at++ {
		next := strings.Index(string(whole[at:]), text)
		if next < 0 {
			t.Fatalf("%q is in no page that is used", text)
		}
		at += next
		b := slices.Clone(whole)
		b[at+1] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := datadir.HashKVOf(t.Context(), path, 0)
		if now := must(datadir.HashKVOf(t.Context(), c.saved, 0))(t); err != nil || s != now {
			return at
		}
	}
}

// ladder checks what is whole, and what etcdutl's status would let pass.
func (c crashed) ladder(t *testing.T) {
	root := t.TempDir()
	before := treeState(t, filepath.Dir(c.saved))
	r := check(t, c.saved, datadir.L4)
	if failed(r) != "" || len(r.Rungs) != 5 || r.HashKV == nil || r.HashKV.Keys != r.Keys || r.Keys == 0 {
		t.Errorf("whole: %+v", r)
	}
	if diff := cmp.Diff(before, treeState(t, filepath.Dir(c.saved))); diff != "" {
		t.Errorf("the source changed: %s", diff)
	}
	whole := must(os.ReadFile(c.saved))(t)

	first := c.used(t, whole, " xxxxxxxx")
	for _, x := range []struct {
		name, fails, says string
		change            func(b []byte) []byte
	}{
		{"flipped in a value", "L1", "does not match", func(b []byte) []byte { b[first+50] ^= 1; return b }},
		{"flipped where the decoder looks", "L1 L3", "holds no number", func(b []byte) []byte {
			for at := first - 1; b[at] >= '0' && b[at] <= '9'; at-- {
				b[at] = 'Z'
			}
			return b
		}},
		{"cut in the middle", "L0", "needs", func(b []byte) []byte { return b[:len(b)/2] }},
		{"without its trailer", "L1", "missing", func(b []byte) []byte { return b[:len(b)-32] }},
		{"second meta gone", "L1 L2", "meta page 1", func(b []byte) []byte { clear(b[4096:4200]); return b }},
		{"no db", "L0", "text", func([]byte) []byte { return []byte("hello\n") }},
	} {
		path := filepath.Join(root, "x")
		if err := os.WriteFile(path, x.change(slices.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		r := check(t, path, datadir.L4)
		said := ""
		for _, rung := range r.Rungs {
			for _, d := range rung.Damage {
				said += d.What + "\n"
			}
		}
		if failed(r) != x.fails || !strings.Contains(said, x.says) || r.Passed || len(r.Rungs) != 5 {
			t.Errorf("%s: failed %q and said %q; want %q and %q", x.name, failed(r), said, x.fails, x.says)
		}
	}
	other := must(datadir.Check(t.Context(), c.saved, datadir.CheckOptions{Level: datadir.L1, SHA256: strings.Repeat("0", 64)}))(t)
	if failed(other) != "L1" {
		t.Errorf("a swapped file: %+v", other)
	}
}
