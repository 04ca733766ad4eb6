package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/etcd"
)

// keeping is a living cluster with a vault of two folders.
type keeping struct {
	*scene
	recipient string
}

func newKeeping(t *testing.T) *keeping {
	t.Helper()
	t.Parallel()
	k := &keeping{scene: &scene{t: t, dir: t.TempDir()}}
	template := takeStage(t)
	var err error
	k.cluster, err = template.Copy(k.path("demo"))
	check(t, err)
	t.Cleanup(k.clear)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, k.cluster.Start(ctx))
	id, err := age.GenerateX25519Identity()
	check(t, err)
	k.recipient = id.Recipient().String()
	check(t, os.WriteFile(k.path("key.txt"), []byte(id.String()+"\n"), 0o600))
	for _, d := range []string{"disk1", "disk2"} {
		check(t, os.Mkdir(k.path(d), 0o700))
	}
	k.configure(func(*cluster.Config) {})
	return k
}

// configure writes salvor.yaml.
func (k *keeping) configure(change func(*cluster.Config)) {
	k.t.Helper()
	cfg := k.cluster.Config()
	cfg.Snapshots = nil
	zero, one := 0, 1
	cfg.Vault = &cluster.Vault{Recipients: []string{k.recipient}, Identity: k.path("key.txt"), SigningKey: k.path("sign"),
		Targets:    []cluster.VaultTarget{{Name: "disk1", Dir: k.path("disk1")}, {Name: "disk2", Dir: k.path("disk2"), Media: "nfs"}},
		Objectives: cluster.VaultObjectives{Copies: &one, Media: &one, Offsite: &zero, Offline: &zero}}
	cfg.Backup = &cluster.Backup{Absent: []string{"/etc/kubernetes"}}
	change(&cfg)
	if _, err := config.Save(k.path("salvor.yaml"), cfg, config.SaveOptions{Force: true}); err != nil {
		k.t.Fatal(err)
	}
}

// document runs a command with -o json.
func (k *keeping) document(code int, into any, args ...string) {
	k.t.Helper()
	e := k.must(code, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(e.out), into); err != nil {
		k.t.Fatalf("%v: %v\n%s", args, err, e.out)
	}
}

// backUp makes a backup and gives its ID.
func (k *keeping) backUp(code int) string {
	k.t.Helper()
	var done struct {
		Manifest struct {
			ID       string
			Revision int64
			Missing  []struct{ Code string }
			Cluster  struct{ Name, ID string }
		}
		Targets []targetLine
	}
	k.document(code, &done, "backup")
	if done.Manifest.Cluster.ID == "" || done.Manifest.Revision == 0 {
		k.t.Errorf("the manifest does not tell whose it is: %+v", done)
	}
	return done.Manifest.ID
}

// hash is what etcd's HashKV says of the living cluster.
func (k *keeping) hash() (int64, uint32) {
	k.t.Helper()
	cfg := k.cluster.Config()
	c, err := etcd.Dial(k.t.Context(), cfg.Members[0].ClientURLs, cfg.Client)
	check(k.t, err)
	defer c.Close()
	h, err := c.HashKV(k.t.Context(), 0)
	check(k.t, err)
	return h.Revision, h.Hash
}

