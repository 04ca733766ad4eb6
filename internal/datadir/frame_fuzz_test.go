package datadir

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// FuzzFrame reads bytes as a segment of the log: parsing always moves on and
// stays inside, and what is found behind damage lies behind it.
func FuzzFrame(f *testing.F) {
	for _, b := range seeds(f, ".wal") {
		f.Add(b, uint16(0))
		f.Add(b[:len(b)/2], uint16(8))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		off := int64(at)
		for range len(b)/8 + 2 {
			r, err := parseFrame(b, off)
			if err != nil {
				again, c, ok := resync(b, r)
				if ok && (again <= off || again >= int64(len(b)) || !c.known) {
					t.Fatalf("behind damage at %d the log goes on at %d of %d", off, again, len(b))
				}
				return
			}
			if r.end <= off || r.end > int64(len(b)) || len(r.data) > len(b) {
				t.Fatalf("a frame from %d to %d of %d bytes", off, r.end, len(b))
			}
			torn(b, r)
			off = r.end
		}
		t.Fatal("the frames do not end")
	})
}

// FuzzWAL reads bytes as the only segment of a log, and every entry that was
// found again.
func FuzzWAL(f *testing.F) {
	for _, b := range seeds(f, ".wal") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "0000000000000000-0000000000000000.wal")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := readWAL(context.Background(), dir, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range l.runs {
			for i := r.base + 1; i <= r.last(); i++ {
				ref := r.at(i)
				if _, err = l.entry(b, ref); err != nil {
					t.Fatalf("entry %d cannot be read again: %v", ref.index, err)
				}
			}
		}
		if l.whole {
			for _, d := range l.damage {
				if d.Kind != "wal-torn-tail" {
					t.Fatalf("whole, with %+v", d)
				}
			}
		}
	})
}

// FuzzRevision reads bytes as the key of a record: what is accepted is what
// etcd's own reader sees, and writing it gives the same bytes.
func FuzzRevision(f *testing.F) {
	for _, r := range []struct{ main, sub int64 }{{1, 0}, {2, 1}, {1 << 40, 3}} {
		b := mvcc.NewRevBytes()
		b = mvcc.RevToBytes(mvcc.Revision{Main: r.main, Sub: r.sub}, b)
		f.Add(b)
		f.Add(append(b[:17:17], 't'))
	}
	f.Add([]byte("members"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRevision(b)
		if err != nil {
			return
		}
		out := binary.BigEndian.AppendUint64(nil, uint64(r.main))
		out = binary.BigEndian.AppendUint64(append(out, '_'), uint64(r.sub))
		if r.tombstone {
			out = append(out, 't')
		}
		theirs := mvcc.BytesToBucketKey(b)
		if string(out) != string(b) || theirs.Main != r.main || theirs.Sub != r.sub || mvcc.IsTombstone(b) != r.tombstone {
			t.Fatalf("%x is read as %+v, by etcd as %+v", b, r, theirs)
		}
	})
}
