package datadir

import (
	"context"
	"fmt"
	"hash/crc32"

	"go.etcd.io/etcd/server/v3/storage/schema"
)

// KVHash is what etcd's HashKV answers, computed from a file.
type KVHash struct {
	Hash uint32 `json:"hash"`
	// Revision is the one that the hash is of; CompactRevision is -1 in a store
	// that was never compacted, as in etcd.
	Revision        int64 `json:"revision"`
	CompactRevision int64 `json:"compactRevision"`
	// Keys counts the live keys at Revision, without the empty key that
	// etcdutl's revision bump leaves.
	Keys int64 `json:"keys"`
}

// HashKVOf computes etcd's HashKV of a stopped member's db or of a snapshot
// file at a revision (0: the newest), as the server does (server/storage/mvcc/
// hash.go, newKVHasher): what a compaction is going to remove does not count,
// nor does a deletion at the compacted revision itself, which versions treat
// differently. Two members' hashes can be compared when both revisions are
// equal. Damage is an error.
func HashKVOf(ctx context.Context, dbPath string, atRevision int64) (KVHash, error) {
	p, db, err := openStopped(ctx, dbPath)
	if err != nil {
		return KVHash{}, fmt.Errorf("hash %s: %w", dbPath, err)
	}
	defer p.close()
	if atRevision == 0 {
		atRevision = db.Revision
	}
	if atRevision < db.CompactRevision || atRevision > db.Revision {
		return KVHash{}, fmt.Errorf("hash %s: it holds the revisions %d to %d, not %d", dbPath, db.CompactRevision, db.Revision, atRevision)
	}
	k := KVHash{Revision: atRevision, CompactRevision: db.CompactRevision}
	if k.CompactRevision == 0 {
		k.CompactRevision = -1
	}
	s, err := takeSurvey(ctx, p, atRevision, true, "")
	if err == nil {
		err = k.sum(ctx, s)
	}
	if err != nil {
		return KVHash{}, fmt.Errorf("hash %s: %w", dbPath, err)
	}
	return k, nil
}

func (k *KVHash) sum(ctx context.Context, s *survey) error {
	k.Keys = s.keys
	if s.phantom > 0 && s.isLive(s.phantom-1) {
		k.Keys--
	}
	k.Hash = crc32.Update(0, castagnoli, schema.Key.Name())
	ordinal := -1
	return s.p.each(ctx, s.all[string(schema.Key.Name())], func(_ place, key, value []byte) error {
		ordinal++
		r, err := parseRevision(key)
		if err != nil {
			return err
		}
		switch {
		case r.main > k.Revision,
			r.main <= k.CompactRevision && s.keys > 0 && !s.isLive(ordinal),
			r.main == k.CompactRevision && r.tombstone:
			return nil
		}
		k.Hash = crc32.Update(k.Hash, castagnoli, key)
		k.Hash = crc32.Update(k.Hash, castagnoli, value)
		return nil
	})
}