// TestVaultAllLost backs a living cluster up, loses every member and the whole
// folder of Salvor, and gets the data back on a blank machine from one target.
func TestVaultAllLost(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	revision, hash := k.hash()
	id := k.backUp(codeOK)
	k.must(codeOK, "vault", "prove")
	k.must(codeOK, "vault", "status")
	k.must(codeOK, "vault", "key", "check")
	k.must(codeOK, "vault", "check")

	check(t, k.cluster.KillAll())
	cfg := k.cluster.Config()
	for _, m := range cfg.Members {
		check(t, os.RemoveAll(m.DataDir))
	}
	check(t, os.RemoveAll(k.path("disk1")))
	// A blank machine: no salvor.yaml but the one that the vault gives back.
	was, err := os.ReadFile(k.path("salvor.yaml"))
	check(t, err)
	check(t, os.Rename(k.path("salvor.yaml"), k.path("was.yaml")))
	blank := []string{"--target", k.path("disk2"), "--identity", k.path("key.txt")}
	k.blank(codeOK, append([]string{"vault", "ls"}, blank...)...)
	e := k.blank(codeOK, append([]string{"vault", "get", "--snapshot", k.path("snap.db"), "--bundle", k.path("plane"), "--salvor-yaml", k.path("salvor.yaml")}, blank...)...)
	if !strings.Contains(e.out, id) || !strings.Contains(e.out, "proven 20") {
		t.Errorf("it does not tell what was fetched:\n%s", e.out)
	}
	now, err := config.Load(k.path("salvor.yaml"))
	check(t, err)
	before, err := config.Parse("was", was)
	check(t, err)
	if now.Cluster != before.Cluster || len(now.Members) != 3 || len(now.Vault.Targets) != 2 {
		t.Errorf("another salvor.yaml came back: %+v", now)
	}
	h, err := datadir.HashKVOf(t.Context(), k.path("snap.db"), revision)
	check(t, err)
	if h.Hash != hash {
		t.Errorf("HashKV at %d is %d, it was %d", revision, h.Hash, hash)
	}
	e = k.blank(codeOK, append([]string{"snapshot", "restore", "vault:newest", "--data-dir", k.path("restored"), "--new-token"}, blank...)...)
	if !strings.Contains(e.out, id) || !strings.Contains(e.out, "target1") {
		t.Errorf("it does not tell what was restored:\n%s", e.out)
	}
	if restored, err := datadir.HashKVOf(t.Context(), k.path("restored", "member", "snap", "db"), revision); err != nil || restored.Hash != hash {
		t.Errorf("restored while it was fetched: HashKV %d, it was %d: %v", restored.Hash, hash, err)
	}
	if _, err := os.Stat(filepath.Join(k.path("plane"), "hosts", cfg.Hosts[0].Name, cfg.Client.Key)); err != nil {
		t.Errorf("the client's key is not in the bundle: %v", err)
	}
	k.recoverFrom(h)
}

// recoverFrom recovers from the fetched snapshot, as from any other.
func (k *keeping) recoverFrom(h datadir.KVHash) {
	k.t.Helper()
	k.configure(func(c *cluster.Config) {
		c.Snapshots = []cluster.SnapshotPlace{{Host: c.Hosts[0].Name, Path: k.path("snap.db")}}
	})
	k.must(codeOK, "recover", "--accept-loss", "unknown")
	cfg := k.cluster.Config()
	c, err := etcd.Dial(k.t.Context(), cfg.Members[1].ClientURLs, cfg.Client)
	check(k.t, err)
	defer c.Close()
	want, err := datadir.ContentOf(k.t.Context(), k.path("snap.db"), 0)
	check(k.t, err)
	live, err := c.Status(k.t.Context())
	check(k.t, err)
	if live.Revision <= want.Revision || want.Keys != h.Keys {
		k.t.Errorf("revision %d after the recovery, %d before; %d keys, want %d", live.Revision, want.Revision, want.Keys, h.Keys)
	}
}

// blank runs a command line without a configuration.
func (k *keeping) blank(code int, args ...string) ended {
	k.t.Helper()
	e := k.blankWith(args)
	e.must(k.t, code)
	return e
}

func (k *keeping) blankWith(args []string) ended {
	k.t.Helper()
	self, err := os.Executable()
	check(k.t, err)
	cmd := exec.Command(self, args...)
	cmd.Dir = k.t.TempDir()
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "SALVOR_CONFIG=") }), ordersEnv+"={}")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	_ = cmd.Run() // the code tells
	return ended{code: cmd.ProcessState.ExitCode(), out: out.String(), err: stderr.String()}
}

// TestVaultMissing leaves the control plane's files unexplained: the backup is
// made, says what it lacks, and its exit code tells.
func TestVaultMissing(t *testing.T) {
	k := newKeeping(t)
	k.configure(func(c *cluster.Config) { c.Backup.Absent = nil; c.Backup.Files = []string{"/nowhere/at-all"} })
	k.must(codeOK, "vault", "init")
	e := k.must(codeFindings, "backup")
	for _, want := range []string{"/nowhere/at-all", "it does not exist"} {
		if !strings.Contains(e.out, want) {
			t.Errorf("it does not say %q:\n%s", want, e.out)
		}
	}
	// What the manifest admits is no news to a proof.
	k.must(codeOK, "vault", "prove")
}

