package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/report"
)

// inspection is the result of snapshot inspect: of a data dir or of a file.
type inspection struct {
	Path     string                 `json:"path"`
	DataDir  *cluster.DataDir       `json:"dataDir,omitempty"`
	Snapshot *cluster.SnapshotFacts `json:"snapshot,omitempty"`
	// OpenedBy says which etcd minors can open the data.
	OpenedBy string `json:"openedBy,omitempty"`
	// Verified tells that every page and record was read, and a file's digest.
	Verified bool `json:"verified"`
	// Content is there with --content only.
	Content *inventory `json:"content,omitempty"`
}

// inventory counts live keys.
type inventory struct {
	Keys       int64   `json:"keys"`
	LiveBytes  int64   `json:"liveBytes"`
	Leased     int64   `json:"leased"`
	Unreadable int64   `json:"unreadable"`
	Resources  []share `json:"resources"`
	// Fattest are the ten prefixes (resource and namespace) with most bytes.
	Fattest []share `json:"fattest"`
}

// share is what one resource or prefix has of the content.
type share struct {
	Prefix string `json:"prefix"`
	Keys   int64  `json:"keys"`
	Bytes  int64  `json:"bytes"`
	// NewestRevision is the highest modification revision below the prefix.
	NewestRevision int64 `json:"newestRevision"`
}

func (a *app) snapshotInspectCommand() *cobra.Command {
	var wal string
	var content, full bool
	c := &cobra.Command{
		Use:   "inspect PATH",
		Short: "Tell what a snapshot, a db file or a data dir holds, and what is wrong with it",
		Long: `Inspect tells identity, members, versions, revisions, how far log and db reach,
alarms, sizes, and every damage with file and offset. It exits with 3 when
something is damaged. Of a db above 256 MiB only what tells this is read, in well
under a second; --full reads and verifies every page and record.

Example:
  salvor snapshot inspect /var/lib/etcd --content

` + exitCodes,
		Args: args(cobra.ExactArgs(1)),
	}
	addWALDir(c, &wal)
	c.Flags().BoolVar(&full, "full", false, "read and verify every page and record, also of a large db")
	c.Flags().BoolVar(&content, "content", false, "also count keys and bytes by resource, and the ten fattest prefixes")
	c.RunE = func(c *cobra.Command, list []string) error {
		if err := a.formats("text", "json"); err != nil {
			return err
		}
		s, err := newSubject(list[0], wal)
		if err != nil {
			return err
		}
		i, damage, err := inspectSubject(c.Context(), s, full)
		if err != nil {
			return err
		}
		if content {
			if i.Content, err = takeInventory(c.Context(), s.db); err != nil {
				fmt.Fprintf(a.err, "the content cannot be counted: %v\n", err)
			}
		}
		if err := a.showInspection(i, damage); err != nil {
			return err
		}
		if len(damage) > 0 || unusable(i) {
			return errFindings
		}
		return nil
	}
	return c
}

// glanceFrom is the size of a db from which on only --full reads all of it.
const glanceFrom = 256 << 20

func inspectSubject(ctx context.Context, s subject, full bool) (inspection, []cluster.Damage, error) {
	if info, err := os.Stat(s.db); err != nil || info.Size() < glanceFrom {
		full = true
	}
	i := inspection{Path: s.path, Verified: full}
	if s.dir {
		look := datadir.Glance
		if full {
			look = datadir.Inspect
		}
		d, err := look(ctx, s.path, s.wal)
		i.DataDir, i.OpenedBy = &d, openedBy(d.DB)
		return i, d.Damage, err
	}
	look := datadir.GlanceSnapshot
	if full {
		look = datadir.InspectSnapshot
	}
	f, err := look(ctx, s.path)
	i.Snapshot, i.OpenedBy = &f, openedBy(f.DB)
	return i, f.Damage, err
}

// unusable tells whether what was inspected holds no db that can be read, or a
// file that is not what was saved.
func unusable(i inspection) bool {
	return !readable(i) || (i.Snapshot != nil && i.Snapshot.Trailer == cluster.TrailerWrong)
}

func readable(i inspection) bool {
	if i.DataDir != nil {
		return i.DataDir.DB.OK
	}
	return i.Snapshot.DB.OK
}

