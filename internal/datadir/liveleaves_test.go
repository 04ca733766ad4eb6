package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// TestLiveLeavesInOrder: what is live comes whole and in the order of revisions,
// though it is read beside who goes through it; and what ends the reading, at
// any place, is told.
func TestLiveLeavesInOrder(t *testing.T) {
	_, s := surveyed(t)
	want := liveOneByOne(t, s)
	if len(s.leaves) < 5*liveBatch || len(want) < 10_000 || len(want) != int(s.keys) {
		t.Fatalf("%d leaves, %d live, %d keys: the test proves nothing", len(s.leaves), len(want), s.keys)
	}
	enough := errors.New("enough")
	for _, stop := range []int{1, 2_000, len(want), len(want) + 1} {
		var got [][]byte
		err := s.eachLive(t.Context(), func(_ place, key, value []byte) error {
			if got = append(got, slices.Concat(key, value)); len(got) == stop {
				return enough
			}
			return nil
		})
		if errors.Is(err, enough) != (stop <= len(want)) || !slices.EqualFunc(got, want[:min(stop, len(want))], bytes.Equal) {
			t.Errorf("stopped at %d: %d records, %v", stop, len(got), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := s.eachLive(ctx, func(place, []byte, []byte) error {
		if n++; n == 3_000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 3_000+1_000 {
		t.Errorf("after the cancellation: %d records, %v", n, err)
	}
}

// TestLiveLeavesOfADamagedFile: what lies before a page that was overwritten is
// given, and then the place of the damage.
func TestLiveLeavesOfADamagedFile(t *testing.T) {
	path, s := surveyed(t)
	bad := s.leaves[3*liveBatch+7].page
	before := 0
	for _, at := range places(t, s) {
		if at.page == uint64(bad) {
			break
		}
		before++
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(make([]byte, 16), int64(bad)*4096)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = s.eachLive(t.Context(), func(place, []byte, []byte) error { n++; return nil })
	var d *defect
	if !errors.As(err, &d) || d.offset != int64(bad)*4096 || n != before {
		t.Errorf("%d records, %v; want %d and the damage at byte %d", n, err, before, int64(bad)*4096)
	}
}

// surveyed makes a db of 150,000 keys and surveys it.
func surveyed(t *testing.T) (path string, s *survey) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "db")
	chronicle(t, path, 300_000, 150_000, false)
	p, err := openPages(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	p.ahead.on = true
	if s, err = takeSurvey(t.Context(), p, 0, false, ""); err != nil {
		t.Fatal(err)
	}
	return path, s
}

func places(t *testing.T, s *survey) []place {
	t.Helper()
	var all []place
	if err := s.eachLive(t.Context(), func(at place, _, _ []byte) error { all = append(all, at); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// liveOneByOne reads the live records as a walk through the tree meets them.
func liveOneByOne(t *testing.T, s *survey) [][]byte {
	t.Helper()
	var all [][]byte
	ordinal := 0
	err := s.p.each(t.Context(), s.all[string(schema.Key.Name())], func(_ place, key, value []byte) error {
		if s.isLive(ordinal) {
			all = append(all, slices.Concat(key, value))
		}
		ordinal++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLiveLeavesOfLargeValues: what is held at a time is bounded by bytes, however
// large the values are.
func TestLiveLeavesOfLargeValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const n, size = 60, 700_000
	w := newPageWriter(t.Context(), f, 4096, 2, nil)
	tree := newTreeWriter(w)
	for rev := int64(2); rev < n+2; rev++ {
		rec := kvRecord{key: fmt.Appendf(nil, "k%d", rev), value: make([]byte, size), create: rev, mod: rev, version: 1}
		if err := tree.add(0, revision{main: rev}.bytes(), rec.appendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := tree.finish()
	if err == nil {
		err = finishDB(w, map[string][]byte{string(schema.Key.Name()): bucketRef(root, 0)}, map[string]smallBucket{}, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPages(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	s, err := takeSurvey(t.Context(), p, 0, false, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &liveLeaves{s: s, keys: s.all[string(schema.Key.Name())]}
	r.p = pageFile{f: p.f, size: p.size, meta: p.meta}
	b, seen := &leafBatch{}, 0
	for last := false; !last; {
		if last, err = r.fill(b); err != nil {
			t.Fatal(err)
		}
		held := 0
		for i := range b.bufs {
			held += cap(b.bufs[i])
		}
		if held > liveBytes+2*size+liveBatch*keptBuffer || len(b.leaves) == 0 {
			t.Fatalf("%d bytes are held for %d leaves", held, len(b.leaves))
		}
		for _, l := range b.leaves {
			seen += l.records
		}
	}
	if seen != n || len(s.leaves) < n/2 {
		t.Errorf("%d records of %d, %d leaves", seen, n, len(s.leaves))
	}
}
