package datadir

import "hash/maphash"

// tableShards splits a keyTable so that growing needs little room at a time.
const tableShards = 256

// keyTable maps keys to something small without keeping the keys: it knows them
// by 128 bits of hash under random seeds, where two of a billion keys meet with
// a probability below 1e-20. Memory: 16 bytes and the value for each key, and
// a third more.
type keyTable[V any] struct {
	seeds  [2]maphash.Seed
	shards [tableShards]tableShard[V]
}

type tableShard[V any] struct {
	slots []tableSlot[V]
	used  int
}

type tableSlot[V any] struct {
	a, b uint64
	v    V
}

func newKeyTable[V any]() *keyTable[V] {
	return &keyTable[V]{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// at gives the value's place, which is new and zero when the key is; it is
// valid until the next call.
func (t *keyTable[V]) at(key []byte) (v *V, known bool) {
	a, b := maphash.Bytes(t.seeds[0], key), maphash.Bytes(t.seeds[1], key)|1 // 0 is an empty slot
	s := &t.shards[a%tableShards]
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	slot := s.find(a, b)
	if slot.b != 0 {
		return &slot.v, true
	}
	slot.a, slot.b = a, b
	s.used++
	return &slot.v, false
}

// look gives the value of a key, without making a place for it.
func (t *keyTable[V]) look(key []byte) (v V, known bool) {
	a, b := maphash.Bytes(t.seeds[0], key), maphash.Bytes(t.seeds[1], key)|1
	s := &t.shards[a%tableShards]
	if len(s.slots) == 0 {
		return v, false
	}
	slot := s.find(a, b)
	return slot.v, slot.b != 0
}

func (s *tableShard[V]) find(a, b uint64) *tableSlot[V] {
	for i := (a / tableShards) % uint64(len(s.slots)); ; i++ {
		if i == uint64(len(s.slots)) {
			i = 0
		}
		slot := &s.slots[i]
		if slot.b == 0 || (slot.a == a && slot.b == b) {
			return slot
		}
	}
}

func (s *tableShard[V]) grow() {
	old := s.slots
	s.slots = make([]tableSlot[V], len(old)+max(16, len(old)/2))
	for i := range old {
		if old[i].b != 0 {
			*s.find(old[i].a, old[i].b) = old[i]
		}
	}
}

// each visits every value, in no order.
func (t *keyTable[V]) each(visit func(v V)) {
	for i := range t.shards {
		for _, slot := range t.shards[i].slots {
			if slot.b != 0 {
				visit(slot.v)
			}
		}
	}
}
