package datadir

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
)

// slotsInMemory is how many slots the table of a tally may have: of 48 bytes
// each in a check, of 24 in a survey. Some 800,000 to 1,200,000 keys fill it.
const slotsInMemory = 3 << 19

// tally goes through what happens to keys, in the order in which it is told, and
// keeps a small state for each. As long as few keys are known, their states are
// in memory, and an event is done with when it was added. When their table would
// grow above its limit, the states and all events from then on go to a file that
// has no name, parted by the keys' IDs, and finish does them part by part: each
// key's events still in their order. Memory: the table up to its limit, or
// then 4 MiB and the states of one part in 256.
type tally[V comparable, E any] struct {
	rules tallyRules[V, E]
	table *keyTable[V]
	limit int
	// dir is where the file goes; empty means the system's temporary folder.
	dir  string
	file *spill
	buf  []byte
}

// tallyRules say what a tally is about.
type tallyRules[V comparable, E any] interface {
	// step applies an event to the state of its key. An event that was made by
	// restored only sets the state.
	step(id keyID, v *V, e E) error
	// restored is an event that makes a new state v.
	restored(v V) E
	// pack and unpack write and read an event, in at most maxEvent bytes.
	pack(b []byte, e E) []byte
	unpack(b []byte) (E, bool)
}

// maxEvent bounds a packed event.
const maxEvent = 255

func newTally[V comparable, E any](rules tallyRules[V, E], dir string) *tally[V, E] {
	return &tally[V, E]{rules: rules, table: newKeyTable[V](), limit: slotsInMemory, dir: dir}
}

// add tells what happened to a key.
func (t *tally[V, E]) add(key []byte, e E) error { return t.addID(t.table.id(key), e) }

