package datadir

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"slices"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// write makes a compacted db of the newest record of every key, and says in the
// report how far each can be believed.
func (sc *scavenger) write(ctx context.Context, path string) error {
	own := sc.buckets(ctx)
	sc.frame(own[string(schema.Meta.Name())])
	if len(sc.records) == 0 {
		return errors.New("no page of it holds records of keys")
	}
	sc.gaps()
	live, err := sc.newest(ctx)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	w := newPageWriter(ctx, f, sc.r.PageSize, 2, sc.m.addInt)
	t := newTreeWriter(w)
	certain, leases := sc.certainFrom(), own[string(schema.Lease.Name())]
	for i := range sc.records {
		if !live.at(uint64(i)) {
			continue
		}
		key, value, err := sc.read(sc.records[i])
		if err != nil {
			return err
		}
		sc.grade(sc.records[i], value, certain)
		if err := t.add(0, key, sc.unbind(value, leases)); err != nil {
			return err
		}
	}
	root, err := t.finish()
	if err != nil {
		return err
	}
	meta := own[string(schema.Meta.Name())]
	for _, name := range [][]byte{schema.ScheduledCompactKeyName, schema.FinishedCompactKeyName} {
		meta[string(name)] = revision{main: sc.r.Revision}.bytes()
	}
	return finishDB(w, map[string][]byte{string(schema.Key.Name()): bucketRef(root, 0)}, own, 1)
}

// buckets reads all buckets but the keys'; those that cannot be read to their
// end are lost.
func (sc *scavenger) buckets(ctx context.Context) map[string]smallBucket {
	own := map[string]smallBucket{string(schema.Meta.Name()): {}}
	for _, name := range slices.Sorted(maps.Keys(sc.all)) {
		if name == string(schema.Key.Name()) {
			continue
		}
		m, err := values(ctx, sc.p, sc.all, []byte(name))
		if err != nil {
			sc.r.LostBuckets = append(sc.r.LostBuckets, name)
			continue
		}
		own[name] = m
	}
	if sc.all == nil {
		sc.r.LostBuckets = []string{"all but key"}
	}
	return own
}

// frame fixes between which revisions the db was.
func (sc *scavenger) frame(meta smallBucket) {
	r := &sc.r
	sc.mergeLost()
	r.Index, r.Term = bigEndian(meta[string(schema.MetaConsistentIndexKeyName)]), bigEndian(meta[string(schema.MetaTermKeyName)])
	r.CompactRevision = max(int64(bigEndian(meta[string(schema.FinishedCompactKeyName)])), int64(bigEndian(meta[string(schema.ScheduledCompactKeyName)])))
	r.IndexProven = sc.end > 0 && r.Index > 0 && (r.Tree == "newest" ||
		r.Broken == 0 && sc.records[len(sc.records)-1].revision.main <= sc.end)
	if r.IndexProven {
		// What lies above was written by a transaction that did not end, and
		// what is outside the tree but not lost there was compacted.
		sc.records = slices.DeleteFunc(sc.records, func(f found) bool {
			return f.revision.main > sc.end || f.stray && !sc.isLost(f.revision.main)
		})
	}
	r.LostRanges = sc.lost[:min(len(sc.lost), MaxScavengeList)]
	r.Revision = max(1, r.CompactRevision)
	if n := len(sc.records); n > 0 {
		r.Revision = max(r.Revision, sc.records[n-1].revision.main)
	}
}

// mergeLost puts the lost ranges in order and joins those that overlap.
func (sc *scavenger) mergeLost() {
	slices.SortFunc(sc.lost, func(a, b RevisionRange) int { return cmp.Compare(a.First, b.First) })
	merged := sc.lost[:0]
	for _, l := range sc.lost {
		if n := len(merged); n > 0 && (merged[n-1].Last == 0 || l.First <= merged[n-1].Last) {
			if last := &merged[n-1].Last; *last != 0 && (l.Last == 0 || l.Last > *last) {
				*last = l.Last
			}
			continue
		}
		merged = append(merged, l)
	}
	sc.lost = merged
}

