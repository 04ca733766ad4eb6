package datadir_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	savesnap "go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
)

// TestChangedObjects: what a restore would undo is named, and what came and
// went is not counted. Each and Head read the same file.
func TestChangedObjects(t *testing.T) {
	root := t.TempDir()
	m := newMembers(t, root, 1)[0]
	start(t, m)
	ctx := t.Context()
	for _, k := range []string{"edited", "gone", "kept", "again"} {
		must(m.client.Put(ctx, k, "1"))(t)
	}
	since := must(m.client.Get(ctx, "kept"))(t).Header.Revision
	must(m.client.Put(ctx, "edited", "2"))(t)
	must(m.client.Delete(ctx, "gone"))(t)
	must(m.client.Put(ctx, "new\n", "1"))(t)
	must(m.client.Put(ctx, "passing", "1"))(t)
	must(m.client.Delete(ctx, "passing"))(t)
	must(m.client.Delete(ctx, "again"))(t)
	must(m.client.Put(ctx, "again", "2"))(t)
	path := filepath.Join(root, "s.db")
	must(savesnap.SaveWithVersion(ctx, zap.NewNop(), clientv3.Config{Endpoints: []string{m.cfg.ListenClientUrls[0].String()}, Logger: zap.NewNop()}, path))(t)
	live := liveContent(t, m.client)
	m.stop()

	got := must(datadir.ChangesSince(ctx, path, since))(t)
	want := cluster.Changes{Since: since, Revisions: live.Revision - since, Changed: 3, Deleted: 1, Objects: []cluster.ChangedObject{
		{Key: "again", Change: "changed"}, {Key: "edited", Change: "changed"}, {Key: "gone", Change: "deleted"}, {Key: `"new\n"`, Change: "created"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if db := must(datadir.Head(ctx, path))(t); db.Revision != live.Revision || len(db.Members) != 1 {
		t.Errorf("%+v", db)
	}
}

// TestChangesAreCountedAlike holds the reading of the last pages alone against a
// reading of everything, from every revision on.
func TestChangesAreCountedAlike(t *testing.T) {
	root := t.TempDir()
	m := newMembers(t, root, 1)[0]
	start(t, m)
	workload(t, m.client, 120)
	revision := must(m.client.Get(t.Context(), "leased"))(t).Header.Revision
	m.stop()
	db := dbOf(m.dir)
	list := func(at int64) map[string]int64 {
		out := map[string]int64{}
		if at == 0 {
			return out // nothing was there
		}
		err := datadir.Each(t.Context(), db, at, func(kv *mvccpb.KeyValue) error {
			out[string(kv.Key)] = kv.ModRevision
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	after := list(revision)
	for since := int64(0); since <= revision+1; since += 1 + since/9 {
		got := must(datadir.ChangesSince(t.Context(), db, since))(t)
		before := list(min(since, revision))
		want := cluster.Changes{Since: since, Revisions: max(0, revision-since)}
		for key, mod := range after {
			if before[key] != mod {
				want.Changed++
			}
		}
		for key := range before {
			if _, there := after[key]; !there {
				want.Deleted++
			}
		}
		if got.Objects = nil; !cmp.Equal(want, got) {
			t.Errorf("since %d: %s", since, cmp.Diff(want, got))
		}
	}
	last := must(datadir.ChangesSince(t.Context(), db, revision-3))(t)
	b := must(os.ReadFile(db))(t)
	size := int(binary.NativeEndian.Uint32(b[24:]))
	leaf := keyLeaf(t, b, size)
	clear(b[leaf : leaf+size])
	if err := os.WriteFile(db, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := must(datadir.ChangesSince(t.Context(), db, revision-3))(t); !cmp.Equal(last, got) {
		t.Errorf("beside damage that does not matter: %+v, want %+v", got, last)
	}
	if _, err := datadir.ChangesSince(t.Context(), db, 0); err == nil {
		t.Error("changes are counted across damage")
	}
}