// TestVaultUnmounted takes a disk out and leaves its mount point: an empty folder
// is no target, and nothing is written to the disk below.
func TestVaultUnmounted(t *testing.T) {
	k := newKeeping(t)
	if e := k.must(codeOK, "vault", "init"); strings.Contains(e.out, "NO RECIPIENT") {
		t.Errorf("recipients are not seen:\n%s", e.out)
	}
	check(t, os.Rename(k.path("disk2"), k.path("away")))
	check(t, os.Mkdir(k.path("disk2"), 0o700))
	check(t, os.Mkdir(k.path("cases"), 0o700))
	if e := k.must(codeFindings, "backup"); !strings.Contains(e.out, "NO COPY            disk2: target disk2: it has no README.txt") {
		t.Errorf("it does not tell that disk2 is not mounted:\n%s", e.out)
	}
	k.must(codeFindings, "vault", "ls").says(t, "disk2 is none of this vault")
	k.must(codeError, "vault", "prune").says(t, "nothing is dropped")
	k.blankWith([]string{"vault", "ls", "--target", k.path("cases")}).must(t, codeUnseen)
	if left := k.tree("disk2"); len(left) != 0 {
		t.Errorf("written into an empty mount point: %v", left)
	}
	check(t, os.Remove(k.path("disk2")))
	check(t, os.Rename(k.path("away"), k.path("disk2")))
	k.must(codeOK, "vault", "complete")
	k.must(codeOK, "vault", "prove")
	e := k.must(codeOK, "vault", "status")
	if strings.Contains(e.out, "MISSING") {
		t.Errorf("something is missing:\n%s", e.out)
	}
	k.configure(func(c *cluster.Config) { c.Vault.Objectives = cluster.VaultObjectives{} })
	if e := k.must(codeFindings, "vault", "status"); strings.Count(e.out, "2 copies, wanted are 3") != 1 {
		t.Errorf("what one backup lacks is not said once:\n%s", e.out)
	}
	k.configure(func(c *cluster.Config) { c.Vault.Recipients = nil })
	if e := k.must(codeOK, "vault", "init", "--new-identity", k.path("new.txt")); !strings.Contains(e.out, "  recipients: [age1") {
		t.Errorf("it does not say that nobody could open a backup:\n%s", e.out)
	}
}