// openedBy says which etcd minors open a db: a server refuses a cluster or
// storage version above its own (server/etcdserver/version/downgrade.go,
// MustDetectDowngrade; server/storage/schema/schema.go, Validate).
func openedBy(db cluster.Known[cluster.DB]) string {
	if !db.OK {
		return ""
	}
	newest := minor(db.Value.ClusterVersion)
	if s := minor(db.Value.StorageVersion); s > newest {
		newest = s
	}
	if newest == 0 {
		return ""
	}
	return fmt.Sprintf("etcd 3.%d, or the next minors one after the other; older ones only after restore --target-version", newest)
}

// minor reads the second number of "3.6.0" or "3.6"; 0 when there is none.
func minor(version string) int {
	var major, m int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &m); err != nil || major != 3 {
		return 0
	}
	return m
}

// takeInventory counts what lives in a db.
func takeInventory(ctx context.Context, db string) (*inventory, error) {
	v := &inventory{}
	resources, prefixes := map[string]*share{}, map[string]*share{}
	add := func(m map[string]*share, prefix string, kv *mvccpb.KeyValue) {
		s := m[prefix]
		if s == nil {
			s = &share{Prefix: prefix}
			m[prefix] = s
		}
		s.Keys++
		s.Bytes += int64(len(kv.Key) + len(kv.Value))
		s.NewestRevision = max(s.NewestRevision, kv.ModRevision)
	}
	err := datadir.Each(ctx, db, 0, func(kv *mvccpb.KeyValue) error {
		v.Keys++
		v.LiveBytes += int64(len(kv.Key) + len(kv.Value))
		if kv.Lease != 0 {
			v.Leased++
		}
		if _, err := kube.Decode(string(kv.Key), kv.Value); err != nil {
			v.Unreadable++
		}
		resource, prefix := "(other)", "(other)"
		if p, ok := kube.Split(string(kv.Key)); ok {
			resource, prefix = p.Resource, kube.Root+p.Resource+"/"
			if p.Namespace != "" {
				prefix += p.Namespace + "/"
			}
		}
		add(resources, resource, kv)
		add(prefixes, prefix, kv)
		return nil
	})
	v.Resources, v.Fattest = sorted(resources), sorted(prefixes)
	v.Fattest = v.Fattest[:min(10, len(v.Fattest))]
	return v, err
}

// sorted gives shares, fattest first.
func sorted(m map[string]*share) []share {
	out := []share{}
	for _, s := range m {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b share) int {
		if a.Bytes != b.Bytes {
			return int(min(max(b.Bytes-a.Bytes, -1), 1))
		}
		return strings.Compare(a.Prefix, b.Prefix)
	})
	return out
}

func (a *app) showInspection(i inspection, damage []cluster.Damage) error {
	if a.output == "json" {
		return report.JSON(a.out, "SnapshotInspection", i)
	}
	var s sheet
	s.row("path", "%s", i.Path)
	switch {
	case i.DataDir != nil:
		s.dataDir(*i.DataDir)
	default:
		s.row("size", "%s", size(i.Snapshot.Size))
		s.row("sha256", "%s", orUnread(i.Snapshot.SHA256))
		s.row("trailer", "%s", trailerText(i.Snapshot.Trailer))
		s.db(i.Snapshot.DB)
		if i.Verified {
			s.row("live keys", "%d", i.Snapshot.Keys)
		}
		s.row("modified", "%s", i.Snapshot.Modified.UTC().Format(time.RFC3339))
	}
	if i.OpenedBy != "" {
		s.row("opened by", "%s", i.OpenedBy)
	}
	s.damage(damage)
	if !i.Verified {
		s.row("verified", "no: --full reads every page and record")
	}
	s.inventory(i.Content)
	return a.say("%s", s.String())
}

func trailerText(t cluster.Trailer) string {
	switch t {
	case cluster.TrailerGood:
		return "good: the file is what the server sent"
	case cluster.TrailerUnread:
		return "not read: --full does"
	case cluster.TrailerWrong:
		return "WRONG: the file is not what the server sent"
	}
	return "missing: nothing proves that the file is whole (a db file has none)"
}

func orUnread(sum string) string {
	if sum == "" {
		return "not computed: --full does"
	}
	return sum
}
