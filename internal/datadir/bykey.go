package datadir

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// keyPlace is where a live record lies: its key in the arena, its leaf and its
// element there.
type keyPlace struct {
	key   uint64 // where the key begins in the arena
	size  uint32
	page  uint32
	index uint16
}

// eachByKey visits the live records in the order of their keys. Memory: the
// keys, and 24 bytes for each.
func (s *survey) eachByKey(ctx context.Context, visit func(value []byte) error) error {
	var arena []byte
	places := make([]keyPlace, 0, s.keys)
	err := s.eachLive(ctx, func(at place, _, value []byte) error {
		rec, err := parseRecord(value)
		if err != nil {
			return err
		}
		places = append(places, keyPlace{uint64(len(arena)), uint32(len(rec.key)), uint32(at.page), uint16(at.index)})
		arena = append(arena, rec.key...)
		return nil
	})
	if err != nil {
		return err
	}
	name := func(p keyPlace) []byte { return arena[p.key : p.key+uint64(p.size)] }
	slices.SortFunc(places, func(a, b keyPlace) int { return bytes.Compare(name(a), name(b)) })
	s.p.ahead.on = false // the values lie all over the file
	b := s.all[string(schema.Key.Name())]
	for i, at := range places {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, value, err := s.p.at(b, place{page: uint64(at.page), index: int(at.index)})
		if err != nil {
			return err
		}
		if err := visit(value); err != nil {
			return err
		}
	}
	return nil
}
