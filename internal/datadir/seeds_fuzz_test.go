package datadir

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seeds gives the real files in testdata/hostile whose names end in suffix:
// the db and the log, without the zeros at its end, that etcd 3.4.23 and 3.6.16
// left when they were killed after a dozen writes, a transaction, a lease and a
// compaction.
func seeds(f testing.TB, suffix string) [][]byte {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "hostile", "*"+suffix+".gz"))
	if err != nil || len(names) < 2 {
		f.Fatalf("seeds %v: %v", names, err)
	}
	var all [][]byte
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			f.Fatal(err)
		}
		z, err := gzip.NewReader(file)
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		file.Close()
		all = append(all, b)
	}
	return all
}

// gaveUp tells whether a reader only survived because a panic was caught.
func gaveUp(message string) bool { return strings.Contains(message, "the reader gave up") }
