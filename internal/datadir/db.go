package datadir

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// dbFacts reads the small buckets of a db and the end of the key bucket: a few
// dozen pages, whatever the size of the db. InUse stays 0.
func dbFacts(ctx context.Context, p *pageFile) (cluster.DB, error) {
	db := cluster.DB{Size: p.size, PageSize: p.meta.pageSize}
	all, err := p.buckets(ctx)
	if err != nil {
		return db, err
	}
	for _, read := range []func(context.Context, *pageFile, map[string]bucket, *cluster.DB) error{
		readMetaBucket, readMembers, readAlarms, readRevision,
	} {
		if err := read(ctx, p, all, &db); err != nil {
			return db, err
		}
	}
	return db, nil
}

// values reads a small bucket whole; a bucket that does not exist is empty.
func values(ctx context.Context, p *pageFile, all map[string]bucket, name []byte) (map[string][]byte, error) {
	m := map[string][]byte{}
	b, ok := all[string(name)]
	if !ok {
		return m, nil
	}
	err := p.each(ctx, b, func(_ place, key, value []byte) error {
		m[string(key)] = append([]byte(nil), value...)
		return nil
	})
	return m, err
}

func readMetaBucket(ctx context.Context, p *pageFile, all map[string]bucket, db *cluster.DB) error {
	meta, err := values(ctx, p, all, schema.Meta.Name())
	if err != nil {
		return err
	}
	db.ConsistentIndex = bigEndian(meta[string(schema.MetaConsistentIndexKeyName)])
	db.Term = bigEndian(meta[string(schema.MetaTermKeyName)])
	db.StorageVersion = string(meta[string(schema.MetaStorageVersionName)])
	db.CompactRevision = max(
		int64(bigEndian(meta[string(schema.FinishedCompactKeyName)])),
		int64(bigEndian(meta[string(schema.ScheduledCompactKeyName)])))
	group, err := values(ctx, p, all, schema.Cluster.Name())
	if err != nil {
		return err
	}
	db.ClusterVersion = string(group[string(schema.ClusterClusterVersionKeyName)])
	auth, err := values(ctx, p, all, schema.Auth.Name())
	if err != nil {
		return err
	}
	enabled := auth[string(schema.AuthEnabledKeyName)]
	db.AuthEnabled = len(enabled) == 1 && enabled[0] == 1
	return nil
}

// bigEndian reads the first 8 bytes as a number; a shorter value is 0.
func bigEndian(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func readMembers(ctx context.Context, p *pageFile, all map[string]bucket, db *cluster.DB) error {
	members, err := values(ctx, p, all, schema.Members.Name())
	if err != nil {
		return err
	}
	for key, value := range members {
		var m membership.Member
		if err := json.Unmarshal(value, &m); err != nil {
			return &defect{-1, fmt.Sprintf("member %q cannot be read: %v", key, err)}
		}
		db.Members = append(db.Members, cluster.MemberEntry{
			ID: cluster.ID(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner,
		})
	}
	slices.SortFunc(db.Members, func(a, b cluster.MemberEntry) int {
		return compareIDs(a.ID, b.ID)
	})
	removed, err := values(ctx, p, all, schema.MembersRemoved.Name())
	if err != nil {
		return err
	}
	for key := range removed {
		id, err := types.IDFromString(key)
		if err != nil {
			return &defect{-1, fmt.Sprintf("removed member %q is no ID", key)}
		}
		db.RemovedMembers = append(db.RemovedMembers, cluster.ID(id))
	}
	slices.SortFunc(db.RemovedMembers, compareIDs)
	return nil
}

func compareIDs(a, b cluster.ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func readAlarms(ctx context.Context, p *pageFile, all map[string]bucket, db *cluster.DB) error {
	b, ok := all[string(schema.Alarm.Name())]
	if !ok {
		return nil
	}
	return p.each(ctx, b, func(at place, key, _ []byte) error {
		var m etcdserverpb.AlarmMember
		if err := proto.Unmarshal(key, &m); err != nil {
			return &defect{p.offset(at), "an alarm cannot be read: " + err.Error()}
		}
		db.Alarms = append(db.Alarms, cluster.Alarm{MemberID: cluster.ID(m.MemberID), Type: m.Alarm.String()})
		return nil
	})
}

// readRevision computes the revision as etcd does when it starts
// (server/storage/mvcc/kvstore.go, restore): the greatest of the last record's
// and the compaction's, and 1 in a new store.
func readRevision(_ context.Context, p *pageFile, all map[string]bucket, db *cluster.DB) error {
	db.Revision = max(1, db.CompactRevision)
	b, ok := all[string(schema.Key.Name())]
	if !ok {
		return nil
	}
	key, err := p.lastKey(b)
	if err != nil || key == nil {
		return err
	}
	r, err := parseRevision(key)
	if err != nil {
		return &defect{-1, err.Error()}
	}
	db.Revision = max(db.Revision, r.main)
	return nil
}

// revision is the key of a record in the key bucket.
type revision struct {
	main, sub int64
	tombstone bool
}

// parseRevision reads the 17 or 18 bytes of a record's key without the panics
// of etcd's own reader (server/storage/mvcc/revision.go, BytesToBucketKey).
func parseRevision(b []byte) (revision, error) {
	if (len(b) != 17 && len(b) != 18) || b[8] != '_' || (len(b) == 18 && b[17] != 't') {
		return revision{}, fmt.Errorf("%x is no revision", b)
	}
	r := revision{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[9:])), len(b) == 18}
	if r.main < 1 || r.sub < 0 {
		return revision{}, fmt.Errorf("%x is no revision", b)
	}
	return r, nil
}

// factsOf reads the facts of an open db again until no commit of a running
// etcd came between.
func factsOf(ctx context.Context, p *pageFile) (cluster.DB, error) {
	var db cluster.DB
	var err error
	for range 20 {
		db, err = dbFacts(ctx, p)
		if p.consistent() || ctx.Err() != nil {
			return db, err
		}
		if p.meta, p.bad, err = readMeta(p.f); err != nil {
			return db, err
		}
	}
	return db, errors.New("a running etcd commits faster than its db can be read")
}
