package datadir_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir/content"
	"github.com/salvor-project/salvor/test/ports"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) {
	wal.SegmentSizeBytes = 128 << 10 // several segments with little data
	os.Exit(m.Run())
}

// member is a running embedded etcd.
type member struct {
	name, dir, peer string
	cfg             *embed.Config
	etcd            *embed.Etcd
	client          *clientv3.Client
}

// newMembers prepares n members on free loopback ports. Their db is flushed
// only when asked for, so that it lags behind the log as after a crash.
func newMembers(t *testing.T, root string, n int) []*member {
	t.Helper()
	var ms []*member
	var initial []string
	for i := range n {
		m := &member{name: fmt.Sprintf("m%d", i+1), peer: freeURL(t)}
		m.dir = filepath.Join(root, m.name)
		ms = append(ms, m)
		initial = append(initial, m.name+"="+m.peer)
	}
	for _, m := range ms {
		m.cfg = m.config(t, strings.Join(initial, ","))
		m.cfg.BackendBatchInterval = time.Hour
		m.cfg.BackendBatchLimit = 1 << 20
	}
	return ms
}

func (m *member) config(t *testing.T, initial string) *embed.Config {
	t.Helper()
	cfg := embed.NewConfig()
	client := mustURL(t, freeURL(t))
	peer := mustURL(t, m.peer)
	cfg.Name, cfg.Dir, cfg.InitialCluster = m.name, m.dir, initial
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.UnsafeNoFsync = true
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	return cfg
}

// start starts members together and connects to each.
func start(t *testing.T, ms ...*member) {
	t.Helper()
	for _, m := range ms {
		e, err := embed.StartEtcd(m.cfg)
		if err != nil {
			t.Fatal(err)
		}
		m.etcd = e
		t.Cleanup(m.stop)
	}
	for _, m := range ms {
		select {
		case <-m.etcd.Server.ReadyNotify():
		case <-time.After(30 * time.Second):
			t.Fatalf("%s does not become ready", m.name)
		}
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{m.cfg.ListenClientUrls[0].String()}, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		m.client = c
		t.Cleanup(func() { c.Close() })
	}
}

// settle waits until a member has written its storage version: the last time
// that it flushes its db of its own accord.
func settle(t *testing.T, m *member) {
	t.Helper()
	for range 1000 {
		s := must(m.client.Status(t.Context(), m.cfg.ListenClientUrls[0].String()))(t)
		if s.StorageVersion != "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s writes no storage version", m.name)
}

// stop stops a member in order, once.
func (m *member) stop() {
	if m.etcd != nil {
		m.etcd.Close()
		m.etcd = nil
	}
}

func freeURL(t *testing.T) string {
	t.Helper()
	return "http://127.0.0.1:" + strconv.Itoa(ports.Free(t))
}

func mustURL(t *testing.T, s string) url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return *u
}

// must gives v or ends the test.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// liveContent computes the fingerprint over the API, page by page.
func liveContent(t *testing.T, c *clientv3.Client) cluster.Content {
	t.Helper()
	h := content.NewHasher()
	key, revision := "\x00", int64(0)
	for {
		r := must(c.Get(t.Context(), key, clientv3.WithFromKey(), clientv3.WithLimit(50), clientv3.WithRev(revision)))(t)
		revision = r.Header.Revision
		for _, kv := range r.Kvs {
			if err := h.Add(kv); err != nil {
				t.Fatal(err)
			}
			key = string(kv.Key) + "\x00"
		}
		if !r.More {
			return h.Sum(revision)
		}
	}
}

// copyTree copies files as a crash would leave them.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// treeState describes every file below the folders: digest and time.
func treeState(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			state[path] = fmt.Sprintf("%x %d %s", sha256.Sum256(b), info.Size(), info.ModTime())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return state
}

// edit changes a file's bytes.
func edit(t *testing.T, path string, change func(b []byte) []byte) {
	t.Helper()
	b := must(os.ReadFile(path))(t)
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src := must(os.Open(from))(t)
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	dst := must(os.Create(to))(t)
	_, err := io.Copy(dst, src)
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// workload writes everything that a log can hold, and returns the lease that
// guards the key "leased".
func workload(t *testing.T, c *clientv3.Client, rounds int) clientv3.LeaseID {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	pad := strings.Repeat("x", 900)
	lease := must(c.Grant(ctx, 3600))(t).ID
	short := must(c.Grant(ctx, 3600))(t).ID
	user := fmt.Sprintf("user%d", rounds)
	must(c.RoleAdd(ctx, user))(t)
	must(c.RoleGrantPermission(ctx, user, "a", "b", clientv3.PermissionType(clientv3.PermReadWrite)))(t)
	must(c.UserAddWithOptions(ctx, user, "", &clientv3.UserAddOptions{NoPassword: true}))(t)
	must(c.UserGrantRole(ctx, user, user))(t)
	must(c.Put(ctx, "leased", "kept", clientv3.WithLease(lease)))(t)
	must(c.Put(ctx, "revoked", "gone", clientv3.WithLease(short)))(t)
	for i := range rounds {
		key := fmt.Sprintf("/registry/pods/default/p%03d", i%97)
		must(c.Put(ctx, key, fmt.Sprintf("%d %s", i, pad)))(t)
		if i == rounds/15 {
			must(c.Revoke(ctx, short))(t) // flushes the db; what follows is in the log only
		}
		switch i % 10 {
		case 3:
			must(c.Delete(ctx, key))(t)
		case 5:
			must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version(key), "=", 0)).
				Then(clientv3.OpPut("never", "written")).
				Else(clientv3.OpGet(key)).Commit())(t)
		case 7:
			must(c.Txn(ctx).If(clientv3.Compare(clientv3.Version("never"), "=", 0)).
				Then(clientv3.OpPut("a/"+key, "1"), clientv3.OpPut("b/"+key, "2"), clientv3.OpDelete(fmt.Sprintf("a//registry/pods/default/p%03d", (i+87)%97))).Commit())(t)
		}
	}
	return lease
}
