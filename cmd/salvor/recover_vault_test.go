package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// TestRecoverFromTheVault loses every disk, and the newest backup with a byte
// on each of its copies: recover finds the backups by itself, says what is
// lost, and takes the one that is whole.
func TestRecoverFromTheVault(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	revision, hash := k.hash()
	id := k.backUp(codeOK)
	k.must(codeOK, "vault", "prove")
	check(t, k.cluster.KillAll())
	for _, m := range k.cluster.Config().Members {
		check(t, os.RemoveAll(m.DataDir))
	}
	check(t, os.RemoveAll(k.path("disk1")))

	var d diagnose.Diagnosis
	check(t, os.Rename(k.path("disk2"), k.path("away"))) // a vault that does not answer is not an empty one
	k.document(codeUnseen, &d, "diagnose")
	if _, ok := d.Chosen(); ok || d.Level.Data != diagnose.DUnknown {
		t.Errorf("level %s, candidates %+v", d.Level, d.Candidates)
	}
	k.must(codeUnseen, "plan")
	check(t, os.Rename(k.path("away"), k.path("disk2")))
	d = diagnose.Diagnosis{}
	k.document(codeFindings, &d, "diagnose")
	c, ok := d.Chosen()
	if !ok || c.ID != "vault:"+id || c.Integrity != diagnose.Sound || c.Revision.Value < revision || d.Level.Data != diagnose.D2 {
		t.Fatalf("level %s, candidates %+v", d.Level, d.Candidates)
	}
	if c.Loss.Doubt == nil || !strings.Contains(c.Loss.Doubt.String(), "disk1") {
		t.Errorf("it does not say that disk1 may hold a newer one: %v", c.Loss.Doubt)
	}
	k.declined()
	k.must(codeError, "recover", "--source", "vault:none", "--accept-loss", "unknown").says(t, `there is no backup "none"`)
	e := k.must(codeOK, "recover", "--accept-loss", "unknown")
	e.says(t, "fetching backup "+id, "from disk2")
	if left, err := os.ReadDir(k.path("cases")); err != nil || strings.Contains(list(left), fetching) {
		t.Errorf("left behind: %s, %v", list(left), err)
	}
	cfg := k.cluster.Config()
	found, globErr := filepath.Glob(cfg.Hosts[0].State() + "/fetched/*/" + id + ".db")
	if check(t, globErr); len(found) != 1 {
		t.Fatalf("the backup is not where the recovery read it: %v", found)
	}
	brought := found[0]
	h, err := datadir.HashKVOf(t.Context(), brought, revision)
	check(t, err)
	if h.Hash != hash {
		t.Errorf("HashKV at %d is %d, it was %d", revision, h.Hash, hash)
	}
	if l, ok := datadir.LandedAt(brought); !ok || l.Content.Revision < revision {
		t.Errorf("what was found when it landed is not believed at the end: %v, %+v", ok, l)
	}
	info, err := os.Stat(brought)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %s", brought, info.Mode())
	}
	secrets := filepath.Dir(brought)
	// Another operator knows nothing of the case; the machine's mirror does.
	check(t, os.Rename(k.path("cases"), k.path("mine")))
	k.must(codeError, "cleanup", filepath.Base(secrets), "--yes").says(t, "was begun from another machine", "salvor resume")
	if !exists(brought) {
		t.Error("what a case needs was removed behind its back")
	}
	check(t, os.RemoveAll(k.path("cases")))
	check(t, os.Rename(k.path("mine"), k.path("cases")))
	k.must(codeOK, "cleanup", filepath.Base(secrets), "--yes")
	if exists(secrets) {
		t.Errorf("%s is still there after the clean-up", secrets)
	}
	if after, _ := k.hash(); after <= revision {
		t.Errorf("revision %d after the recovery, %d before", after, revision)
	}
}

