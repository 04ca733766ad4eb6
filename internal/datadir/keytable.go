package datadir

import "hash/maphash"

// tableShards splits a keyTable so that growing needs little room at a time.
const tableShards = 256

// keyID stands for a key: 128 bits of hash under random seeds, where two of a
// billion keys meet with a probability below 1e-20. The second number is odd.
type keyID struct{ a, b uint64 }

func (id keyID) shard() int { return int(id.a % tableShards) }

// keyTable maps keys to something small without keeping the keys: it knows them
// by their IDs. Memory: 16 bytes and the value for each key, and a third to the
// whole of that again.
type keyTable[V any] struct {
	seeds  [2]maphash.Seed
	shards [tableShards]tableShard[V]
	// slots is the room of all shards, in slots.
	slots int
	// below has the values of keys that were not asked for here since they were
	// put there; nil for none. limit is how many slots may be here beside it.
	below *shelf[V]
	limit int
}

type tableShard[V any] struct {
	slots []tableSlot[V]
	used  int
}

type tableSlot[V any] struct {
	keyID // b is 0 in an empty slot
	v     V
}

func newKeyTable[V any]() *keyTable[V] {
	return &keyTable[V]{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (t *keyTable[V]) id(key []byte) keyID {
	return keyID{maphash.Bytes(t.seeds[0], key), maphash.Bytes(t.seeds[1], key) | 1}
}

// at gives the value's place, which is new and zero when the key is; it is
// valid until the next call.
func (t *keyTable[V]) at(key []byte) (v *V, known bool) { return t.atID(t.id(key)) }

func (t *keyTable[V]) atID(id keyID) (v *V, known bool) {
	if t.below != nil && t.slots > t.limit {
		t.shed()
	}
	s := &t.shards[id.shard()]
	before := len(s.slots)
	v, known = s.at(id)
	t.slots += len(s.slots) - before
	if !known && t.below != nil {
		*v, known = t.below.look(id)
	}
	return v, known
}

// shed moves all values to the shelf; an error stays there.
func (t *keyTable[V]) shed() {
	for i := range t.shards {
		s := t.below.load(i)
		t.shards[i].each(func(id keyID, v V) {
			p, _ := s.at(id)
			*p = v
		})
		t.shards[i] = tableShard[V]{}
		if err := t.below.take(i, &s); err != nil && t.below.err == nil {
			t.below.err = err
		}
	}
	t.slots = 0
}

// look gives the value of a key, without making a place for it.
func (t *keyTable[V]) look(key []byte) (v V, known bool) {
	id := t.id(key)
	if v, known = t.shards[id.shard()].look(id); known || t.below == nil {
		return v, known
	}
	return t.below.look(id)
}

// err is what was met below.
func (t *keyTable[V]) err() error {
	if t == nil || t.below == nil {
		return nil
	}
	return t.below.err
}

// at gives the place of an ID's value, which may be new.
func (s *tableShard[V]) at(id keyID) (v *V, known bool) {
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	slot := s.find(id)
	if slot.b != 0 {
		return &slot.v, true
	}
	slot.keyID = id
	s.used++
	return &slot.v, false
}

func (s *tableShard[V]) look(id keyID) (v V, known bool) {
	if len(s.slots) == 0 {
		return v, false
	}
	slot := s.find(id)
	return slot.v, slot.b != 0
}

// home is where the search for an ID begins among n slots.
func (id keyID) home(n int) int { return int((id.a / tableShards) % uint64(n)) }

func (s *tableShard[V]) find(id keyID) *tableSlot[V] {
	for i := id.home(len(s.slots)); ; i++ {
		if i == len(s.slots) {
			i = 0
		}
		slot := &s.slots[i]
		if slot.b == 0 || slot.keyID == id {
			return slot
		}
	}
}

func (s *tableShard[V]) grow() {
	old := s.slots
	s.slots = make([]tableSlot[V], len(old)+max(16, len(old)/2))
	for i := range old {
		if old[i].b != 0 {
			*s.find(old[i].keyID) = old[i]
		}
	}
}

// each visits every value, in no order.
func (s *tableShard[V]) each(visit func(id keyID, v V)) {
	for i := range s.slots {
		if slot := &s.slots[i]; slot.b != 0 {
			visit(slot.keyID, slot.v)
		}
	}
}

// reset empties a shard and keeps its room.
func (s *tableShard[V]) reset() {
	clear(s.slots)
	s.used = 0
}
