package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
	"github.com/salvor-project/salvor/internal/putback"
	"github.com/salvor-project/salvor/internal/remote"
)

// TestVaultPutBack installs machines anew: with one command their keys come back
// from one target, over SSH, also onto machines that the backup's salvor.yaml
// calls local. Nothing is written onto a machine that runs etcd or is another one,
// nor over what is there.
func TestVaultPutBack(t *testing.T) {
	ssh := sshtest.Start(t, "SetEnv "+ordersEnv+"={}")
	k := newKeeping(t)
	pki, manifest := k.path("plane", "pki", "ca.key"), k.path("plane", "manifests", "etcd.yaml")
	for _, path := range []string{pki, manifest} {
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte("of the backup: "+path), 0o600))
	}
	k.configure(func(c *cluster.Config) {
		c.Backup.Files = []string{k.path("plane")}
		for i := range c.Hosts { // one over SSH, the others as they are
			if i == 0 {
				c.Hosts[i] = cluster.Host{Name: c.Hosts[i].Name, Via: cluster.ViaSSH, Address: ssh.User + "@" + ssh.Address(), Identities: []string{ssh.Identity},
					KnownHosts: ssh.KnownHosts, StateDir: c.Hosts[i].StateDir}
			}
		}
	})
	k.must(codeOK, "vault", "init")
	id := k.backUp(codeOK)
	k.must(codeOK, "vault", "prove")
	names := []string{k.cluster.Config().Hosts[0].Name, k.cluster.Config().Hosts[1].Name}
	blank := func(code int, args ...string) ended {
		t.Helper()
		return k.blank(code, append([]string{"vault", "put-back", "--target", k.path("disk1"), "--identity", k.path("key.txt"), "--host", names[0], "--host", names[1]}, args...)...)
	}
	if e := blank(codeOK, "--yes"); strings.Contains(e.out, " 0 as in the backup") || !strings.Contains(e.out, names[0]+": 0 written, 0 replaced") {
		t.Errorf("nothing is missing:\n%s", e.out)
	}
	check(t, os.Remove(pki))
	if e := blank(codeUnseen, "--yes"); !strings.Contains(e.out, "it is not bare") || exists(pki) {
		t.Errorf("written beside a living etcd:\n%s", e.out)
	}
	check(t, k.cluster.KillAll())
	check(t, os.RemoveAll(k.path("plane", "manifests")))
	for path, text := range map[string]string{k.path("plane", "hosts"): "of the new machine"} {
		check(t, os.WriteFile(path, []byte(text), 0o644))
	}
	e := blank(codeOK, "--dry-run")
	if !strings.Contains(e.out, "2 missing") || !strings.Contains(e.out, "nothing was changed") || exists(pki) {
		t.Errorf("the dry run:\n%s", e.out)
	}
	blank(codeStopped).says(t, "add --yes")
	if exists(pki) {
		t.Fatal("written without consent")
	}
	// The same machine serves as all hosts: the first takes what the others find.
	e = blank(codeOK, "--yes")
	if !strings.Contains(e.out, names[0]+": 2 written, 0 replaced") || !strings.Contains(e.out, "salvor.yaml was written") || !strings.Contains(e.out, "salvor recover") {
		t.Errorf("put back:\n%s%s", e.out, e.err)
	}
	for _, path := range []string{pki, manifest} {
		if b, err := os.ReadFile(path); err != nil || string(b) != "of the backup: "+path {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	// What is there stays, until it is named.
	check(t, os.WriteFile(pki, []byte("another key"), 0o600))
	if e := blank(codeOK, "--yes", id); !strings.Contains(e.out, "stays    "+pki+": content") || !strings.Contains(e.out, "0 written, 0 replaced") {
		t.Errorf("it differs:\n%s", e.out)
	}
	e = blank(codeOK, "--yes", "--replace", k.path("plane"))
	if b, err := os.ReadFile(pki); err != nil || !strings.HasPrefix(string(b), "of the backup") {
		t.Errorf("not replaced: %q, %v\n%s", b, err, e.out)
	}
	_, rest, _ := strings.Cut(e.out, "what was there lies in ")
	aside, _, _ := strings.Cut(rest, "\n")
	if b, err := os.ReadFile(filepath.Join(aside, pki)); err != nil || string(b) != "another key" {
		t.Errorf("set aside in %q: %q, %v\n%s", aside, b, err, e.out)
	}
	blank(codeUsage, "--at", "nobody=root@10.0.0.1")
	// A host that was local to whoever made the backup is another machine here: it
	// is said where, and is reached like any other.
	e = blank(codeFindings, "--yes", "--at", names[1]+"="+ssh.User+"@"+ssh.Address())
	if !strings.Contains(e.out, "NOT DONE  "+names[1]+": ") || !strings.Contains(e.out, "known-hosts accept "+names[1]) || !strings.Contains(e.out, names[0]+": 0 written") {
		t.Errorf("a host key that nobody knows:\n%s", e.out)
	}
}

// TestPutBackRefuses takes another machine, or one that runs etcd, for what it is.
func TestPutBackRefuses(t *testing.T) {
	missing := []putback.State{{Path: "/etc/kubernetes/pki/ca.key", Standing: putback.Missing}}
	for name, k := range map[string]struct {
		look remote.Bare
		o    putBackOptions
		says string
	}{
		"it is it":            {remote.Bare{Hostname: "cp-1"}, putBackOptions{}, ""},
		"a new name":          {remote.Bare{Hostname: "debian", Expected: []string{"10.0.0.11"}, Has: []string{"10.0.0.11"}}, putBackOptions{}, ""},
		"another one":         {remote.Bare{Hostname: "laptop", Expected: []string{"10.0.0.11"}}, putBackOptions{}, "--at cp-1=root@ADDRESS"},
		"another one, meant":  {remote.Bare{Hostname: "laptop", Expected: []string{"10.0.0.11"}}, putBackOptions{other: true}, ""},
		"it runs etcd":        {remote.Bare{Hostname: "cp-1", Running: []string{"etcd1"}, Files: missing}, putBackOptions{}, "etcd1"},
		"etcd, and all there": {remote.Bare{Hostname: "cp-1", Running: []string{"etcd1"}}, putBackOptions{}, ""},
	} {
		l := putBackLine{Host: "cp-1", bundle: bundle.Host{Name: "cp-1", Hostname: "cp-1"}}
		l.judge(k.look, k.o)
		if (k.says == "") != (l.Why == "") || !strings.Contains(l.Why, k.says) {
			t.Errorf("%s: %q", name, l.Why)
		}
	}
}
