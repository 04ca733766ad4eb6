package datadir

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/client/pkg/v3/types"
)

// RestoreOptions says what Restore writes. The words are those of `etcdutl
// snapshot restore`.
type RestoreOptions struct {
	// Source is a snapshot file, or the db of a stopped member.
	Source string `json:"source"`
	// SkipHashCheck accepts a source without a sha256 trailer, as a db is that
	// was copied from a data dir, and does not look at one that is there.
	SkipHashCheck bool `json:"skipHashCheck,omitempty"`
	// Members are the data dirs to write: one, several, or all of the cluster.
	// They get the same db, which is read and made once.
	Members []RestoreMember `json:"members"`
	// InitialCluster names all members of the new cluster, as name=URL,name=URL.
	InitialCluster string `json:"initialCluster"`
	// Token must be new for each restore: with an old one the IDs of the old
	// cluster come back, and a member of it can join and do harm.
	Token string `json:"token"`
	// BumpRevision is added to the newest revision, and with MarkCompacted,
	// which it needs and which needs it, all below the sum is compacted, so
	// that watchers from before are told to start anew.
	BumpRevision  int64 `json:"bumpRevision,omitempty"`
	MarkCompacted bool  `json:"markCompacted,omitempty"`
	// Compact writes what is live only, as a finished compaction at the newest
	// revision (after the bump) leaves it: nothing is left to compact when
	// etcd starts. Without it every revision is kept.
	Compact bool `json:"compact,omitempty"`
	// Target is the etcd to write for.
	Target Target `json:"target,omitempty"`
}

// RestoreMember is a data dir to write. It must not exist, or be empty; WALDir
// empty means Dir/member/wal. PeerURLs empty means those of InitialCluster.
type RestoreMember struct {
	Name     string   `json:"name"`
	Dir      string   `json:"dir"`
	WALDir   string   `json:"walDir,omitempty"`
	PeerURLs []string `json:"peerURLs,omitempty"`
}

// Restored is what was written.
type Restored struct {
	ClusterID cluster.ID       `json:"clusterID"`
	Members   []RestoredMember `json:"members"`
	// Revision and CompactRevision are those that an etcd reports after its
	// start; Keys the live keys, Records all revisions in the db.
	Revision        int64 `json:"revision"`
	CompactRevision int64 `json:"compactRevision"`
	Keys            int64 `json:"keys"`
	Records         int64 `json:"records"`
	// Bytes is the size of each db.
	Bytes int64 `json:"bytes"`
	// SameIDs are the IDs of new members that members of the source's cluster
	// had: the token and the peer URLs are theirs. One of them that comes back
	// can join the new cluster, and do harm.
	SameIDs []cluster.ID `json:"sameIDs,omitempty"`
	// SourceSHA256 is the digest of the source's whole file; empty when it was
	// not computed.
	SourceSHA256 string `json:"sourceSHA256,omitempty"`
}

// RestoredMember is a data dir that was written.
type RestoredMember struct {
	Name     string     `json:"name"`
	Dir      string     `json:"dir"`
	MemberID cluster.ID `json:"memberID"`
}

// AllMembers lists every member of an initial cluster, each with a data dir
// dir/NAME.
func AllMembers(dir, initialCluster string) ([]RestoreMember, error) {
	urls, err := types.NewURLsMap(initialCluster)
	if err != nil {
		return nil, fmt.Errorf("read initial cluster %q: %w", initialCluster, err)
	}
	var list []RestoreMember
	for _, part := range strings.Split(initialCluster, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
		if urls[name] == nil {
			continue // its other URL came before
		}
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return nil, fmt.Errorf("read initial cluster %q: %q cannot name a folder", initialCluster, name)
		}
		list = append(list, RestoreMember{Name: name, Dir: filepath.Join(dir, name), PeerURLs: urls[name].StringSlice()})
		delete(urls, name)
	}
	return list, nil
}

// Restore writes new data dirs from a snapshot, for etcd to start from, with
// one pass over the source, which is only read. Each is written beside its
// place, synced and renamed; an interruption at any time leaves each target
// absent or whole, and the same Restore again finishes the work. Alarms, the
// old members and a pending downgrade do not come back; leases, users and roles
// do. The whole structure of the source is verified on the way: damage is an
// error, as is a wrong trailer and a disk without room. Progress counts bytes.
// Files belong to the user who runs this.
//
// It differs from etcdutl's (etcdutl/snapshot/v3_snapshot.go) in what is named
// here, and in that a compact restore leaves no record with an empty key: the
// revision is then that of the finished compaction (server/storage/mvcc/
// kvstore.go, restore).
func Restore(ctx context.Context, o RestoreOptions, progress func(done, total int64)) (Restored, error) {
	return told("restore "+o.Source, progress, func(progress func(done, total int64)) (Restored, error) {
		w, err := newRestorer(o)
		if err != nil {
			return Restored{}, err
		}
		return w.restore(ctx, progress)
	})
}

// check refuses options that contradict each other.
func (o RestoreOptions) check() error {
	if (o.BumpRevision > 0) != o.MarkCompacted || o.BumpRevision < 0 {
		return errors.New("a revision bump and the compaction mark need each other")
	}
	if o.BumpRevision > 1<<62 {
		return fmt.Errorf("a revision bump of %d is too high", o.BumpRevision)
	}
	if len(o.Members) == 0 {
		return errors.New("no data dir is named")
	}
	dirs := map[string]bool{}
	for _, m := range o.Members {
		for _, d := range []string{m.Dir, m.WALDir} {
			if d != "" && dirs[filepath.Clean(d)] {
				return fmt.Errorf("the folder %s is named twice", d)
			}
			dirs[filepath.Clean(d)] = true
		}
		if m.Dir == "" {
			return fmt.Errorf("the member %q has no data dir", m.Name)
		}
	}
	return o.Target.check()
}
