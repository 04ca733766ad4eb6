package versions_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/test/etcds"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func sprint(v any) string { return fmt.Sprint(v) }

// targets are the versions for which a version's data is restored: one server
// of each minor, older and newer, and of 3.5 each in its turn.
func targets(from string) []string {
	if testing.Short() {
		return []string{etcds.V3_7}
	}
	list := []string{etcds.V3_4, etcds.V3_5, etcds.V3_6, etcds.V3_7}
	switch from {
	case etcds.V3_5_4, etcds.V3_6:
		list[1] = etcds.V3_5_4
	case etcds.V3_5_21, etcds.V3_7:
		list[1] = etcds.V3_5_21
	}
	return list
}

// minor gives "3.5" of "3.5.21".
func minor(version string) string { return version[:strings.LastIndex(version, ".")] }

// bump is what a restore of every second pair adds to the revision, with
// everything compacted.
const bump = 1000

// restored writes three members for a target version from one pass, boots
// them, and holds them against the source.
func (s *source) restored(t *testing.T, version string, compacted bool) {
	etcds.Path(t, version)
	list := newServers(t, version, "restored-"+s.version, 3)
	o := datadir.RestoreOptions{Source: s.image, InitialCluster: list[0].initial, Token: list[0].token, Target: datadir.Target(minor(version))}
	for _, m := range list {
		o.Members = append(o.Members, datadir.RestoreMember{Name: m.name, Dir: m.dir})
	}
	want := s.content
	if compacted {
		o.BumpRevision, o.MarkCompacted, o.Compact = bump, true, true
		want.Revision += bump
	}
	r := must(datadir.Restore(t.Context(), o, nil))(t)
	if r.Revision != want.Revision || r.Keys != want.Keys {
		t.Errorf("%+v, want %+v", r, want)
	}
	start(t, list...)
	s.sameOn(t, list, want)
	if compacted {
		s.watchers(t, list[1])
	}
	s.writes(t, list, want.Revision)
}

// watchers: a watch from before is told to start anew.
func (s *source) watchers(t *testing.T, m *server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := <-m.api.Watch(ctx, "leased", clientv3.WithRev(s.content.Revision))
	if r.CompactRevision <= s.content.Revision {
		t.Errorf("a watch from revision %d is told %+v, %v", s.content.Revision, r, r.Err())
	}
}

// sameOn: every member holds the source's content and the same hash.
func (s *source) sameOn(t *testing.T, list []*server, want cluster.Content) {
	t.Helper()
	at := want.Revision
	if at > s.content.Revision {
		at = 0 // the newest, which is compacted: older etcds refuse to hash it by its number
	}
	var first cluster.HashKV
	for i, m := range list {
		if got := liveContent(t, m.api, want.Revision); got != want {
			t.Errorf("%s: %+v, source %+v", m.name, got, want)
		}
		h := m.hashKV(t, at)
		if i == 0 {
			first = h
		}
		if h != first {
			t.Errorf("%s: HashKV %+v, the first member's %+v", m.name, h, first)
		}
	}
	if list[0].version == s.version && want == s.content && first != s.hash {
		t.Errorf("HashKV %+v, the source's %+v", first, s.hash)
	}
}

// writes: writing, restarting and reading work, and the lease is alive.
func (s *source) writes(t *testing.T, list []*server, revision int64) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := must(list[0].api.Put(ctx, "after", "restore"))(t)
	if r.Header.Revision != revision+1 {
		t.Errorf("the first write has revision %d, it was restored at %d", r.Header.Revision, revision)
	}
	l := must(list[1].api.TimeToLive(ctx, s.lease, clientv3.WithAttachedKeys()))(t)
	if l.TTL <= 0 || len(l.Keys) != 1 || string(l.Keys[0]) != "leased" {
		t.Errorf("lease %+v", l)
	}
	list[2].stop(t)
	must(list[0].api.Put(ctx, "after", "restart"))(t)
	start(t, list[2])
	g := must(list[2].api.Get(ctx, "after"))(t)
	if len(g.Kvs) != 1 || string(g.Kvs[0].Value) != "restart" {
		t.Errorf("after the restart: %+v", g.Kvs)
	}
	if a := must(list[0].api.AlarmList(ctx))(t); len(a.Alarms) > 0 {
		t.Errorf("alarms %v", a.Alarms)
	}
}