// addAll tells what happened to keys, in this order.
func (t *tally[V, E]) addAll(batch []keyEvent[E]) error {
	for i := range batch {
		if err := t.addID(batch[i].id, batch[i].e); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally[V, E]) addID(id keyID, e E) error {
	if t.file != nil {
		return t.later(id, e)
	}
	v, _ := t.table.atID(id)
	if err := t.rules.step(id, v, e); err != nil {
		return err
	}
	if t.table.slots <= t.limit {
		return nil
	}
	return t.evict()
}

// later writes an event down.
func (t *tally[V, E]) later(id keyID, e E) error {
	t.buf = t.rules.pack(t.buf[:0], e)
	return t.file.add(id, t.buf)
}

// evict moves all states to a file.
func (t *tally[V, E]) evict() (err error) {
	if t.file, err = newSpill(t.dir); err != nil {
		return err
	}
	var new V
	for i := range t.table.shards {
		t.table.shards[i].each(func(id keyID, v V) {
			if err == nil && v != new {
				err = t.later(id, t.rules.restored(v))
			}
		})
		t.table.shards[i] = tableShard[V]{}
		if err != nil {
			return err
		}
	}
	t.table.slots = 0
	return nil
}

// finish does what was written down; wrong, where it is not nil, gets what a
// step finds wrong, and gives the error that ends the work. keep, where it is not nil, gets the states
// of every part; what is not kept is forgotten where a file was needed.
func (t *tally[V, E]) finish(ctx context.Context, wrong func(error) error, keep func(shard int, s *tableShard[V]) error) error {
	if t.file == nil {
		for i := range t.table.shards {
			if keep == nil {
				break
			}
			if err := keep(i, &t.table.shards[i]); err != nil {
				return err
			}
		}
		return nil
	}
	defer t.close()
	var s tableShard[V]
	for i := range tableShards {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.reset()
		err := t.file.each(i, func(id keyID, b []byte) error {
			e, ok := t.rules.unpack(b)
			if !ok {
				return errSpill
			}
			v, _ := s.at(id)
			err := t.rules.step(id, v, e)
			if err != nil && wrong != nil {
				err = wrong(err)
			}
			return err
		})
		if err == nil && keep != nil {
			err = keep(i, &s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// close gives the file back.
func (t *tally[V, E]) close() {
	if t.file != nil {
		t.file.close()
	}
}

// errSpill says that a file of our own is not what was written.
var errSpill = fmt.Errorf("the temporary file of keys does not hold what was written: the disk is not to be trusted")

// spillBlock is how much of a part is written at once.
const spillBlock = 16 << 10

// spill is a file of packed events, parted by the IDs of their keys.
type spill struct {
	f     *os.File
	parts [tableShards]spillPart
	end   int64
}

type spillPart struct {
	buf    []byte
	blocks []spillRun
}

// spillRun is a block of a part in the file.
type spillRun struct {
	at   int64
	size int32
}

func newSpill(dir string) (*spill, error) {
	f, err := nameless(dir)
	if err != nil {
		return nil, err
	}
	return &spill{f: f}, nil
}

// spillHead is what stands before a packed event: its length and its key's ID.
const spillHead = 17

func (s *spill) add(id keyID, b []byte) error {
	if len(b) > maxEvent {
		return fmt.Errorf("an event of %d bytes is too long", len(b))
	}
	p := &s.parts[id.shard()]
	if len(p.buf)+spillHead+len(b) > spillBlock {
		if err := s.flush(p); err != nil {
			return err
		}
	}
	if p.buf == nil {
		p.buf = make([]byte, 0, spillBlock)
	}
	ne := binary.NativeEndian
	p.buf = append(p.buf, byte(len(b)))
	p.buf = ne.AppendUint64(ne.AppendUint64(p.buf, id.a), id.b)
	p.buf = append(p.buf, b...)
	return nil
}

func (s *spill) flush(p *spillPart) error {
	if len(p.buf) == 0 {
		return nil
	}
	if _, err := s.f.WriteAt(p.buf, s.end); err != nil {
		return fmt.Errorf("write what happened to the keys to a temporary file in %s: %w", s.f.Name(), err)
	}
	p.blocks = append(p.blocks, spillRun{s.end, int32(len(p.buf))})
	s.end += int64(len(p.buf))
	p.buf = p.buf[:0]
	return nil
}

// each visits the events of a part in their order.
func (s *spill) each(part int, visit func(id keyID, b []byte) error) error {
	p := &s.parts[part]
	if err := s.flush(p); err != nil {
		return err
	}
	buf := p.buf[:cap(p.buf)]
	defer func() { p.buf = nil }()
	ne := binary.NativeEndian
	for _, r := range p.blocks {
		if int(r.size) > len(buf) {
			return errSpill
		}
		b := buf[:r.size]
		if _, err := s.f.ReadAt(b, r.at); err != nil {
			return fmt.Errorf("read what happened to the keys: %w", err)
		}
		for len(b) > 0 {
			if len(b) < spillHead || len(b) < spillHead+int(b[0]) {
				return errSpill
			}
			n := spillHead + int(b[0])
			if err := visit(keyID{ne.Uint64(b[1:]), ne.Uint64(b[9:])}, b[spillHead:n]); err != nil {
				return err
			}
			b = b[n:]
		}
	}
	return nil
}

func (s *spill) close() { _ = s.f.Close() }

// flags packs truths.
func flags(list ...bool) byte {
	var f byte
	for i, yes := range list {
		if yes {
			f |= 1 << i
		}
	}
	return f
}

// unpacker reads what was packed; after an error it gives zeros.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) flags(list ...*bool) {
	if len(u.b) == 0 {
		u.bad = true
		return
	}
	for i, yes := range list {
		*yes = u.b[0]&(1<<i) != 0
	}
	u.b = u.b[1:]
}

func (u *unpacker) number() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[n:]
	return v
}

// done tells whether everything was read and nothing is left.
func (u *unpacker) done() bool { return !u.bad && len(u.b) == 0 }
