package datadir_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/pkg/v3/featuregate"
)

// build writes one member and repeats it in every state that an interruption
// can leave.
func (c crashed) build(t *testing.T) {
	root := t.TempDir()
	b := datadir.Build{
		Image: c.saved, Dir: filepath.Join(root, "etcd"), WALDir: filepath.Join(root, "log"), Name: "n",
		PeerURLs: []string{"http://127.0.0.1:1"}, InitialCluster: "n=http://127.0.0.1:1", Token: "t1",
		BumpRevision: 1000, MarkCompacted: true,
	}
	if err := os.MkdirAll(b.Dir+".salvor.part/member/snap", 0o700); err != nil {
		t.Fatal(err)
	}
	built := must(datadir.BuildMember(t.Context(), b, nil))(t)
	if built.Revision != c.live.Revision+1000 {
		t.Errorf("revision %d", built.Revision)
	}
	before := treeState(t, root)
	again := must(datadir.BuildMember(t.Context(), b, nil))(t)
	if diff := cmp.Diff(built, again) + cmp.Diff(before, treeState(t, root)); diff != "" {
		t.Errorf("repeated: %s", diff)
	}
	// A crash between the two renames.
	if err := os.Rename(b.Dir, b.Dir+".salvor.part"); err != nil {
		t.Fatal(err)
	}
	again = must(datadir.BuildMember(t.Context(), b, nil))(t)
	if diff := cmp.Diff(built, again) + cmp.Diff(before, treeState(t, root)); diff != "" {
		t.Errorf("after a crash between the renames: %s", diff)
	}
	other := b
	other.Token = "t2"
	if _, err := datadir.BuildMember(t.Context(), other, nil); err == nil || !strings.Contains(err.Error(), "set it aside") {
		t.Errorf("over another data dir: %v", err)
	}
	if diff := cmp.Diff(before, treeState(t, root)); diff != "" {
		t.Errorf("a refused build changed files: %s", diff)
	}
	other = b
	other.Dir, other.WALDir, other.Image = filepath.Join(root, "x"), "", filepath.Join(root, "flipped.db")
	copyFile(t, c.saved, other.Image)
	edit(t, other.Image, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	if _, err := datadir.BuildMember(t.Context(), other, nil); err == nil || !strings.Contains(err.Error(), "trailer") {
		t.Errorf("from a flipped image: %v", err)
	}
	// A folder that exists and is empty, as a mount point is.
	other.Image = c.saved
	if err := os.MkdirAll(filepath.Join(other.Dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	must(datadir.BuildMember(t.Context(), other, nil))(t)
	if d := must(datadir.Inspect(t.Context(), other.Dir, ""))(t); len(d.Damage) > 0 || d.State != cluster.DirData {
		t.Errorf("in an empty folder: %+v", d)
	}
	must(datadir.BuildMember(t.Context(), other, nil))(t)
}

// TestThreeMembers loses two members of three and more, and brings a cluster of
// three back from the db of one and the log of another.
func TestThreeMembers(t *testing.T) {
	root := t.TempDir()
	old := newMembers(t, root, 3)
	start(t, old...)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	workload(t, old[0].client, 40)
	rev := must(old[1].client.Get(ctx, "leased"))(t).Header.Revision
	must(old[1].client.Compact(ctx, rev-20, clientv3.WithCompactPhysical()))(t)
	for _, m := range old {
		settle(t, m)
	}
	lease := workload(t, old[0].client, 100)
	// Alarms belong to the old members and must not come back.
	must(old[0].etcd.Server.Alarm(ctx, &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_ACTIVATE, Alarm: etcdserverpb.AlarmType_NOSPACE,
		MemberID: uint64(old[0].etcd.Server.MemberID()),
	}))(t)
	if _, err := old[0].client.Put(ctx, "x", "y"); !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Errorf("under the alarm: %v", err)
	}
	live := liveContent(t, old[0].client)
	clusterID := must(old[0].client.MemberList(ctx))(t).Header.ClusterId
	copies := map[string]string{}
	for _, m := range old {
		waitFor(t, m.client, live.Revision)
		copies[m.name] = filepath.Join(root, "copy", m.name)
		copyTree(t, m.dir, copies[m.name])
		m.stop()
	}

	image := filepath.Join(root, "image.db")
	r := must(datadir.Salvage(ctx, datadir.Source{DB: dbOf(copies["m1"]), WALDir: walOf(copies["m3"])}, image, nil))(t)
	if r.Content != live || r.Applied == 0 {
		t.Fatalf("content %+v of %d entries, want %+v", r.Content, r.Applied, live)
	}

	if s := must(datadir.InspectSnapshot(ctx, image))(t); len(s.DB.Value.Alarms) != 1 || s.DB.Value.Alarms[0].Type != "NOSPACE" {
		t.Errorf("the image is to know the alarm: %+v", s.DB.Value.Alarms)
	}

	fresh := newMembers(t, filepath.Join(root, "new"), 3)
	initial := fresh[0].cfg.InitialCluster
	for _, m := range fresh {
		m.cfg = m.config(t, initial)
		m.cfg.InitialClusterToken, m.cfg.ClusterState = "fresh", "existing"
		// Each member asks the others for their hash before it serves.
		if err := m.cfg.ServerFeatureGate.(featuregate.MutableFeatureGate).Set("InitialCorruptCheck=true"); err != nil {
			t.Fatal(err)
		}
		built := must(datadir.BuildMember(ctx, datadir.Build{
			Image: image, Dir: m.dir, Name: m.name, PeerURLs: []string{m.peer}, InitialCluster: initial,
			Token: "fresh", BumpRevision: 1_000_000, MarkCompacted: true,
		}, nil))(t)
		id, memberID, err := datadir.Identity(m.name, initial, "fresh")
		if err != nil || id != built.ClusterID || memberID != built.MemberID || uint64(id) == clusterID {
			t.Errorf("identity %s %s %v, built %+v", id, memberID, err, built)
		}
	}
	start(t, fresh...)
	checkRebuilt(ctx, t, fresh, live, lease)
	inspectUnderLoad(ctx, t, fresh[0])
}

// inspectUnderLoad reads a member's files again and again while it commits.
func inspectUnderLoad(ctx context.Context, t *testing.T, m *member) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	written := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			if _, err := m.client.Put(ctx, fmt.Sprintf("load/%d", n%50), strings.Repeat("y", 2000)); err == nil {
				n++
			}
		}
		written <- n
	}()
	seen := map[int64]bool{}
	// A busy machine takes longer to commit three times.
	for start := time.Now(); time.Since(start) < time.Second || len(seen) < 3 && time.Since(start) < 30*time.Second; time.Sleep(10 * time.Millisecond) {
		d := must(datadir.Inspect(t.Context(), m.dir, ""))(t)
		if !d.DB.OK || !d.Log.OK || len(d.Damage) > 0 || len(d.DB.Value.Members) != 3 {
			t.Errorf("under load: %+v", d)
		}
		seen[d.DB.Value.Revision] = true
	}
	cancel()
	if n := <-written; n < 10 || len(seen) < 3 {
		t.Errorf("%d writes and %d revisions seen: the test proves nothing", n, len(seen))
	}
}

