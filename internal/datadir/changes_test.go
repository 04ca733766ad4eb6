package datadir_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
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
