package datadir

import (
	"encoding/binary"
	"fmt"
	"os"
)

// shelf is a table of keys that lies in a file that has no name: the slots of
// every shard, as they were in memory, found in the same way. Memory: a few
// numbers for each shard.
type shelf[V any] struct {
	f      *os.File
	size   int // of a slot
	put    func(b []byte, v V)
	get    func(b []byte) V
	shards [tableShards]struct {
		at    int64
		slots int
	}
	end int64
	buf []byte
	// err is the first error of a look; the work that asks has to end with it.
	err error
}

// newShelf makes a shelf for values that put writes and get reads in size bytes.
func newShelf[V any](dir string, size int, put func(b []byte, v V), get func(b []byte) V) (*shelf[V], error) {
	f, err := nameless(dir)
	if err != nil {
		return nil, err
	}
	return &shelf[V]{f: f, size: 16 + size, put: put, get: get}, nil
}

// take writes a shard.
func (s *shelf[V]) take(shard int, from *tableShard[V]) error {
	ne := binary.NativeEndian
	need := s.size * len(from.slots)
	if cap(s.buf) < need {
		s.buf = make([]byte, need)
	}
	b := s.buf[:need]
	clear(b)
	for i, slot := range from.slots {
		if slot.b != 0 {
			at := b[i*s.size:]
			ne.PutUint64(at, slot.a)
			ne.PutUint64(at[8:], slot.b)
			s.put(at[16:s.size], slot.v)
		}
	}
	at := s.end
	if old := s.shards[shard]; old.slots == len(from.slots) && need > 0 {
		at = old.at // in the place of the shard as it was
	}
	if _, err := s.f.WriteAt(b, at); err != nil {
		return fmt.Errorf("write the index of the keys to a temporary file in %s: %w", s.f.Name(), err)
	}
	s.shards[shard].at, s.shards[shard].slots = at, len(from.slots)
	s.end = max(s.end, at+int64(need))
	return nil
}

// load reads a shard back; after an error it is empty.
func (s *shelf[V]) load(shard int) tableShard[V] {
	var t tableShard[V]
	n := s.shards[shard].slots
	if cap(s.buf) < n*s.size {
		s.buf = make([]byte, n*s.size)
	}
	b := s.buf[:n*s.size]
	if _, err := s.f.ReadAt(b, s.shards[shard].at); err != nil && n > 0 {
		s.err = fmt.Errorf("read the index of the keys: %w", err)
		return t
	}
	for ; len(b) > 0; b = b[s.size:] {
		if id := (keyID{binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])}); id.b != 0 {
			v, _ := t.at(id)
			*v = s.get(b[16:s.size])
		}
	}
	return t
}

// shelfReach is how many slots are read at once.
const shelfReach = 8

// look finds the value of an ID.
func (s *shelf[V]) look(id keyID) (v V, known bool) {
	n := s.shards[id.shard()].slots
	if n == 0 || s.err != nil {
		return v, false
	}
	var buf [shelfReach * 64]byte
	for i, seen := id.home(n), 0; seen < n; {
		reach := min(shelfReach, n-i, len(buf)/s.size)
		b := buf[:reach*s.size]
		if _, err := s.f.ReadAt(b, s.shards[id.shard()].at+int64(i)*int64(s.size)); err != nil {
			s.err = fmt.Errorf("read the index of the keys: %w", err)
			return v, false
		}
		for ; len(b) > 0; b = b[s.size:] {
			slot := keyID{binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])}
			switch {
			case slot.b == 0:
				return v, false
			case slot == id:
				return s.get(b[16:s.size]), true
			}
			seen++
		}
		if i += reach; i == n {
			i = 0
		}
	}
	return v, false
}

func (s *shelf[V]) close() { _ = s.f.Close() }
