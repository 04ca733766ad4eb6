package datadir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/datadir"
	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// options are those of a restore of one member.
func options(source, dir string) datadir.RestoreOptions {
	return datadir.RestoreOptions{
		Source: source, Members: []datadir.RestoreMember{{Name: "n", Dir: dir, PeerURLs: []string{"http://127.0.0.1:1"}}},
		InitialCluster: "n=http://127.0.0.1:1", Token: "t1",
	}
}

// buckets reads a whole db with bbolt, after bbolt's own check of it.
func buckets(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	db := must(bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true}))(t)
	defer db.Close()
	all := map[string]map[string]string{}
	err := db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt finds in %s: %v", path, err)
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			m := map[string]string{}
			all[string(name)] = m
			return b.ForEach(func(k, v []byte) error { m[string(k)] = string(v); return nil })
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// restores writes the same snapshot in every way and compares with etcdutl and
// with the source.
func (c crashed) restores(t *testing.T) {
	root := t.TempDir()
	before := treeState(t, filepath.Dir(c.saved))
	for name, change := range map[string]func(o *datadir.RestoreOptions){
		"plain": func(*datadir.RestoreOptions) {},
		"bumped": func(o *datadir.RestoreOptions) {
			o.BumpRevision, o.MarkCompacted = 1000, true
		},
	} {
		o := options(c.saved, filepath.Join(root, name))
		change(&o)
		must(datadir.Restore(t.Context(), o, nil))(t)
		theirs := filepath.Join(root, name+".etcdutl")
		err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
			SnapshotPath: c.saved, Name: "n", OutputDataDir: theirs, PeerURLs: []string{"http://127.0.0.1:1"},
			InitialCluster: o.InitialCluster, InitialClusterToken: o.Token,
			RevisionBump: uint64(o.BumpRevision), MarkCompacted: o.MarkCompacted,
		})
		if err != nil {
			t.Fatal(err)
		}
		ours, want := buckets(t, dbOf(o.Members[0].Dir)), buckets(t, dbOf(theirs))
		delete(ours["meta"], "confState") // etcdutl leaves that of the old cluster
		delete(want["meta"], "confState")
		if diff := cmp.Diff(want, ours); diff != "" {
			t.Errorf("%s differs from etcdutl's: %s", name, diff)
		}
		if diff := cmp.Diff(entries(t, theirs), entries(t, o.Members[0].Dir)); diff != "" {
			t.Errorf("%s: the log differs from etcdutl's: %s", name, diff)
		}
	}
	c.compacted(t, root)
	if diff := cmp.Diff(before, treeState(t, filepath.Dir(c.saved))); diff != "" {
		t.Errorf("the source changed: %s", diff)
	}
}

// entries gives the segments of a log up to their zeros, and the .snap files.
func entries(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, pattern := range []string{"member/wal/*.wal", "member/snap/*.snap"} {
		for _, path := range must(filepath.Glob(filepath.Join(dir, pattern)))(t) {
			m[filepath.Base(path)] = fmt.Sprintf("%x", bytes.TrimRight(must(os.ReadFile(path))(t), "\x00"))
		}
	}
	return m
}