func checkRebuilt(ctx context.Context, t *testing.T, fresh []*member, live cluster.Content, lease clientv3.LeaseID) {
	t.Helper()
	must(fresh[0].client.Put(ctx, "canary", "sings"))(t)
	must(fresh[0].client.Delete(ctx, "canary"))(t)
	bumped := live.Revision + 1_000_000
	hashes := map[string]bool{}
	for _, m := range fresh {
		waitFor(t, m.client, bumped+2)
		c := liveContent(t, m.client)
		if c.SHA256 != live.SHA256 || c.Keys != live.Keys || c.Revision != bumped+2 {
			t.Errorf("%s: %+v, want %+v", m.name, c, live)
		}
		h := must(m.client.HashKV(ctx, m.cfg.ListenClientUrls[0].String(), bumped+2))(t)
		hashes[fmt.Sprint(h.Hash, h.HashRevision)] = true
		if list := must(m.client.MemberList(ctx))(t).Members; len(list) != 3 {
			t.Errorf("%s lists %d members", m.name, len(list))
		}
	}
	if len(hashes) != 1 {
		t.Errorf("HashKV differs: %v", hashes)
	}
	ttl := must(fresh[1].client.TimeToLive(ctx, lease, clientv3.WithAttachedKeys()))(t)
	if ttl.TTL <= 0 || len(ttl.Keys) != 1 {
		t.Errorf("the lease came back as %+v", ttl)
	}
	w := <-fresh[2].client.Watch(ctx, "leased", clientv3.WithRev(live.Revision))
	if !errors.Is(w.Err(), rpctypes.ErrCompacted) {
		t.Errorf("a watch from before: %v", w.Err())
	}
}

// waitFor waits until a member has applied a revision.
func waitFor(t *testing.T, c *clientv3.Client, revision int64) {
	t.Helper()
	for range 500 {
		if must(c.Get(t.Context(), "x", clientv3.WithSerializable()))(t).Header.Revision >= revision {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("revision %d is not reached", revision)
}
