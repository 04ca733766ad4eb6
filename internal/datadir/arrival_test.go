package datadir_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/datadir"
)

// arrival makes a stream of a file.
func arrival(t *testing.T, path string) datadir.Arrival {
	t.Helper()
	b := must(os.ReadFile(path))(t)
	return arriving(b, func(r io.Reader) io.Reader { return r })
}

// arriving makes a stream of bytes, through a reader that does as it likes.
func arriving(b []byte, through func(io.Reader) io.Reader) datadir.Arrival {
	sum := sha256.Sum256(b)
	return datadir.Arrival{Name: "the stream", Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(through(struct{ io.Reader }{bytes.NewReader(b)})), nil
		}}
}

// arrives restores the snapshot from a stream, and holds the result against
// that of the file.
func (c crashed) arrives(t *testing.T) {
	root := t.TempDir()
	b := must(os.ReadFile(c.saved))(t)
	for name, compact := range map[string]bool{"full": false, "compact": true} {
		o := options(c.saved, filepath.Join(root, name+".file"))
		o.Compact, o.BumpRevision, o.MarkCompacted = compact, 1000, true
		want := must(datadir.Restore(t.Context(), o, nil))(t)
		for way, through := range map[string]func(io.Reader) io.Reader{
			"halves": iotest.HalfReader, "at once": func(r io.Reader) io.Reader { return r }, "error late": iotest.DataErrReader,
		} {
			o.Members[0].Dir = filepath.Join(root, name+" "+way)
			var last [2]int64
			got := must(datadir.RestoreArrival(t.Context(), o, arriving(b, through), func(done, total int64) { last = [2]int64{done, total} }))(t)
			want.Members[0].Dir = o.Members[0].Dir
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: %s", name, way, diff)
			}
			if last[0] != last[1] || last[0] == 0 {
				t.Errorf("progress ends at %d of %d", last[0], last[1])
			}
			if !bytes.Equal(must(os.ReadFile(dbOf(o.Members[0].Dir)))(t), must(os.ReadFile(dbOf(filepath.Join(root, name+".file"))))(t)) {
				t.Errorf("%s, %s: the db differs from that of the file", name, way)
			}
			if diff := cmp.Diff(entries(t, filepath.Join(root, name+".file")), entries(t, o.Members[0].Dir)); diff != "" {
				t.Errorf("%s, %s: the log differs: %s", name, way, diff)
			}
			if left := must(filepath.Glob(filepath.Join(o.Members[0].Dir, "*")))(t); len(left) != 1 {
				t.Errorf("%s, %s: left %v", name, way, left)
			}
		}
	}
}

// arrivesWrong restores from streams that are not what they are said to be:
// nothing may be left of them.
func (c crashed) arrivesWrong(t *testing.T) {
	root := t.TempDir()
	b := must(os.ReadFile(c.saved))(t)
	same := func(r io.Reader) io.Reader { return r }
	flipped := bytes.Clone(b)
	flipped[len(b)/2] ^= 1
	broken := errors.New("the line is dead")
	noDB := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 2048)
	sum := sha256.Sum256(noDB)
	as := func(with []byte) datadir.Arrival {
		a := arriving(with, same)
		a.Size, a.SHA256 = arriving(b, same).Size, arriving(b, same).SHA256
		return a
	}
	before := treeState(t, root)
	for name, x := range map[string]struct {
		a    datadir.Arrival
		want string
		is   error
	}{
		"a byte":             {a: as(flipped), is: datadir.ErrArrival},
		"too short":          {a: as(b[:len(b)-100]), is: datadir.ErrArrival},
		"nothing":            {a: as(nil), is: datadir.ErrArrival},
		"too long":           {a: as(append(bytes.Clone(b), 0)), is: datadir.ErrArrival},
		"vouched for, wrong": {a: arriving(flipped, same), want: "trailer"},
		"no trailer":         {a: arriving(b[:len(b)-32], same), want: "trailer"},
		"no db":              {a: arriving(append(noDB, sum[:]...), same), want: "neither meta page"},
		"breaks": {a: arriving(b, func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, int64(len(b)/2)), iotest.ErrReader(broken))
		}), is: broken},
		"does not begin": {a: datadir.Arrival{Name: "x", Size: int64(len(b)), Open: func(context.Context) (io.ReadCloser, error) { return nil, broken }}, is: broken},
	} {
		for _, compact := range []bool{false, true} {
			o := options("", filepath.Join(root, "new"))
			o.Compact = compact
			_, err := datadir.RestoreArrival(t.Context(), o, x.a, nil)
			if err == nil || x.is != nil && !errors.Is(err, x.is) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff(before, treeState(t, root)); diff != "" {
				t.Fatalf("%s: something is left: %s", name, diff)
			}
		}
	}
}
