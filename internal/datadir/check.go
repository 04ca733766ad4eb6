package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// maxDefects bounds the list of one file's damage.
const maxDefects = 32

// checked is what a full walk through a db found.
type checked struct {
	inUse   int64 // bytes of the pages that are reachable
	keys    int64 // live keys at the newest revision
	defects []*defect
}

// check walks every page of a stopped db: the structure as bbolt's tx.Check
// does, and every record of the key bucket: its decoding, and what it says
// against its revision and the record of the same key before it. It reads the
// file once in sequence first, so that the walk does not wait for a cold disk.
// Memory: the keys.
func check(ctx context.Context, p *pageFile, compacted int64) (checked, error) {
	c := checked{defects: append([]*defect(nil), p.bad...)}
	if err := warm(ctx, p); err != nil {
		return c, err
	}
	p.seen = make([]uint64, p.meta.end/64+1)
	p.report = func(d *defect) {
		if len(c.defects) < maxDefects {
			c.defects = append(c.defects, d)
		}
	}
	defer func() { p.seen, p.report = nil, nil }()
	p.seen[0] |= 3
	p.freelist()
	all, err := p.buckets(ctx)
	if err != nil {
		return c, err
	}
	live := map[string]history{}
	for _, b := range append(schema.AllBuckets, schema.Test) {
		tree, ok := all[string(b.Name())]
		delete(all, string(b.Name()))
		if !ok {
			if b.ID() == schema.Key.ID() {
				p.report(&defect{-1, "the db has no bucket \"key\": no etcd wrote it"})
			}
			continue
		}
		visit := func(place, []byte, []byte) error { return nil }
		if b.ID() == schema.Key.ID() {
			visit = recordChecker(p, compacted, live)
		}
		if err := p.each(ctx, tree, visit); err != nil {
			return c, err
		}
	}
	for name := range all {
		p.report(&defect{-1, fmt.Sprintf("the db has a bucket %q that etcd does not know", name)})
	}
	for _, word := range p.seen {
		c.inUse += int64(bits.OnesCount64(word)) * int64(p.meta.pageSize)
	}
	c.keys = int64(len(live))
	return c, nil
}

// warm reads the file from its beginning to its end.
func warm(ctx context.Context, p *pageFile) error {
	buf := make([]byte, 1<<20)
	end := int64(p.meta.end) * int64(p.meta.pageSize)
	for off := int64(0); off < end; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		// What cannot be read is reported by the walk, page by page.
		if _, err := p.f.ReadAt(buf, off); errors.Is(err, io.EOF) {
			break
		}
	}
	return nil
}

// freelist marks the pages of a stored freelist; etcd itself stores none.
func (p *pageFile) freelist() {
	n := p.meta.freelist
	if n == noFreelist {
		return
	}
	off := int64(n) * int64(p.meta.pageSize)
	if n < 2 || n >= p.meta.end {
		p.report(&defect{off, fmt.Sprintf("the freelist page %d is outside the db", n)})
		return
	}
	buf, err := p.read(off, p.meta.pageSize, 0)
	if err != nil {
		p.report(&defect{off, "the freelist cannot be read"})
		return
	}
	id, flags, count, overflow := pageHeader(buf)
	if id != n || flags != freelistPage || n+uint64(overflow) >= p.meta.end {
		p.report(&defect{off, fmt.Sprintf("page %d ought to be the freelist and is not", n)})
		return
	}
	if err := p.mark(page{number: n, flags: flags, count: count, overflow: overflow}); err != nil {
		p.report(&defect{off, err.Error()})
	}
}

// history is what the last record of a key said.
type history struct {
	create, version int64
}

// recordChecker decodes every record of the key bucket and holds it against
// its revision and, above the compaction, against the record of the same key
// before it. live holds the keys that exist.
func recordChecker(p *pageFile, compacted int64, live map[string]history) visitor {
	var kv mvccpb.KeyValue
	return func(at place, key, value []byte) error {
		r, err := parseRevision(key)
		if err != nil {
			return &defect{p.offset(at), fmt.Sprintf("page %d: %v", at.page, err)}
		}
		kv.Reset()
		if err := proto.Unmarshal(value, &kv); err != nil {
			return &defect{p.offset(at), fmt.Sprintf("page %d: the record of revision %d cannot be decoded: %v", at.page, r.main, err)}
		}
		if len(value) == 0 && !r.tombstone {
			return nil // left by etcdutl's revision bump
		}
		before, exists := live[string(kv.Key)]
		if r.tombstone {
			delete(live, string(kv.Key))
		} else {
			live[string(kv.Key)] = history{kv.CreateRevision, kv.Version}
		}
		err = plausible(&kv, r)
		if err == nil && r.main > compacted {
			err = continues(&kv, r, before, exists)
		}
		if err != nil {
			return &defect{p.offset(at), fmt.Sprintf("page %d: revision %d: %v", at.page, r.main, err)}
		}
		return nil
	}
}

// continues holds a record above the compaction against the one before it of
// the same key, which a compaction keeps: a version is one more than the last,
// and only what exists can be deleted.
func continues(kv *mvccpb.KeyValue, r revision, before history, exists bool) error {
	name := bytes.ToValidUTF8(kv.Key, nil)
	switch {
	case r.tombstone && !exists:
		return fmt.Errorf("%q is deleted but did not exist", name)
	case r.tombstone:
		return nil
	case exists && (kv.Version != before.version+1 || kv.CreateRevision != before.create):
		return fmt.Errorf("%q has version %d of create revision %d after version %d of %d",
			name, kv.Version, kv.CreateRevision, before.version, before.create)
	case !exists && (kv.Version != 1 || kv.CreateRevision != r.main):
		return fmt.Errorf("%q has version %d without the ones before", name, kv.Version)
	}
	return nil
}

// plausible holds a record against what etcd writes
// (server/storage/mvcc/kvstore_txn.go, put and delete).
func plausible(kv *mvccpb.KeyValue, r revision) error {
	switch {
	case len(kv.Key) == 0:
		return errors.New("the record has no key")
	case len(kv.ProtoReflect().GetUnknown()) > 0:
		return errors.New("the record has fields that etcd does not know")
	case r.tombstone && (kv.ModRevision != 0 || kv.CreateRevision != 0 || kv.Version != 0):
		return fmt.Errorf("the deletion of %q carries revisions", bytes.ToValidUTF8(kv.Key, nil))
	case r.tombstone:
		return nil
	case kv.ModRevision != r.main || kv.CreateRevision < 1 || kv.CreateRevision > kv.ModRevision || kv.Version < 1:
		return fmt.Errorf("the record of %q contradicts its place (create %d, mod %d, version %d)",
			bytes.ToValidUTF8(kv.Key, nil), kv.CreateRevision, kv.ModRevision, kv.Version)
	}
	return nil
}