// compacted restores with compaction, for one member and for three.
func (c crashed) compacted(t *testing.T, root string) {
	t.Helper()
	o := options(c.saved, "")
	o.InitialCluster = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"
	o.Members = must(datadir.AllMembers(filepath.Join(root, "all"), o.InitialCluster))(t)
	o.Compact, o.BumpRevision, o.MarkCompacted, o.Target = true, 1000, true, datadir.Target35
	var last [2]int64
	r := must(datadir.Restore(t.Context(), o, func(done, total int64) { last = [2]int64{done, total} }))(t)
	if last[0] != last[1] || last[0] == 0 {
		t.Errorf("progress ends at %d of %d", last[0], last[1])
	}
	source := must(datadir.ContentOf(t.Context(), c.saved, 0))(t)
	var first []byte
	for _, m := range o.Members {
		b := must(os.ReadFile(dbOf(m.Dir)))(t)
		if first == nil {
			first = b
		}
		if !bytes.Equal(first, b) {
			t.Errorf("the db of %s differs", m.Name)
		}
		d := must(datadir.Inspect(t.Context(), m.Dir, ""))(t)
		if len(d.Damage) > 0 || d.DB.Value.Revision != source.Revision+1000 || len(d.DB.Value.Members) != 3 ||
			d.DB.Value.ClusterVersion != "3.5.0" || d.DB.Value.StorageVersion != "" || d.DB.Value.CompactRevision != source.Revision+1000 {
			t.Errorf("%s: %+v", m.Name, d)
		}
	}
	all := buckets(t, dbOf(o.Members[0].Dir))
	if len(all["key"]) != int(source.Keys) || int64(len(all["key"])) != r.Records {
		t.Errorf("%d records for %d live keys", len(all["key"]), source.Keys)
	}
	if meta := all["meta"]; meta["finishedCompactRev"] == "" || meta["finishedCompactRev"] != meta["scheduledCompactRev"] {
		t.Errorf("etcd would compact when it starts: scheduled %x, finished %x", meta["scheduledCompactRev"], meta["finishedCompactRev"])
	}
	if got := must(datadir.ContentOf(t.Context(), dbOf(o.Members[0].Dir), 0))(t); got.SHA256 != source.SHA256 {
		t.Errorf("content %+v, want %+v", got, source)
	}
	was := buckets(t, c.saved)
	for _, name := range []string{"lease", "auth", "authUsers", "authRoles"} {
		if diff := cmp.Diff(was[name], all[name]); diff != "" {
			t.Errorf("bucket %s: %s", name, diff)
		}
	}
}

// refused restores what must not be restored, and over what must not be
// touched.
func (c crashed) refused(t *testing.T) {
	root := t.TempDir()
	flipped, cut := filepath.Join(root, "flipped"), filepath.Join(root, "cut")
	copyFile(t, c.saved, flipped)
	edit(t, flipped, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	copyFile(t, c.saved, cut)
	edit(t, cut, func(b []byte) []byte { return b[:len(b)-32] })
	taken := filepath.Join(root, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(taken, "member", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := treeState(t, root)
	for _, x := range []struct {
		source, dir, why string
		change           func(o *datadir.RestoreOptions)
	}{
		{flipped, "new", "trailer", nil},
		{cut, "new", "trailer", nil},
		{c.saved, "taken", "set it aside", nil},
		{c.saved, "new", "need each other", func(o *datadir.RestoreOptions) { o.BumpRevision = 1 }},
		{c.saved, "new", "not in the initial cluster", func(o *datadir.RestoreOptions) { o.Members[0].Name = "x" }},
		{c.saved, "new", "no version to write for", func(o *datadir.RestoreOptions) { o.Target = "3.8" }},
		{c.saved, "new", "missing from --initial-advertise", func(o *datadir.RestoreOptions) {
			o.Members[0].PeerURLs = []string{"http://127.0.0.1:9"}
		}},
	} {
		o := options(x.source, filepath.Join(root, x.dir))
		if x.change != nil {
			x.change(&o)
		}
		for _, o.Compact = range []bool{false, true} {
			if _, err := datadir.Restore(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), x.why) {
				t.Errorf("%s: %v, want %q", x.source, err, x.why)
			}
		}
	}
	// Stopped at any chunk: nothing is left.
	for stop := range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		o, n := options(c.saved, filepath.Join(root, "new")), 0
		o.Compact = stop%2 == 0
		_, err := datadir.Restore(ctx, o, func(done, total int64) {
			if n++; n > stop/2 && done < total {
				cancel()
			}
		})
		cancel()
		if stop < 2 && !errors.Is(err, context.Canceled) {
			t.Errorf("stopped: %v", err)
		}
		if err == nil {
			if err := os.RemoveAll(filepath.Join(root, "new")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(before, treeState(t, root)); diff != "" {
		t.Errorf("a refused restore changed files: %s", diff)
	}
	o := options(cut, filepath.Join(root, "skipped"))
	o.SkipHashCheck = true
	must(datadir.Restore(t.Context(), o, nil))(t)
}