// isLost tells whether a broken page of the tree may have held a revision.
func (sc *scavenger) isLost(main int64) bool {
	i, same := slices.BinarySearchFunc(sc.lost, main, func(l RevisionRange, main int64) int { return cmp.Compare(l.First, main) })
	if same {
		return true
	}
	return i > 0 && (sc.lost[i-1].Last == 0 || main <= sc.lost[i-1].Last)
}

// gaps counts the revisions above the compaction of which nothing was found:
// each revision is of at least one record.
func (sc *scavenger) gaps() {
	miss := func(first, last int64) {
		if last != 0 {
			sc.r.Missing += last - first + 1
		}
		sc.r.MissingRanges = append(sc.r.MissingRanges, RevisionRange{first, last})
	}
	before := max(sc.r.CompactRevision, 1)
	for _, f := range sc.records {
		if f.revision.main > before+1 {
			miss(before+1, f.revision.main-1)
		}
		before = max(before, f.revision.main)
	}
	if !sc.r.IndexProven {
		miss(before+1, 0)
	}
}

// certainFrom is the revision above which nothing is missing: an object whose
// newest record is above it, or at it, has no newer one.
func (sc *scavenger) certainFrom() int64 {
	from := int64(0)
	for _, m := range sc.r.MissingRanges {
		from = max(from, m.Last+1)
		if m.Last == 0 {
			return sc.r.Revision + 1
		}
	}
	for _, l := range sc.lost {
		if l.First <= sc.r.CompactRevision {
			high := l.Last
			if high == 0 {
				high = sc.r.CompactRevision
			}
			from = max(from, min(high, sc.r.CompactRevision))
		}
	}
	if n := len(sc.r.MissingRanges); n > MaxScavengeList {
		sc.r.MissingRanges = sc.r.MissingRanges[n-MaxScavengeList:]
	}
	return from
}

// newest finds the newest record of every key that is not deleted, and drops
// all but one copy of a record.
func (sc *scavenger) newest(ctx context.Context) (bitmap, error) {
	var live bitmap
	keys := newKeyTable[uint32]()
	var last []byte
	kept := 0
	for i, f := range sc.records {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		key, value, err := sc.read(f)
		if err != nil {
			return nil, err
		}
		if i > 0 && f.revision.compare(sc.records[kept].revision) == 0 {
			if !bytes.Equal(last, value) {
				sc.r.Conflicts++
				sc.records[kept].doubt = true
			}
			continue
		}
		kept = i
		last = append(last[:0], value...)
		sc.r.Records++
		if f.stray {
			sc.r.StrayRecords++
		}
		if len(key) == 18 || len(value) > 0 {
			sc.note(&live, keys, i, value)
		}
	}
	return live, nil
}

func (sc *scavenger) note(live *bitmap, keys *keyTable[uint32], i int, value []byte) {
	rec, err := parseRecord(value)
	if err != nil {
		return
	}
	n, _ := keys.at(rec.key)
	if *n > 0 {
		live.clear(int(*n - 1))
	}
	*n = 0
	if !sc.records[i].revision.tombstone {
		live.set(i)
		*n = uint32(i + 1)
	}
}

// read reads a record again.
func (sc *scavenger) read(f found) (key, value []byte, err error) {
	b := sc.all[string(schema.Key.Name())]
	if f.stray || uint64(f.page) != b.around {
		b = bucket{root: 1}
	}
	return sc.p.at(b, place{page: uint64(f.page), index: int(f.index)})
}

// unbind takes a lease that is lost out of a record.
func (sc *scavenger) unbind(value []byte, leases smallBucket) []byte {
	rec, err := parseRecord(value)
	if err != nil || rec.lease == 0 || leases[leaseKey(rec.lease)] != nil {
		return value
	}
	sc.r.Unbound++
	return kvRecord{rec.key, rec.value, rec.create, rec.mod, rec.version, 0}.appendTo(nil)
}

// grade counts an object as proven or probable.
func (sc *scavenger) grade(f found, value []byte, certain int64) {
	main := f.revision.main
	if !f.doubt && main >= certain && (!f.stray || main > sc.r.CompactRevision) {
		sc.r.Proven++
		return
	}
	sc.r.Probable++
	if rec, err := parseRecord(value); err == nil && len(sc.r.ProbableKeys) < MaxScavengeList {
		sc.r.ProbableKeys = append(sc.r.ProbableKeys, printable(string(rec.key)))
	}
}
