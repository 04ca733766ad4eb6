package etcd_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/etcd"
)

// TestLive asks three members, then the one that is left of them.
func TestLive(t *testing.T) {
	t.Parallel()
	all := run(t, 3)
	kv := plainClient(t, all[0].Member)
	for i := range 5 {
		if _, err := kv.Put(t.Context(), fmt.Sprintf("/registry/%d", i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	live := etcd.Live(within(t, 10*time.Second), all[1].Member, cluster.TLS{})
	v := live.Value
	if !live.OK || !v.Linearizable.Value || len(v.Members.Value) != 3 || !v.Alarms.OK || v.Revision != 6 {
		t.Fatalf("a healthy member: %+v", live)
	}
	if id := uint64(all[1].server.Server.MemberID()); uint64(v.MemberID) != id {
		t.Fatalf("member ID %s, want %x", v.MemberID, id)
	}
	all[0].stop()
	all[2].stop()
	start := time.Now()
	live = etcd.Live(within(t, 10*time.Second), all[1].Member, cluster.TLS{})
	if !live.OK || !live.Value.Linearizable.OK || live.Value.Linearizable.Value || len(live.Value.Members.Value) != 3 {
		t.Fatalf("a member without quorum: %+v", live)
	}
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("asking a member without quorum took %s", d)
	}
	start = time.Now()
	live = etcd.Live(within(t, 10*time.Second), all[0].Member, cluster.TLS{})
	if live.OK || !strings.Contains(live.Why, "connection refused") {
		t.Fatalf("a dead member: %+v", live)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("asking a dead member took %s", d)
	}
	// A snapshot can be had all the same.
	out := filepath.Join(t.TempDir(), "s.db")
	s, err := dial(t, all[1].Member).SaveSnapshot(within(t, 10*time.Second), out, nil)
	if err != nil || s.Bytes == 0 {
		t.Fatalf("snapshot without quorum: %+v, %v", s, err)
	}
}

// TestContent holds a running member against the file that it gives away.
func TestContent(t *testing.T) {
	m := run(t, 1)[0]
	kv := plainClient(t, m.Member)
	for i := range 1200 {
		if _, err := kv.Put(t.Context(), fmt.Sprintf("/registry/%d", i%1100), fmt.Sprint("value ", i)); err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, m.Member)
	out := filepath.Join(t.TempDir(), "s.db")
	var done, total int64
	saved, err := c.SaveSnapshot(t.Context(), out, func(d, n int64) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if done != saved.Bytes || total != saved.Bytes {
		t.Errorf("progress ended at %d of %d, the file has %d bytes", done, total, saved.Bytes)
	}
	live, err := c.Content(t.Context(), 1100)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := datadir.ContentOf(t.Context(), out, 1100)
	if err != nil {
		t.Fatal(err)
	}
	if live != rest || live.Keys != 1099 {
		t.Errorf("live %+v, at rest %+v", live, rest)
	}
	newest, err := c.Content(t.Context(), 0)
	if err != nil || newest.Revision != 1201 || newest.Keys != 1100 || newest.SHA256 == live.SHA256 {
		t.Errorf("newest content %+v, %v", newest, err)
	}
	if _, err := c.SaveSnapshot(t.Context(), out, nil); err == nil {
		t.Error("an existing file was overwritten")
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	b[5000]++
	bad := filepath.Join(t.TempDir(), "bad.db")
	if err := os.WriteFile(bad, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := etcd.CheckTrailer(t.Context(), bad); !errors.Is(err, etcd.ErrNoTrailer) {
		t.Errorf("a flipped byte: %v", err)
	}
}

// TestWatchAndCompact opens watches from before and after a compaction.
func TestWatchAndCompact(t *testing.T) {
	t.Parallel()
	m := run(t, 1)[0]
	kv := plainClient(t, m.Member)
	for i := range 10 {
		if _, err := kv.Put(t.Context(), "/a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, m.Member)
	ctx := within(t, 20*time.Second)
	if s, _, err := c.WatchFrom(ctx, 5); err != nil || s != etcd.WatchOpen {
		t.Fatalf("before: %s, %v", s, err)
	}
	if err := c.Readable(ctx, 5); err != nil {
		t.Fatal(err)
	}
	if err := c.Compact(ctx, 8); err != nil {
		t.Fatal(err)
	}
	if err := c.Compact(ctx, 8); !errors.Is(err, etcd.ErrCompacted) {
		t.Errorf("again: %v", err)
	}
	if s, at, err := c.WatchFrom(ctx, 5); err != nil || s != etcd.WatchCompacted || at != 8 {
		t.Errorf("below: %s at %d, %v", s, at, err)
	}
	for _, rev := range []int64{9, 11, 1000} {
		if s, _, err := c.WatchFrom(ctx, rev); err != nil || s != etcd.WatchOpen {
			t.Errorf("from %d: %s, %v", rev, s, err)
		}
	}
	if err := c.Readable(ctx, 5); !errors.Is(err, etcd.ErrCompacted) {
		t.Errorf("read below: %v", err)
	}
	if _, err := c.Content(ctx, 5); !errors.Is(err, etcd.ErrCompacted) {
		t.Errorf("content below: %v", err)
	}
	rev, err := c.PutSeen(ctx, "/salvor/canary/x", "tweet", time.Minute)
	if err != nil || rev != 12 {
		t.Errorf("canary at %d, %v", rev, err)
	}
	if v, ok, err := c.Read(ctx, "/salvor/canary/x"); v != "tweet" || !ok || err != nil {
		t.Errorf("read %q, %v, %v", v, ok, err)
	}
}

// TestAlarm fills a member beyond its quota.
func TestAlarm(t *testing.T) {
	m := run(t, 1)[0]
	kv := plainClient(t, m.Member)
	big := strings.Repeat("x", 1<<20)
	for i := 0; ; i++ {
		if _, err := kv.Put(t.Context(), "/fill", big); err != nil {
			break
		}
		if i > 40 {
			t.Fatal("the quota does not hold")
		}
	}
	c := dial(t, m.Member)
	s, err := c.Status(t.Context())
	if err != nil || len(s.Alarms.Value) != 1 || s.Alarms.Value[0] != (cluster.Alarm{MemberID: s.MemberID, Type: "NOSPACE"}) {
		t.Fatalf("alarms %+v, %v", s.Alarms, err)
	}
	if s.DBQuota != 16<<20 {
		t.Errorf("quota %d", s.DBQuota)
	}
	if err := c.Disarm(t.Context(), s.Alarms.Value[0]); err != nil {
		t.Fatal(err)
	}
	if s, err = c.Status(t.Context()); err != nil || len(s.Alarms.Value) != 0 {
		t.Errorf("after: %+v, %v", s.Alarms, err)
	}
	if err := c.Disarm(t.Context(), cluster.Alarm{Type: "TIRED"}); err == nil {
		t.Error("an alarm that etcd does not have was disarmed")
	}
}
