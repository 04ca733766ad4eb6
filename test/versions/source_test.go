package versions_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// source is a data dir that a real server left when it was killed, and what the
// server said of it before.
type source struct {
	*server
	content   cluster.Content
	hash      cluster.HashKV
	compacted int64
	lease     clientv3.LeaseID
	image     string
	report    datadir.Report
}

// fat is the size of the values that fill a WAL segment of 64 MB.
const fat = 1 << 20

// newSource fills a single server and kills it.
func newSource(t *testing.T, version string) *source {
	t.Helper()
	s := &source{server: newServers(t, version, "source", 1)[0]}
	start(t, s.server)
	s.fill(t)
	s.inUse(t)
	s.late(t)
	s.content = liveContent(t, s.api, 0)
	s.hash = s.hashKV(t, s.content.Revision)
	s.kill()
	s.image = filepath.Join(t.TempDir(), "image.db")
	s.report = must(datadir.Salvage(t.Context(), datadir.Source{DB: s.db(), WALDir: filepath.Join(s.dir, "member", "wal")}, s.image, nil))(t)
	return s
}

func (s *server) db() string { return filepath.Join(s.dir, "member", "snap", "db") }

// inUse: beside a running server nothing waits, and what needs a stopped one
// says so.
func (s *source) inUse(t *testing.T) {
	t.Helper()
	if d := must(datadir.Inspect(t.Context(), s.dir, ""))(t); !d.DB.OK || !d.Log.OK || len(d.Damage) > 0 {
		t.Errorf("beside a running etcd %s: %+v", s.version, d)
	}
	_, status := datadir.StatusOf(t.Context(), s.db())
	_, head := datadir.Head(t.Context(), s.db())
	each := datadir.Each(t.Context(), s.db(), 0, func(*mvccpb.KeyValue) error { return nil })
	for _, err := range []error{status, head, each} {
		if !errors.Is(err, datadir.ErrInUse) {
			t.Errorf("beside a running etcd %s: %v", s.version, err)
		}
	}
}

// fill writes everything that a log can hold, over more than one segment.
func (s *source) fill(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.api
	s.lease = must(c.Grant(ctx, 36000))(t).ID
	short := must(c.Grant(ctx, 36000))(t).ID
	must(c.Put(ctx, "leased", "kept", clientv3.WithLease(s.lease)))(t)
	must(c.Put(ctx, "revoked", "gone", clientv3.WithLease(short)))(t)
	pad := strings.Repeat("x", fat)
	for i := range 70 {
		must(c.Put(ctx, "fat", fmt.Sprintf("%d %s", i, pad)))(t)
	}
	small(ctx, t, c, 0)
	must(c.Revoke(ctx, short))(t)
	now := must(c.Get(ctx, "x"))(t).Header.Revision
	s.compacted = now - 40
	must(c.Compact(ctx, s.compacted, clientv3.WithCompactPhysical()))(t)
	small(ctx, t, c, 100)
}

// late writes what is in the log but not yet in the db when the server is
// killed: it flushes its db every 100 ms.
func (s *source) late(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.asked(t)
	small(ctx, t, s.api, 200)
	s.asked(t)
}

// small writes a hundred small keys, with deletes and transactions.
func small(ctx context.Context, t *testing.T, c *clientv3.Client, from int) {
	t.Helper()
	for i := from; i < from+100; i++ {
		key := fmt.Sprintf("/registry/pods/default/p%03d", i%60)
		must(c.Put(ctx, key, fmt.Sprintf("%d %s", i, strings.Repeat("y", i))))(t)
		switch i % 10 {
		case 3:
			must(c.Delete(ctx, key))(t)
		case 5:
			must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version(key), "=", 0)).
				Then(clientv3.OpPut("never", "written")).Else(clientv3.OpGet(key)).Commit())(t)
		case 7:
			must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version("never"), "=", 0)).
				Then(clientv3.OpPut("a/"+key, "1"), clientv3.OpPut("b/"+key, "2"), clientv3.OpDelete(fmt.Sprintf("a//registry/pods/default/p%03d", (i+50)%60))).Commit())(t)
		case 9:
			must(c.Delete(ctx, "b/", clientv3.WithPrefix()))(t)
		}
	}
}
