package datadir_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/datadir"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// served restores in every way and asks a real etcd what it makes of it.
func (c crashed) served(t *testing.T) {
	for _, compact := range []bool{false, true} {
		for _, bump := range []int64{0, 1000} {
			t.Run(fmt.Sprintf("compact %v, bump %d", compact, bump), func(t *testing.T) { c.serve(t, compact, bump) })
		}
	}
}

func (c crashed) serve(t *testing.T, compact bool, bump int64) {
	m := newMembers(t, t.TempDir(), 1)[0]
	m.cfg = m.config(t, m.cfg.InitialCluster)
	r := must(datadir.Restore(t.Context(), datadir.RestoreOptions{
		Source: c.saved, Members: []datadir.RestoreMember{{Name: m.name, Dir: m.dir}}, InitialCluster: m.cfg.InitialCluster,
		Token: t.Name(), BumpRevision: bump, MarkCompacted: bump > 0, Compact: compact, Target: datadir.Target37,
	}, nil))(t)
	source := must(datadir.HashKVOf(t.Context(), c.saved, 0))(t)
	want := must(datadir.HashKVOf(t.Context(), dbOf(m.dir), 0))(t)
	if bump == 0 && !compact && want.Hash != source.Hash {
		t.Errorf("the hash %+v is not the source's, %+v", want, source)
	}
	start(t, m)
	endpoint := m.cfg.ListenClientUrls[0].String()
	h := must(m.client.HashKV(t.Context(), endpoint, r.Revision))(t)
	if h.Hash != want.Hash || h.Header.Revision != r.Revision || h.CompactRevision != want.CompactRevision || want.CompactRevision != r.CompactRevision {
		t.Errorf("etcd hashes %08x (compacted %d, revision %d); offline %+v, restored %+v", h.Hash, h.CompactRevision, h.Header.Revision, want, r)
	}
	if got := liveContent(t, m.client); got.SHA256 != c.live.SHA256 || got.Revision != c.live.Revision+bump {
		t.Errorf("content %+v, want %+v", got, c.live)
	}
	if compact || bump > 0 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		// A watch at the compacted revision itself is allowed; below it is not.
		if w := <-m.client.Watch(ctx, "leased", clientv3.WithRev(c.live.Revision-1)); !errors.Is(w.Err(), rpctypes.ErrCompacted) {
			t.Errorf("a watch from before: %v", w.Err())
		}
	}
	rewrite(t, m, r.Revision)
}

// rewrite writes, compacts, defragments, restarts and reads.
func rewrite(t *testing.T, m *member, revision int64) {
	t.Helper()
	for i := range 300 {
		must(m.client.Put(t.Context(), fmt.Sprintf("/registry/pods/default/p%03d", i%97), "new"))(t)
	}
	must(m.client.Compact(t.Context(), revision+250, clientv3.WithCompactPhysical()))(t)
	must(m.client.Defragment(t.Context(), m.cfg.ListenClientUrls[0].String()))(t)
	before := liveContent(t, m.client)
	m.stop()
	if r := check(t, m.dir, datadir.L2); !r.Passed {
		t.Errorf("after etcd's own work: %+v", r.Rungs)
	}
	buckets(t, dbOf(m.dir))
	start(t, m)
	for range 500 {
		if got := liveContent(t, m.client); got == before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the content changed over a restart")
}

// repeated refuses to restore over a finished restore.
func (c crashed) repeated(t *testing.T) {
	root := t.TempDir()
	o := options(c.saved, "")
	o.InitialCluster = "a=http://127.0.0.1:1,b=http://127.0.0.1:2"
	o.Members = must(datadir.AllMembers(filepath.Join(root, "all"), o.InitialCluster))(t)
	o.Members[1].WALDir = filepath.Join(root, "log")
	must(datadir.Restore(t.Context(), o, nil))(t)
	want := treeState(t, root)
	if _, err := datadir.Restore(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "set it aside") {
		t.Errorf("a finished restore was repeated over its result: %v", err)
	}
	if diff := cmp.Diff(want, treeState(t, root)); diff != "" {
		t.Errorf("a refused restore changed files: %s", diff)
	}
}
