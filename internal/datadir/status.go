package datadir

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/server/v3/storage/schema"
)

// Status is what `etcdutl snapshot status` tells of a db, in its own words
// (etcdutl/snapshot/v3_snapshot.go, Status).
type Status struct {
	// Hash is the CRC-32C of all buckets' names, keys and values, in order.
	Hash uint32 `json:"hash"`
	// Revision is that of the last record, 0 when there is none.
	Revision int64 `json:"revision"`
	// TotalKey counts the live keys, with the empty key that etcdutl's
	// revision bump leaves.
	TotalKey int `json:"totalKey"`
	// TotalSize is the size of the db's pages in bytes, without a trailer.
	TotalSize int64 `json:"totalSize"`
	// Version is the storage version, empty in files of etcd 3.5 and older.
	Version string `json:"version"`
}

// StatusOf reads every record of a snapshot file or of a stopped member's db
// as `etcdutl snapshot status` does, without its memory map and without
// waiting for a lock: a truncated file is an error, and so is the first
// damage. The trailer is not looked at, as etcdutl does not either.
func StatusOf(ctx context.Context, dbPath string) (Status, error) {
	p, db, err := openStopped(ctx, dbPath)
	if err != nil {
		return Status{}, fmt.Errorf("read status of %s: %w", dbPath, err)
	}
	defer p.close()
	p.seen = make([]uint64, p.meta.end/64+1) // a page that is used twice is damage
	s := Status{TotalSize: int64(p.meta.end) * int64(p.meta.pageSize)}
	if v, err := semver.NewVersion(db.StorageVersion); err == nil {
		s.Version = v.String()
	}
	if err := s.read(ctx, p); err != nil {
		return Status{}, fmt.Errorf("read status of %s: %w", dbPath, err)
	}
	return s, nil
}

func (s *Status) read(ctx context.Context, p *pageFile) error {
	all, err := p.buckets(ctx)
	if err != nil {
		return err
	}
	live := newSurvey(p, 0, "")
	defer live.close()
	note := live.visitor(true)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s.Hash = crc32.Update(s.Hash, castagnoli, []byte(name))
		err := p.each(ctx, all[name], func(at place, key, value []byte) error {
			s.Hash = crc32.Update(s.Hash, castagnoli, key)
			s.Hash = crc32.Update(s.Hash, castagnoli, value)
			if name != string(schema.Key.Name()) {
				return nil
			}
			return note(at, key, value)
		})
		if err != nil {
			return err
		}
	}
	if err := live.finish(ctx); err != nil {
		return err
	}
	s.Revision, s.TotalKey = live.latest.main, int(live.keys)
	return nil
}
