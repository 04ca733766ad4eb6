package datadir

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/coreos/go-semver/semver"
	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/raft/v3/raftpb"
)

// Target is the minor version of the etcd that a data dir is written for. The
// zero value keeps the versions that the source names, as etcdutl does.
type Target string

// The targets.
const (
	TargetAsIs Target = ""
	Target34   Target = "3.4"
	Target35   Target = "3.5"
	Target36   Target = "3.6"
	Target37   Target = "3.7"
)

// Targets lists what a data dir can be written for.
func Targets() []Target { return []Target{Target34, Target35, Target36, Target37} }

// TargetOf gives the target for an etcd of a version, as "3.5.21" or "3.5".
// Where this package knows no form for it, and where it is empty, that is
// TargetAsIs.
func TargetOf(version string) Target {
	if t := Target(cluster.Minor(version)); slices.Contains(Targets(), t) {
		return t
	}
	return TargetAsIs
}

// RecordedBy tells for which etcd a snapshot file or the db of a stopped member
// was written, by the versions that it names; TargetAsIs when it names
// none that is known here. A log names no version: where the db is lost, ask
// another member's or the programs themselves (supervise.Version).
func RecordedBy(ctx context.Context, path string) (Target, error) {
	db, err := Head(ctx, path)
	if err != nil {
		return TargetAsIs, err
	}
	return TargetOf(db.RecordedBy()), nil
}

func (t Target) check() error {
	if t != TargetAsIs && !slices.Contains(Targets(), t) {
		return fmt.Errorf("etcd %s is no version to write for: use one of %v", t, Targets())
	}
	return nil
}

// smallBucket is a bucket that is read whole.
type smallBucket map[string][]byte

// pairs gives a bucket's records in order.
func (b smallBucket) pairs() []pair {
	list := make([]pair, 0, len(b))
	for _, k := range slices.Sorted(maps.Keys(b)) {
		list = append(list, pair{[]byte(k), b[k]})
	}
	return list
}

// ownBuckets are those that a restore writes anew. All others (leases, users
// and roles) come back as they are.
func ownBuckets() [][]byte {
	return [][]byte{schema.Meta.Name(), schema.Cluster.Name(), schema.Members.Name(), schema.MembersRemoved.Name(), schema.Alarm.Name()}
}

// rebirth is what a restore makes of a db's own buckets.
type rebirth struct {
	group  *membership.RaftCluster
	target Target
	// scheduled and finished are the compaction's revisions; 0 keeps the
	// source's.
	scheduled, finished int64
}

// apply edits the buckets in place: the members are the new ones, the log
// begins anew with an entry for each, alarms and a pending downgrade go
// (etcdutl/snapshot/v3_snapshot.go leaves the last two, and the ConfState).
func (r rebirth) apply(b map[string]smallBucket) error {
	meta, versions := b[string(schema.Meta.Name())], b[string(schema.Cluster.Name())]
	clear(b[string(schema.Members.Name())])
	clear(b[string(schema.MembersRemoved.Name())])
	clear(b[string(schema.Alarm.Name())])
	voters := &raftpb.ConfState{}
	for _, id := range r.group.MemberIDs() {
		voters.Voters = append(voters.Voters, uint64(id))
		m, err := json.Marshal(r.group.Member(id))
		if err != nil {
			return err
		}
		b[string(schema.Members.Name())][string(schema.BackendMemberKey(id))] = m
	}
	conf, err := json.Marshal(voters)
	if err != nil {
		return err
	}
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	meta[string(schema.MetaConsistentIndexKeyName)] = number(uint64(len(voters.Voters)))
	meta[string(schema.MetaTermKeyName)] = number(firstTerm)
	meta[string(schema.MetaConfStateName)] = conf
	if r.scheduled > 0 {
		meta[string(schema.ScheduledCompactKeyName)] = revision{main: r.scheduled}.bytes()
	}
	if r.finished > 0 {
		meta[string(schema.FinishedCompactKeyName)] = revision{main: r.finished}.bytes()
	}
	delete(versions, string(schema.ClusterDowngradeKeyName))
	return r.versions(meta, versions)
}

// versions writes what the target expects: the cluster version, above which no
// older server starts, and the storage version, which etcd 3.6 introduced. The
// term and the ConfState in the db came with 3.5.
func (r rebirth) versions(meta, versions smallBucket) error {
	if r.target == TargetAsIs {
		return nil
	}
	v, err := semver.NewVersion(string(r.target) + ".0")
	if err != nil {
		return err
	}
	versions[string(schema.ClusterClusterVersionKeyName)] = []byte(v.String())
	delete(meta, string(schema.MetaStorageVersionName))
	switch r.target {
	case Target34:
		delete(meta, string(schema.MetaTermKeyName))
		delete(meta, string(schema.MetaConfStateName))
	case Target36, Target37:
		meta[string(schema.MetaStorageVersionName)] = []byte(v.String())
	}
	return nil
}
