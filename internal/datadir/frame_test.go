package datadir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestFlippedRecords flips every bit of every record's type, and the first of
// its checksum: no entry turns into another, and none vanishes without damage. The
// checksum does not cover a record's type.
func TestFlippedRecords(t *testing.T) {
	for i, b := range seeds(t, ".wal") {
		dir := t.TempDir()
		log, truth := entriesOf(t, dir, b)
		if len(truth) < 10 || len(log.damage) > 0 {
			t.Fatalf("%d entries, damage %v", len(truth), log.damage)
		}
		for off := int64(0); ; {
			f, err := parseFrame(b, off)
			if err != nil {
				break
			}
			for bit := int64(8 * 8); bit < 14*8; bit++ { // behind the length
				b[off+bit/8] ^= 1 << (bit % 8)
				log, got := entriesOf(t, dir, b)
				for index, e := range got {
					if truth[index] != e {
						t.Errorf("seed %d, record at %d, bit %d: entry %d is another; damage %v", i, off, bit, index, log.damage)
					}
				}
				if len(log.damage) == 0 && len(got) != len(truth) {
					t.Errorf("seed %d, record at %d, bit %d: %d entries of %d, and no damage", i, off, bit, len(got), len(truth))
				}
				b[off+bit/8] ^= 1 << (bit % 8)
			}
			off = f.end
		}
	}
}

// entriesOf reads a log of one file.
func entriesOf(t *testing.T, dir string, b []byte) (*walLog, map[uint64]string) {
	t.Helper()
	path := filepath.Join(dir, "0000000000000000-0000000000000000.wal")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := readWAL(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[uint64]string{}
	for _, r := range l.runs {
		for i := r.base + 1; i <= r.last(); i++ {
			ref := r.at(i)
			e, err := l.entry(b, ref)
			if err != nil {
				t.Fatal(err)
			}
			entries[ref.index] = fmt.Sprint(ref.term, e.kind, e.data)
		}
	}
	return l, entries
}
