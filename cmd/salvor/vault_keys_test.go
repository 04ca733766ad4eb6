package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestVaultKeys tries wrong keys, keys that others can read, and a vault of
// another cluster.
func TestVaultKeys(t *testing.T) {
	k := newKeeping(t)
	k.must(codeError, "backup").says(t, "salvor vault init")
	k.must(codeOK, "vault", "init")
	id := k.backUp(codeOK)
	k.must(codeOK, "vault", "init", "--new-identity", k.path("other.txt"))
	k.must(codeFindings, "vault", "key", "check", "--identity", k.path("other.txt"))
	k.must(codeError, "vault", "get", "--identity", k.path("other.txt"), "--snapshot", k.path("x.db")).says(t, "none of the keys opens this backup")
	k.must(codeError, "vault", "prove", "--identity", k.path("other.txt")).says(t, "none of the keys")
	k.must(codeError, "vault", "get", "--of", "8e9e05c52164694d", id, "--snapshot", k.path("x.db")).says(t, "backup of another cluster")
	k.must(codeUsage, "vault", "ls", "--target", "ftp://x")
	check(t, os.Chmod(k.path("key.txt"), 0o644))
	k.must(codeError, "vault", "get", "--snapshot", k.path("x.db")).says(t, "chmod 600")
	if _, err := os.Stat(k.path("x.db")); err == nil {
		t.Error("something was written")
	}
}

// TestVaultKeysOfSeveralMachines backs up from two machines, each with a signing
// key of its own: what the one signs, the other believes when it is told to, and
// it is told how.
func TestVaultKeysOfSeveralMachines(t *testing.T) {
	k := newKeeping(t)
	var first, second struct {
		Verify string
		Others []string
	}
	k.document(codeOK, &first, "vault", "init")
	id := k.backUp(codeOK)
	other := func(trusted ...string) {
		k.configure(func(c *cluster.Config) { c.Vault.SigningKey, c.Vault.Trusted = k.path("sign2"), trusted })
	}
	other()
	k.document(codeOK, &second, "vault", "init")
	if !slices.Equal(second.Others, []string{first.Verify}) || second.Verify == first.Verify {
		t.Errorf("first %+v, second %+v", first, second)
	}
	k.must(codeFindings, "vault", "ls").says(t, "disk1, backup "+id, "under vault.trusted", "`salvor vault init`")
	e := k.must(codeOK, "vault", "init")
	line := fmt.Sprintf("trusted: [%s, %s]\n", second.Verify, first.Verify)
	if !strings.Contains(e.out, line) {
		t.Errorf("it does not say %q:\n%s", line, e.out)
	}
	other(first.Verify)
	if e := k.must(codeOK, "vault", "init"); !strings.Contains(e.out, "does not name this machine's own key") || !strings.Contains(e.out, "["+first.Verify+", "+second.Verify+"]") {
		t.Errorf("its own key is not missed:\n%s", e.out)
	}
	other(first.Verify, second.Verify)
	if e := k.must(codeOK, "vault", "init"); strings.Contains(e.out, "trusted: [") {
		t.Errorf("something is still missing:\n%s", e.out)
	}
	k.must(codeOK, "vault", "ls")
	k.must(codeOK, "vault", "prove", id)
}