// declined declines a recovery twice, forgets the second one's case, and cleans up
// behind both.
func (k *keeping) declined() {
	k.t.Helper()
	host := k.cluster.Config().Hosts[0]
	k.must(codeError, "cleanup", "20200101-000000-demo-0000", "--yes").says(k.t, "neither as a path nor below")
	for i, want := range []string{stateFetched, statePlanned} {
		k.must(codeStopped, "recover", "--yes").says(k.t, "until `salvor cleanup ")
		left, err := filepath.Glob(host.State() + "/fetched/*")
		if check(k.t, err); len(left) != 1 {
			k.t.Fatalf("%d fetched backups", len(left))
		}
		name := filepath.Base(left[0])
		if i == 0 {
			check(k.t, os.RemoveAll(k.path("cases", name)))
		}
		if l := k.caseLine(name); l.State != want || !slices.Equal(l.Fetched, []string{host.Name}) {
			k.t.Errorf("listed as %+v, want it %s", l, want)
		}
		k.must(codeStopped, "cleanup", name)
		k.must(codeOK, "cleanup", name, "--yes").says(k.t, "stays in the vault")
		if exists(left[0]) {
			k.t.Errorf("%s is still there after the clean-up", left[0])
		}
		if l := k.caseLine(name); len(l.Fetched) > 0 {
			k.t.Errorf("still listed as %+v", l)
		}
	}
	k.must(codeError, "cleanup", k.folder().Name(), "--yes").says(k.t, "nothing to clean up")
}

// caseLine is a case as it is listed; empty if it is not.
func (k *keeping) caseLine(name string) caseLine {
	k.t.Helper()
	var list struct{ Cases []caseLine }
	k.document(codeOK, &list, "cases")
	for _, l := range list.Cases {
		if l.Name == name {
			return l
		}
	}
	return caseLine{}
}

// TestRecoverOnABlankMachine: salvor.yaml was written anew and knows of no vault,
// the signing key is lost. The binary, the private key and the target are enough.
func TestRecoverOnABlankMachine(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	revision, hash := k.hash()
	id := k.backUp(codeOK)
	check(t, k.cluster.KillAll())
	for _, m := range k.cluster.Config().Members {
		check(t, os.RemoveAll(m.DataDir))
	}
	check(t, os.Remove(k.path("sign")))
	k.configure(func(c *cluster.Config) { c.Vault, c.Backup = nil, nil })

	k.must(codeUsage, "recover", "--identity", k.path("key.txt")).says(t, "--target")
	k.must(codeUsage, "recover", "--target", "ftp://x")
	e := k.must(codeNoCandidate, "recover", "--yes")
	if !strings.Contains(e.out, "--target") {
		t.Errorf("it does not say how to name a vault:\n%s", e.out)
	}
	k.must(codeUnseen, "recover", "--yes", "--target", k.path("cases")) // what is no vault tells nothing
	blank := []string{"--target", k.path("disk2"), "--identity", k.path("key.txt")}
	var d diagnose.Diagnosis
	k.document(codeFindings, &d, append([]string{"diagnose"}, blank...)...)
	if c, ok := d.Chosen(); !ok || c.ID != "vault:"+id || c.Loss.Doubt == nil || c.Loss.Proven {
		t.Fatalf("candidates %+v", d.Candidates)
	}
	k.must(codeError, "recover", "--accept-loss", "unknown", "--target", k.path("disk2")).says(t, "no private key", "--identity")
	k.must(codeStopped, append([]string{"recover", "--yes"}, blank...)...)
	k.must(codeOK, append([]string{"recover", "--accept-loss", "unknown"}, blank...)...)
	if after, now := k.hash(); after <= revision || now == hash {
		t.Errorf("revision %d after the recovery, %d before", after, revision)
	}
}

func list(entries []os.DirEntry) string {
	var b bytes.Buffer
	for _, e := range entries {
		b.WriteString(e.Name() + " ")
	}
	return b.String()
}