// TestVaultDamage damages objects one after the other: what is wrong is named,
// and everything still comes back as long as one copy of each byte is right.
func TestVaultDamage(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	old := k.backUp(codeOK)
	k.must(codeOK, "vault", "prove")
	id := k.backUp(codeOK)
	k.must(codeOK, "vault", "prove")
	part := func(disk string) string { return k.path(disk, "backups", id, "etcd.snapshot.zst.age") }
	flip(t, part("disk1"), 1000)
	k.must(codeOK, "vault", "ls") // size and name are right
	k.must(codeFindings, "vault", "check")
	k.must(codeOK, "vault", "get", "--snapshot", k.path("one.db"))
	k.must(codeOK, "vault", "prove", "--from", "disk2")
	k.must(codeVerdict, "vault", "prove", "--from", "disk1")
	k.must(codeFindings, "vault", "status").says(t, "")

	// All copies of the newest are wrong: an older, proven one is offered.
	flip(t, part("disk2"), 1000)
	k.must(codeError, "vault", "get", id, "--snapshot", k.path("two.db")).says(t, "digest is wrong")
	if _, err := os.Stat(k.path("two.db")); err == nil {
		t.Error("a snapshot with a wrong byte was written")
	}
	k.must(codeError, "snapshot", "restore", "vault:"+id, "--data-dir", k.path("restored")).says(t, "digest is wrong")
	if left, err := filepath.Glob(k.path("restored*")); err != nil || len(left) > 0 {
		t.Errorf("a backup with a wrong byte left %v, %v", left, err)
	}
	k.must(codeVerdict, "vault", "prove", id)
	e := k.must(codeOK, "vault", "get", "--snapshot", k.path("two.db"))
	if !strings.Contains(e.out, old) {
		t.Errorf("not the older proven one:\n%s", e.out)
	}
	// A manifest edited by hand is no manifest.
	manifest := k.path("disk1", "backups", old, "manifest.json")
	b, err := os.ReadFile(manifest)
	check(t, err)
	check(t, os.WriteFile(manifest, bytes.Replace(b, []byte(`"revision": `), []byte(`"revision": 9`), 1), 0o600))
	k.must(codeFindings, "vault", "ls").says(t, "changed by hand")
	k.must(codeOK, "vault", "get", old, "--snapshot", k.path("three.db"))
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	check(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	check(t, err)
}

// TestVaultStandardPrograms gets the etcd snapshot out as the vault's own
// README says, with age and zstd and without Salvor.
func TestVaultStandardPrograms(t *testing.T) {
	for _, p := range []string{"age", "zstd", "sh", "sha256sum"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	id := k.backUp(codeOK)
	revision, hash := k.hash()
	readme, err := os.ReadFile(k.path("disk1", "README.txt"))
	check(t, err)
	// The two command lines of the page, as they stand there.
	var lines []string
	for line := range strings.Lines(string(readme)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "age -d -i KEY.txt") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("the page has %d command lines that open something:\n%s", len(lines), readme)
	}
	work := t.TempDir()
	key, err := os.ReadFile(k.path("key.txt"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(work, "KEY.txt"), key, 0o600))
	check(t, os.CopyFS(work, os.DirFS(k.path("disk1", "backups", id))))
	for _, line := range lines {
		cmd := exec.Command("sh", "-euc", line)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	r, err := datadir.Check(t.Context(), filepath.Join(work, "snapshot.db"), datadir.CheckOptions{Level: datadir.L3, Decode: judge})
	check(t, err)
	h, err := datadir.HashKVOf(t.Context(), filepath.Join(work, "snapshot.db"), revision)
	check(t, err)
	if !r.Passed || h.Hash != hash {
		t.Errorf("what came out is not what was backed up: %+v, hash %d, want %d", r, h.Hash, hash)
	}
	if out, err := exec.Command("tar", "-tf", filepath.Join(work, "bundle.tar")).CombinedOutput(); err != nil || !strings.Contains(string(out), "salvor.yaml") {
		t.Errorf("bundle.tar: %v\n%s", err, out)
	}
}

// TestVaultTargets loses a target, has one forget, and completes the copies.
func TestVaultTargets(t *testing.T) {
	k := newKeeping(t)
	k.must(codeOK, "vault", "init")
	check(t, os.Rename(k.path("disk2"), k.path("away")))
	k.must(codeFindings, "backup", "-o", "json")
	k.must(codeFindings, "vault", "ls").says(t, "Target disk2 does not answer")
	e := k.must(codeFindings, "vault", "status")
	if !strings.Contains(e.out, "No backup is proven") || !strings.Contains(e.out, "disk2") {
		t.Errorf("status does not say what is missing:\n%s", e.out)
	}
	check(t, os.Rename(k.path("disk1"), k.path("away1")))
	if e := k.must(codeUnseen, "vault", "ls"); strings.Contains(e.out, "no backup") {
		t.Errorf("what nobody can see is said not to be there:\n%s", e.out)
	}
	check(t, os.Rename(k.path("away1"), k.path("disk1")))
	check(t, os.Rename(k.path("away"), k.path("disk2")))
	k.must(codeOK, "vault", "complete")
	id := k.backUp(codeOK)
	for range 2 { // both have all now
		if e := k.must(codeOK, "vault", "complete"); !strings.Contains(e.out, "nothing to copy") {
			t.Errorf("copied again:\n%s", e.out)
		}
	}
	check(t, os.RemoveAll(k.path("disk2", "backups", id))) // accepted, and forgot
	k.must(codeFindings, "vault", "ls").says(t, "the copy is gone that was read back there")
	k.must(codeFindings, "vault", "status")
	k.must(codeOK, "vault", "complete")
	k.must(codeOK, "vault", "ls")
	k.must(codeOK, "vault", "hold", id, "--why", "the night of the fire")
	if e := k.must(codeOK, "vault", "prune", "--dry-run"); !strings.Contains(e.out, "the night of the fire") {
		t.Errorf("the hold is not named:\n%s", e.out)
	}
	k.must(codeOK, "vault", "release", id)
	k.must(codeOK, "vault", "prune")
	if e := k.must(codeFindings, "vault", "status", "-o", "prometheus"); !strings.Contains(e.out, "\nsalvor_vault_ok 0\n") ||
		!strings.Contains(e.out, fmt.Sprintf("salvor_vault_backup_copies{cluster=%q,which=\"newest\"} 2", "demo")) {
		t.Errorf("metrics:\n%s", e.out)
	}
}
