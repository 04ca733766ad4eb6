package datadir

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
)

// FuzzRequest gives bytes as a request to an appender and to etcd's own
// applier: what the appender takes has the same effect.
func FuzzRequest(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 60 {
		data, err := proto.Marshal(usualRequest(random, n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	base := filepath.Join(f.TempDir(), "base")
	var entries [][]byte
	for n := range 200 {
		data, err := proto.Marshal(usualRequest(random, n))
		if err != nil {
			f.Fatal(err)
		}
		entries = append(entries, data)
	}
	slowly(f, base, 5, entries)
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, err := os.MkdirTemp("/dev/shm", "salvor-fuzz-")
		if err != nil {
			dir = t.TempDir()
		}
		defer os.RemoveAll(dir)
		ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
		if taken, err := appendTo(t.Context(), base, ours, 1000, [][]byte{data}, 0); err != nil {
			t.Fatal(err)
		} else if taken == 0 {
			return
		}
		copyTo(t, base, theirs)
		slowly(t, theirs, 1000, [][]byte{data})
		if diff := cmp.Diff(contentOfDB(t, theirs), contentOfDB(t, ours)); diff != "" {
			t.Fatalf("%x: %s", data, diff)
		}
	})
}
