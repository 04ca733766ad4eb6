package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/salvor-project/salvor/internal/pki"
)

// run is one wrecked cluster.
type run struct {
	c     *Cluster
	w     *Writer
	watch *Watcher
	after Aftermath
}

// wreck copies the template, starts it with a writer and a watcher and ruins
// it.
func wreck(t *testing.T, template *Template, name string) run {
	t.Helper()
	w, err := FindWreck(name)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c, err := template.Copy(filepath.Join(t.TempDir(), "demo"))
	if err != nil {
		t.Fatal(err)
	}
	copied := time.Now()
	t.Cleanup(func() {
		if err := errors.Join(c.KillAll(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	if w.Tune != nil {
		if err := w.Tune(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Start(soon(t)); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	r := run{c: c}
	if r.w, err = c.StartWriter(soon(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.w.Stop() })
	if r.watch, err = c.StartWatcher(soon(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.watch.Stop() })
	if err := r.w.WaitAcked(soon(t), 40); err != nil {
		t.Fatal(err)
	}
	if r.after, err = w.Do(soon(t), c, r.w); err != nil {
		t.Fatal(err)
	}
	t.Logf("copy %s, start %s, wreck %s", copied.Sub(began).Round(time.Millisecond), started.Sub(copied).Round(time.Millisecond), time.Since(started).Round(time.Millisecond))
	for _, n := range r.after.Notes {
		t.Log(n)
	}
	if r.after.Scenario != name || r.after.Acknowledged < 40 {
		t.Errorf("aftermath %+v", r.after)
	}
	return r
}

// compare pauses the writer and measures what is there against the ledger.
func (r run) compare(t *testing.T, members ...string) Result {
	t.Helper()
	if err := r.w.Pause(); err != nil {
		t.Fatal(err)
	}
	client, err := r.c.Client(members...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got, err := Compare(soon(t), client, r.c.LedgerPath())
	if err != nil {
		t.Fatal(err)
	}
	if s := r.w.Stats(); got.Acknowledged != s.Acked {
		t.Errorf("the ledger has %d acknowledgements, the writer counted %d", got.Acknowledged, s.Acked)
	}
	return got
}

func (r run) lostNothing(t *testing.T, members ...string) {
	t.Helper()
	if got := r.compare(t, members...); got.Lost != 0 || got.Mismatched != 0 || got.Acknowledged == 0 {
		t.Errorf("compared: %+v", got)
	}
}

func present(dir string) bool { _, err := os.Stat(dir); return err == nil }

// serves tells whether a linearizable read succeeds through a member.
func (r run) serves(t *testing.T, name string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return r.c.readyThrough(ctx, name) == nil
}

// TestWrecks makes every wreck on a copy of one template and checks that it is
// what it claims to be.
func TestWrecks(t *testing.T) {
	began := time.Now()
	template, err := NewTemplate(soon(t), filepath.Join(t.TempDir(), "template"), selfCommand(t), 800, 2500)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("template: %s, %+v", time.Since(began).Round(time.Millisecond), template.Filled)
	checks := map[string]func(*testing.T, run){
		"stopped": checkStopped, "member-lost": checkMemberLost, "majority-lost": checkMajorityLost, "power-cut": checkPowerCutFiles,
		"all-lost": checkAllLost, "no-space": checkNoSpace, "certs-expired": checkCertsExpired, "impostor": checkImpostorWreck,
	}
	for _, w := range Wrecks() {
		t.Run(w.Name, func(t *testing.T) { checks[w.Name](t, wreck(t, template, w.Name)) })
	}
	if _, err := FindWreck("fire"); err == nil {
		t.Error("found a wreck that does not exist")
	}
}

func checkStopped(t *testing.T, r run) {
	for _, name := range Names() {
		if pids, err := r.c.PIDs(name); err != nil || len(pids) > 0 {
			t.Errorf("%s still runs: %v %v", name, pids, err)
		}
	}
	r.watch.Mark()
	if err := r.c.Start(soon(t)); err != nil { // the right repair
		t.Fatal(err)
	}
	if err := r.w.WaitAcked(soon(t), 20); err != nil {
		t.Fatal(err)
	}
	r.lostNothing(t)
	if got := r.watch.Account(); got.Outcome != WatchContinued {
		t.Errorf("the watch: %+v", got)
	}
}

func checkMemberLost(t *testing.T, r run) {
	if present(r.c.DataDir("m3")) || !r.serves(t, "m1") {
		t.Error("m3's data dir is there, or m1 does not serve")
	}
	if s := r.w.Stats(); s.LongestPause > 2*election+500*time.Millisecond {
		t.Errorf("the writer stopped for %s", s.LongestPause)
	}
	r.lostNothing(t, "m1", "m2")
}

func checkMajorityLost(t *testing.T, r run) {
	if present(r.c.DataDir("m2")) || present(r.c.DataDir("m3")) || r.serves(t, "m1") {
		t.Error("a lost data dir is there, or m1 serves alone")
	}
	if pids, _ := r.c.PIDs("m1"); len(pids) != 1 {
		t.Errorf("m1 runs as %v", pids)
	}
	if err := r.c.Kill("m1"); err != nil {
		t.Fatal(err)
	}
	at, err := r.c.AtRest("m1")
	if err != nil || at.ConsistentIndex >= at.LastIndex {
		t.Errorf("m1's db is not behind its log: %+v, %v", at, err)
	}
	r.everyWriteInLog(t, "m1")
}

// everyWriteInLog proves that a wreck left the survivor all that it claims:
// each acknowledged write is an entry of its log.
func (r run) everyWriteInLog(t *testing.T, name string) {
	t.Helper()
	if err := r.w.Pause(); err != nil {
		t.Fatal(err)
	}
	log, err := wal.OpenForRead(zap.NewNop(), r.c.walDir(name), &walpb.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	_, _, entries, err := log.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]bool{}
	for _, e := range entries {
		var request pb.InternalRaftRequest
		if proto.Unmarshal(e.GetData(), &request) == nil {
			for _, op := range request.GetTxn().GetSuccess() {
				logged[digest(op.GetRequestPut().GetValue())] = true
			}
		}
	}
	record, err := ReadLedger(r.c.LedgerPath())
	if err != nil || record.Acknowledged == 0 {
		t.Fatalf("%d acknowledged, %v", record.Acknowledged, err)
	}
	for key, h := range record.keys {
		for _, s := range h.states {
			if s.acked && !logged[s.sha] {
				t.Errorf("%s lacks an acknowledged write of %s", name, key)
			}
		}
	}
}

func checkPowerCutFiles(t *testing.T, r run) {
	if len(r.after.Damaged) < 2 || r.after.Survivor != "m3" {
		t.Fatalf("aftermath %+v", r.after)
	}
	if _, err := r.c.AtRest("m1"); err == nil {
		t.Error("m1's log reads as if it were whole")
	}
	if _, err := r.c.AtRest("m3"); err != nil {
		t.Errorf("m3 is damaged: %v", err)
	}
	r.everyWriteInLog(t, "m3")
	for _, d := range r.after.Damaged {
		if info, err := os.Stat(d.File); err != nil || d.Offset <= 0 || d.Offset+int64(d.Bytes) > info.Size() {
			t.Errorf("damage %+v: %v", d, err)
		}
	}
}

func checkAllLost(t *testing.T, r run) {
	for _, name := range Names() {
		if present(r.c.DataDir(name)) {
			t.Errorf("%s still has its data dir", name)
		}
	}
	if r.after.Newer < 200 || int64(r.after.Newer) != r.after.Revision-r.after.SnapshotRevision {
		t.Errorf("%d acknowledged writes after the snapshot, revisions %d to %d", r.after.Newer, r.after.SnapshotRevision, r.after.Revision)
	}
	if at, err := dbAtRest(r.after.Snapshot); err != nil || at.Revision != r.after.SnapshotRevision {
		t.Errorf("the snapshot: %+v, %v", at, err)
	}
	restoreAll(t, r) // the right repair; its loss is exactly what was announced
	if err := r.w.WaitAcked(soon(t), 50); err != nil {
		t.Fatal(err)
	}
	if got := r.compare(t); got.Lost != r.after.Newer || got.Mismatched != 0 {
		t.Errorf("%d writes came after the snapshot, found %d lost, %d of them by the writer; %d mismatched", r.after.Newer, got.Lost, r.w.Stats().Lost, got.Mismatched)
	}
	for deadline := time.Now().Add(5 * time.Second); r.watch.Account().Outcome != WatchCompacted; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the old watch was not told: %+v", r.watch.Account())
		}
	}
}

// restoreAll is etcdutl's restore of every member, with the revision bumped
// and what is older marked as compacted.
func restoreAll(t *testing.T, r run) {
	t.Helper()
	for _, m := range r.c.Config().Members {
		err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
			SnapshotPath: r.after.Snapshot, Name: m.Name, OutputDataDir: m.DataDir, PeerURLs: m.PeerURLs,
			InitialCluster: r.c.initialCluster(), InitialClusterToken: "restored", RevisionBump: 1_000_000, MarkCompacted: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.c.Start(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func checkNoSpace(t *testing.T, r run) {
	client, err := r.c.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Put(soon(t), "/registry/x", "y"); err == nil {
		t.Error("a write succeeded")
	}
	if _, err := client.Get(soon(t), "/registry/x"); err != nil {
		t.Errorf("a read failed: %v", err)
	}
	freeSpace(t, r, client) // the right repair is possible
	if err := r.w.WaitAcked(soon(t), 20); err != nil {
		t.Fatal(err)
	}
	r.lostNothing(t)
}

func freeSpace(t *testing.T, r run, client *clientv3.Client) {
	t.Helper()
	at, err := client.Get(soon(t), namespaceKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(soon(t), at.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	for _, url := range client.Endpoints() {
		if _, err := client.Defragment(soon(t), url); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.AlarmDisarm(soon(t), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
}

func checkCertsExpired(t *testing.T, r run) {
	for _, m := range r.c.Config().Members {
		for _, path := range []string{m.Certificates.Server, m.Certificates.Peer} {
			got, err := pki.Read(path, "server")
			if err != nil || pki.Judge(got[0], time.Now(), 0) != pki.Expired {
				t.Errorf("%s: %+v, %v", path, got, err)
			}
		}
		got, err := pki.Served(soon(t), m.PeerURLs[0], "peer")
		if err != nil || pki.Judge(got, time.Now(), 0) != pki.Expired {
			t.Errorf("%s serves %+v, %v", m.PeerURLs[0], got, err)
		}
	}
}

func checkImpostorWreck(t *testing.T, r run) {
	before := r.w.Stats().Acked
	if err := r.w.WaitAcked(soon(t), 50); err != nil {
		t.Fatal(err)
	}
	s := r.w.Stats()
	if s.Refused == 0 {
		t.Errorf("the impostor was never asked among %d writes", s.Acked-before)
	}
	if s.Lost != 0 {
		t.Errorf("the writer took the impostor's emptiness for loss: %+v", s)
	}
	r.lostNothing(t, "m1", "m2")
	if got := r.compare(t, "m3"); got.Lost != got.Acknowledged {
		t.Errorf("the impostor has %d of %d acknowledged writes", got.Acknowledged-got.Lost, got.Acknowledged)
	}
}
