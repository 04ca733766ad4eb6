package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/datadir"
)

// TestVaultWithoutQuorum backs up with one member of three, and then with
// none.
func TestVaultWithoutQuorum(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	names := k.cluster.Config().Members
	check(t, k.cluster.Kill(names[0].Name))
	check(t, k.cluster.Kill(names[1].Name))
	first := k.source(k.backUp(codeOK))
	if !strings.Contains(first.Source, "without a quorum") || first.Salvaged {
		t.Errorf("one of three: %+v", first)
	}
	// An agent gets no turn without a quorum, and goes on.
	k.must(codeOK, "agent", "--once").says(t, "without a quorum", "is made")
	check(t, k.cluster.KillAll())
	id := k.backUp(codeOK)
	if l := k.source(id); !l.Salvaged || !strings.HasPrefix(l.Source, "salvaged from the data dir of") || l.Revision < first.Revision {
		t.Errorf("none of three: %+v", l)
	}
	k.must(codeOK, "vault", "prove", id)
	for _, m := range names {
		check(t, os.RemoveAll(m.DataDir))
	}
	k.must(codeError, "backup").says(t, "no member answers, and no data dir can be salvaged")
}

// TestVaultSalvagesFromTwoMembers backs up with every member down: one has only
// its log, one only a db that lags behind, the third nothing.
func TestVaultSalvagesFromTwoMembers(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	m := k.cluster.Config().Members
	check(t, k.cluster.Kill(m[1].Name))
	client, err := k.cluster.Client(m[0].Name)
	check(t, err)
	defer client.Close()
	for i := range 50 {
		_, err := client.Put(t.Context(), fmt.Sprint("/late/", i), "x")
		for tries := 0; err != nil && tries < 3; tries++ { // the member that was killed may have led
			_, err = client.Put(t.Context(), fmt.Sprint("/late/", i), "x")
		}
		check(t, err)
	}
	revision, hash := k.hash()
	check(t, k.cluster.KillAll())
	check(t, os.WriteFile(m[0].DB(), make([]byte, 1<<16), 0o600))
	check(t, os.RemoveAll(m[2].DataDir))
	id := k.backUp(codeOK)
	want := fmt.Sprintf("salvaged from the db of member %s on host %s and the log of member %s on host %s", m[1].Name, m[1].Host, m[0].Name, m[0].Host)
	if l := k.source(id); !l.Salvaged || l.Source != want || l.Revision != revision {
		t.Errorf("%+v; want revision %d, %s", l, revision, want)
	}
	k.must(codeOK, "vault", "get", id, "--snapshot", k.path("snap.db"))
	h, err := datadir.HashKVOf(t.Context(), k.path("snap.db"), revision)
	check(t, err)
	if h.Hash != hash {
		t.Errorf("HashKV at %d is %d, it was %d", revision, h.Hash, hash)
	}
	left, err := filepath.Glob(k.cluster.Config().Hosts[1].State() + "/*")
	check(t, err)
	if slices.ContainsFunc(left, func(p string) bool {
		return strings.Contains(p, "lent-") || strings.Contains(p, "backup-")
	}) {
		t.Errorf("left behind: %v", left)
	}
}

func (k *keeping) source(id string) backupLine {
	k.t.Helper()
	var list struct{ Backups []backupLine }
	k.document(codeOK, &list, "vault", "ls")
	for _, l := range list.Backups {
		if l.ID == id {
			return l
		}
	}
	k.t.Fatalf("backup %s is not listed: %+v", id, list)
	return backupLine{}
}
