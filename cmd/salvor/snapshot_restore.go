package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/salvor-project/salvor/internal/backup"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/report"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/seal"
)

// restoreOptions are the flags of snapshot restore. Those of etcdutl have its
// names, defaults and meaning (etcdutl/etcdutl/snapshot_command.go).
type restoreOptions struct {
	dataDir, walDir   string
	name              string
	initialCluster    string
	token             string
	peerURLs          string
	skipHashCheck     bool
	bump              uint64
	markCompacted     bool
	mmapSize          uint64
	target            string
	allMembers        string
	compact, newToken bool
	vault             vaultFlags
}

func (a *app) snapshotRestoreCommand() *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore FILE|vault:BACKUP",
		Short: "Write new data dirs from a snapshot, with the flags of `etcdutl snapshot restore`",
		Long: `Restore writes a data dir from a snapshot, a db file (--skip-hash-check) or
another data dir: beside its place first, synced, then renamed. The flags of
etcdutl mean what they mean there. Alarms, the old membership and a pending
downgrade do not come back; leases do.

vault:BACKUP, or vault:newest for the newest proven one, restores from the vault
of salvor.yaml, or of --target, while it is fetched; nothing is put in place
before all of it was found right. With --compact the whole snapshot lies beside
the result meanwhile, in a file without a name.

Example:
  salvor snapshot restore snap.db --all-members /var/lib/restored \
    --initial-cluster m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380 \
    --initial-cluster-token $(uuidgen) --bump-revision 1000000000 --mark-compacted

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	o.addFlags(c)
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		if err := o.check(c); err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(list[0], fromVault); ok {
			return a.restoreBackup(c.Context(), name, o)
		}
		s, err := newSubject(list[0], "")
		if err != nil {
			return err
		}
		return a.restore(c.Context(), s, o)
	}
	return c
}

func (o *restoreOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.dataDir, "data-dir", "", "the data dir to write (default: NAME.etcd)")
	f.StringVar(&o.walDir, "wal-dir", "", "the folder of its log (default: in the data dir)")
	f.StringVar(&o.name, "name", "default", "the member's name")
	f.StringVar(&o.initialCluster, "initial-cluster", "default=http://localhost:2380", "all members: name=peer URL, comma-separated")
	f.StringVar(&o.token, "initial-cluster-token", "etcd-cluster", "the new cluster's token; use a new one for each restore, so that members of the old cluster cannot join")
	f.StringVar(&o.peerURLs, "initial-advertise-peer-urls", "http://localhost:2380", "the member's peer URLs, comma-separated")
	f.BoolVar(&o.skipHashCheck, "skip-hash-check", false, "accept a file without a sha256 trailer, such as a db copied from a data dir")
	f.Uint64Var(&o.bump, "bump-revision", 0, "add this to the newest revision, so that no watcher sees a revision twice (needs --mark-compacted)")
	f.BoolVar(&o.markCompacted, "mark-compacted", false, "mark everything up to the new revision as compacted, so that watchers start anew (needs --bump-revision)")
	f.Uint64Var(&o.mmapSize, "initial-memory-map-size", 0, "accepted for etcdutl's sake; nothing is mapped here")
	f.StringVar(&o.target, "target-version", "", "write for etcd 3.4, 3.5, 3.6 or 3.7 (default: what the snapshot's cluster ran)")
	f.StringVar(&o.allMembers, "all-members", "", "write every member of --initial-cluster, each to DIR/NAME, from one pass over the data")
	f.BoolVar(&o.compact, "compact", false, "write live revisions only: smaller, and no compaction when etcd starts")
	o.vault.addFlags(c)
	f.BoolVar(&o.newToken, "new-token", false, "make a random --initial-cluster-token and print it")
}

// check refuses flags that contradict each other.
func (o *restoreOptions) check(c *cobra.Command) error {
	given := c.Flags().Changed
	switch {
	case (o.bump > 0) != o.markCompacted:
		return usageError{errors.New("--bump-revision and --mark-compacted need each other")}
	case o.bump > 1<<62:
		return usageError{fmt.Errorf("--bump-revision %d is too high", o.bump)}
	case o.allMembers != "" && (given("name") || given("data-dir") || given("wal-dir") || given("initial-advertise-peer-urls")):
		return usageError{errors.New("--all-members names every member itself: leave --name, --data-dir, --wal-dir and --initial-advertise-peer-urls out")}
	case o.newToken && given("initial-cluster-token"):
		return usageError{errors.New("--new-token and --initial-cluster-token exclude each other")}
	case o.target != "" && !slices.Contains(datadir.Targets(), datadir.Target(o.target)):
		return usageError{fmt.Errorf("--target-version %s is not known here: use one of %v", o.target, datadir.Targets())}
	}
	if o.newToken {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		o.token = hex.EncodeToString(b[:])
	}
	if o.dataDir == "" {
		o.dataDir = o.name + ".etcd"
	}
	return nil
}

// members lists the data dirs to write.
func (o *restoreOptions) members() ([]datadir.RestoreMember, error) {
	if o.allMembers == "" {
		return []datadir.RestoreMember{{Name: o.name, Dir: o.dataDir, WALDir: o.walDir, PeerURLs: strings.Split(o.peerURLs, ",")}}, nil
	}
	list, err := datadir.AllMembers(o.allMembers, o.initialCluster)
	if err != nil {
		return nil, usageError{err}
	}
	return list, nil
}

// restored is what snapshot restore prints.
type restored struct {
	datadir.Restored
	Token  string `json:"token"`
	Backup string `json:"backup,omitempty"`
}

func (a *app) restore(ctx context.Context, s subject, o restoreOptions) error {
	list, err := o.members()
	if err != nil {
		return err
	}
	source, done, err := a.image(ctx, s, existing(filepath.Dir(filepath.Clean(list[0].Dir))))
	if err != nil {
		return err
	}
	defer done()
	a.logBeside(ctx, s)
	how := o.how(list)
	// A db that lies in its data dir never has a trailer.
	how.Source, how.SkipHashCheck = source, o.skipHashCheck || source == s.db && s.dir
	r, err := datadir.Restore(ctx, how, a.bytesProgress("restore"))
	if err != nil {
		return err
	}
	if len(r.SameIDs) > 0 {
		fmt.Fprintf(a.err, "careful: %d members of the new cluster have the IDs of old ones: an old member that comes back can join and do harm; --new-token makes others\n", len(r.SameIDs))
	}
	return a.showRestored(restored{Restored: r, Token: o.token})
}

// how is what the flags say of the data dirs to write.
func (o *restoreOptions) how(list []datadir.RestoreMember) datadir.RestoreOptions {
	return datadir.RestoreOptions{
		SkipHashCheck: o.skipHashCheck, Members: list, InitialCluster: o.initialCluster, Token: o.token,
		BumpRevision: int64(o.bump), MarkCompacted: o.markCompacted, Compact: o.compact, Target: datadir.Target(o.target),
	}
}

// restoreBackup restores from the vault while it fetches.
func (a *app) restoreBackup(ctx context.Context, name string, o restoreOptions) error {
	list, err := o.members()
	if err != nil {
		return err
	}
	if name == "newest" {
		name = ""
	}
	return a.withVault(ctx, &o.vault, backup.Options{}, []string{"text", "json"}, func(ctx context.Context, v *backup.Vault, _ cluster.Config) error {
		c, err := a.candidate(ctx, v, name, getOptions{})
		if err != nil {
			return err
		}
		r, err := v.Restore(ctx, c, o.how(list), a.bytesProgress("restore"))
		if errors.Is(err, vault.ErrChunk) || errors.Is(err, seal.ErrKey) {
			return hintFetch(err)
		}
		if err != nil {
			return err
		}
		if err := a.tell("backup      %s, %s from %s in %s\n", r.Backup, size(c.Fetch), sources(r.Targets), took(r.Took)); err != nil {
			return err
		}
		return a.showRestored(restored{r.Restored, o.token, r.Backup})
	})
}

// existing is the nearest folder above a path that exists, or the path itself.
func existing(path string) string {
	for {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

func (a *app) showRestored(r restored) error {
	if a.output == "json" {
		return report.JSON(a.out, "SnapshotRestore", r)
	}
	var t sheet
	t.row("cluster ID", "%s", r.ClusterID)
	t.row("token", "%s", r.Token)
	t.row("revision", "%d, compacted at %d", r.Revision, r.CompactRevision)
	t.row("content", "%d live keys, %d revisions, %s", r.Keys, r.Records, size(r.Bytes))
	for _, m := range r.Members {
		t.row("member", "%s %s in %s", m.MemberID, m.Name, m.Dir)
	}
	return a.say("%s", t.String())
}
