package datadir

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// keysInMemory is how many bytes of keys and their places are sorted at once.
// Where there are more, sorted rows of them go to a file that has no name.
const keysInMemory = 32 << 20

// keySorter puts keys with their places in the order of the keys.
type keySorter struct {
	arena  []byte
	places []keyPlace
	limit  int
	dir    string // where the file goes, as for nameless
	spill  *os.File
	rows   []int64 // where each sorted row ends in the file
}

// keyPlace is where a live record lies: its key in the arena, its leaf and its
// element there.
type keyPlace struct {
	key, size, page uint32
	index           uint16
}

// placeSize is the memory of a keyPlace.
const placeSize = 16

func (s *keySorter) name(p keyPlace) []byte { return s.arena[p.key : p.key+p.size] }

func (s *keySorter) add(key []byte, at place) error {
	if s.arena == nil {
		s.arena = make([]byte, 0, min(s.limit, 1<<20))
	}
	if len(s.arena)+placeSize*len(s.places)+len(key) > s.limit && len(s.places) > 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.places = append(s.places, keyPlace{uint32(len(s.arena)), uint32(len(key)), uint32(at.page), uint16(at.index)})
	s.arena = append(s.arena, key...)
	return nil
}

func (s *keySorter) sort() {
	slices.SortFunc(s.places, func(a, b keyPlace) int { return bytes.Compare(s.name(a), s.name(b)) })
}

// flush writes what is in memory to the file, as a sorted row.
func (s *keySorter) flush() (err error) {
	if s.spill == nil {
		if s.spill, err = nameless(s.dir); err != nil {
			return fmt.Errorf("sort keys: %w", err)
		}
	}
	s.sort()
	w := bufio.NewWriterSize(s.spill, 1<<20)
	var head [keyRowHead]byte
	end := int64(0)
	if n := len(s.rows); n > 0 {
		end = s.rows[n-1]
	}
	for _, p := range s.places {
		binary.NativeEndian.PutUint32(head[:], p.size)
		binary.NativeEndian.PutUint32(head[4:], p.page)
		binary.NativeEndian.PutUint16(head[8:], p.index)
		_, _ = w.Write(head[:])
		_, _ = w.Write(s.name(p))
		end += keyRowHead + int64(p.size)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sort keys: %w", err)
	}
	s.rows = append(s.rows, end)
	s.arena, s.places = s.arena[:0], s.places[:0]
	return nil
}

// keyRowHead is what stands before each key in a row: its length, page and
// element.
const keyRowHead = 10

func (s *keySorter) close() {
	if s.spill != nil {
		_ = s.spill.Close()
	}
}

// each visits the places in the order of their keys.
func (s *keySorter) each(visit func(at place) error) error {
	if s.spill == nil {
		s.sort()
		for _, p := range s.places {
			if err := visit(place{page: uint64(p.page), index: int(p.index)}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.arena, s.places = nil, nil
	return s.merge(visit)
}

// keyRow is a sorted row that is read, with its first key that is left.
type keyRow struct {
	r   *bufio.Reader
	key []byte
	at  place
}

// step reads the next key; io.EOF is the row's end.
func (r *keyRow) step() error {
	var head [keyRowHead]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return err
	}
	size := int(binary.NativeEndian.Uint32(head[:]))
	r.key = slices.Grow(r.key[:0], size)[:size]
	r.at = place{page: uint64(binary.NativeEndian.Uint32(head[4:])), index: int(binary.NativeEndian.Uint16(head[8:]))}
	_, err := io.ReadFull(r.r, r.key)
	return err
}

// keyRows is a heap of rows, the one with the least key on top.
type keyRows []*keyRow

func (h keyRows) Len() int           { return len(h) }
func (h keyRows) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h keyRows) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *keyRows) Push(x any)        { *h = append(*h, x.(*keyRow)) }
func (h *keyRows) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (s *keySorter) merge(visit func(at place) error) error {
	var rows keyRows
	from := int64(0)
	for _, end := range s.rows {
		r := &keyRow{r: bufio.NewReaderSize(io.NewSectionReader(s.spill, from, end-from), 64<<10)}
		from = end
		if err := r.step(); err != nil {
			return fmt.Errorf("sort keys: %w", err)
		}
		rows = append(rows, r)
	}
	heap.Init(&rows)
	for len(rows) > 0 {
		if err := visit(rows[0].at); err != nil {
			return err
		}
		switch err := rows[0].step(); {
		case err == nil:
			heap.Fix(&rows, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&rows)
		default:
			return fmt.Errorf("sort keys: %w", err)
		}
	}
	return nil
}

// eachByKey visits the live records in the order of their keys. Memory: limit
// bytes; 0 means keysInMemory.
func (s *survey) eachByKey(ctx context.Context, limit int, visit func(value []byte) error) error {
	if limit == 0 {
		limit = keysInMemory
	}
	sorter := &keySorter{limit: limit, dir: s.dir}
	defer sorter.close()
	err := s.eachLive(ctx, func(at place, _, value []byte) error {
		rec, err := parseRecord(value)
		if err != nil {
			return err
		}
		return sorter.add(rec.key, at)
	})
	if err != nil {
		return err
	}
	s.p.ahead.on = false // the values lie all over the file
	b := s.all[string(schema.Key.Name())]
	n := 0
	return sorter.each(func(at place) error {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, value, err := s.p.at(b, at)
		if err != nil {
			return err
		}
		return visit(value)
	})
}
