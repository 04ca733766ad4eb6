package vault_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
	"github.com/salvor-project/salvor/internal/vault/policy"
	"github.com/salvor-project/salvor/internal/vault/seal"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/test/s3server"
)

func TestBackupIsFoundAndRead(t *testing.T) {
	w := newWorld(t, 2)
	res := w.backup(1)
	if len(res.Receipts) != 2 || len(res.Failed) != 0 {
		t.Fatalf("got %+v", res)
	}
	w.pass(time.Hour)
	w.backup(2)
	cat := w.list()
	if len(cat.Entries) != 2 || len(cat.Problems) != 0 {
		t.Fatalf("got %d entries, problems %s", len(cat.Entries), codes(cat))
	}
	e := cat.Entries[0]
	if e.Manifest.Revision != 2 || states(e) != "disk1 whole, disk2 whole" || e.Trust != catalog.TrustConfigured ||
		e.Copies[0].ReadBack.IsZero() || len(e.Manifest.Recipients) != 1 {
		t.Errorf("got %+v", e)
	}
	for _, e := range cat.Entries {
		w.mustRead(e)
	}
	for _, c := range w.vault().Check(t.Context(), e) {
		if c.Err != nil {
			t.Error(c.Err)
		}
	}
	if part, _ := e.Manifest.Part("etcd.snapshot"); part.Sealed.Size > part.Plain.Size*8/10 || len(part.Chunks) < 5 {
		t.Errorf("sealed to %d of %d bytes in %d chunks", part.Sealed.Size, part.Plain.Size, len(part.Chunks))
	}
}

// TestBlankMachine: without a configured key the vault's own is taken, and said.
func TestBlankMachine(t *testing.T) {
	w := newWorld(t, 2)
	w.backup(1)
	w.cfg.Signer, w.cfg.Trusted, w.cfg.Recipients = nil, nil, nil
	cat := w.list()
	if len(cat.Entries) != 1 || cat.Entries[0].Trust != catalog.TrustVault || !strings.Contains(codes(cat), string(vault.KeysFromVault)) {
		t.Fatalf("got %+v, %s", cat.Entries, codes(cat))
	}
	w.mustRead(cat.Entries[0])
	if _, dropped, err := w.vault().Prune(t.Context(), policy.Policy{}, false); err == nil || !strings.Contains(err.Error(), "vault.trusted") || len(dropped) > 0 {
		t.Errorf("a prune that believes the vault's own keys: dropped %v, %v", dropped, err)
	}
	if _, err := write(t.Context(), w.vault(), 2); err == nil {
		t.Error("a backup was written without recipients")
	}
}

func TestOtherClusterIsRefused(t *testing.T) {
	other := ours
	other.KubeSystemUID = "another"
	if err := ours.Match(other); err == nil {
		t.Error("another kube-system passed")
	}
	if err := ours.Match(catalog.Cluster{ID: "1"}); err == nil {
		t.Error("another etcd cluster passed")
	}
	if err := (catalog.Cluster{}).Match(ours); err == nil {
		t.Error("a backup of nobody passed")
	}
	restored := ours
	restored.ID = "fresh after a restore"
	if err := ours.Match(restored); err != nil {
		t.Error(err)
	}
}

func TestWrongKey(t *testing.T) {
	w := newWorld(t, 1)
	w.backup(1)
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	e := w.list().Entries[0]
	if _, err := read(t.Context(), w.vault(), e, stranger); !errors.Is(err, seal.ErrKey) {
		t.Errorf("read: %v", err)
	}
	for _, c := range []struct {
		id   age.Identity
		want error
	}{{w.id, nil}, {stranger, seal.ErrKey}} {
		checks, err := w.vault().CheckKey(t.Context(), []age.Identity{c.id}, 3)
		if err != nil || len(checks) != 2 {
			t.Fatalf("got %+v, %v", checks, err)
		}
		for _, k := range checks {
			if !errors.Is(k.Err, c.want) {
				t.Errorf("%+v", k)
			}
		}
	}
}

func TestSealing(t *testing.T) {
	pass, err := seal.Passphrase("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	pass.Recipient.(*age.ScryptRecipient).SetWorkFactor(10)
	phrase, err := age.NewScryptIdentity("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	second, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	to, err := seal.ParseRecipient(second.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("two recipients", func(t *testing.T) {
		w := newWorld(t, 1)
		w.cfg.Recipients = append(w.cfg.Recipients, to)
		w.backup(1)
		for _, id := range []age.Identity{w.id, second} {
			if _, err := read(t.Context(), w.vault(), w.list().Entries[0], id); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("passphrase", func(t *testing.T) {
		w := newWorld(t, 1)
		w.cfg.Recipients = []seal.Recipient{pass}
		w.backup(1)
		if _, err := read(t.Context(), w.vault(), w.list().Entries[0], phrase); err != nil {
			t.Error(err)
		}
	})
	t.Run("plain", func(t *testing.T) {
		w := newWorld(t, 1)
		w.cfg.Recipients, w.cfg.Plain = nil, true
		w.backup(1)
		e := w.list().Entries[0]
		if _, err := read(t.Context(), w.vault(), e); err != nil || e.Manifest.Recipients != nil {
			t.Error(err, e.Manifest.Recipients)
		}
	})
}

// TestWithoutSalvor does what README.txt says, with the programs of the
// distribution.
func TestWithoutSalvor(t *testing.T) {
	for _, program := range []string{"age", "zstd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs the programs age and zstd: %v", err)
		}
	}
	w := newWorld(t, 1)
	w.backup(1)
	readme, err := os.ReadFile(filepath.Join(w.folders["disk1"], "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "KEY.txt"), []byte(w.id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := w.list().Entries[0].Manifest.ID
	if err := os.CopyFS(work, os.DirFS(filepath.Join(w.folders["disk1"], "backups", id))); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, line := range strings.Split(string(readme), "\n") {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "age -d -i") {
			continue
		}
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		ran++
	}
	for name, want := range map[string][]byte{"snapshot.db": snapshotOf(1), "bundle.tar": bundleOf(1)} {
		got, err := os.ReadFile(filepath.Join(work, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if ran != 2 {
		t.Errorf("README.txt gives %d commands, want 2", ran)
	}
}

// change rewrites a file of the vault, as a hand or a bad disk would.
func change(t *testing.T, path string, how func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, how(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryObjectDamaged damages, deletes, cuts and swaps each object of a
// backup on one target: it is named, the other copy gives the data, and
// Complete makes the copy whole again.
func TestEveryObjectDamaged(t *testing.T) {
	s := s3server.Start(t)
	flip := func(b []byte) []byte { c := bytes.Clone(b); c[len(c)/2] ^= 1; return c }
	for _, c := range []struct {
		name, object string
		how          func([]byte) []byte // nil: delete; empty name: swap with the other backup's
		says         string              // in List, or in Check
	}{
		{"flip a byte of the snapshot", "etcd.snapshot.zst.age", flip, "check"},
		{"flip a byte of the bundle", "bundle.tar.zst.age", flip, "check"},
		{"cut the snapshot", "etcd.snapshot.zst.age", func(b []byte) []byte { return b[:len(b)-1] }, string(vault.PartSize)},
		{"lengthen the snapshot", "etcd.snapshot.zst.age", func(b []byte) []byte { return append(b, 0) }, string(vault.PartSize)},
		{"delete the snapshot", "etcd.snapshot.zst.age", nil, string(vault.PartMissing)},
		{"delete the bundle", "bundle.tar.zst.age", nil, string(vault.PartMissing)},
		{"flip a byte of the manifest", "manifest.json", flip, string(vault.ManifestForged)},
		{"edit the manifest by hand", "manifest.json", func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"revision": 2`), []byte(`"revision": 3`), 1)
		}, string(vault.ManifestForged)},
		{"cut the manifest", "manifest.json", func(b []byte) []byte { return b[:len(b)/2] }, string(vault.ManifestDamaged)},
		{"empty the manifest", "manifest.json", func([]byte) []byte { return nil }, string(vault.ManifestDamaged)},
		{"delete the manifest", "manifest.json", nil, string(vault.Orphan)},
		{"swap the snapshots", "etcd.snapshot.zst.age", swap, "check"},
		{"swap the manifests", "manifest.json", swap, string(vault.ManifestMisplaced)},
	} {
		for _, where := range []string{"disk1", "bucket"} {
			t.Run(where+" "+c.name, func(t *testing.T) { damage(t, s, where, c.name, c.object, c.how, c.says) })
		}
	}
}

// damage does it once, on one target; another has a copy that is sound.
func damage(t *testing.T, s *s3server.Server, where, name, object string, how func([]byte) []byte, says string) {
	w := newWorld(t, 2)
	if where == "bucket" {
		w.cfg.Targets[0] = w.bucket(s)
	}
	old := w.backup(1).Manifest.ID
	w.pass(time.Hour)
	id := w.backup(2).Manifest.ID
	path := w.object(where, id, object)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case how == nil:
		err = os.Remove(path)
	case strings.HasPrefix(name, "swap"):
		other := w.object(where, old, object)
		err = errors.Join(os.Rename(path, path+"2"), os.Rename(other, path), os.Rename(path+"2", other))
	default:
		change(t, path, how)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.seen(says+" "+where, id)
	done, err := w.vault().Complete(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range done {
		if d.Err != nil {
			t.Error(d.Err)
		}
	}
	if strings.HasPrefix(says, "check") {
		return // sizes are right: found by reading only, and read from the other copy
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("not made whole: %v", err)
	}
	if cat := w.list(); len(cat.Problems) != 0 {
		t.Errorf("problems left: %s", codes(cat))
	}
}

func swap(b []byte) []byte { return b }

// seen holds that damage is named and that all backups are read all the same.
func (w *world) seen(says, id string) {
	w.t.Helper()
	cat := w.list()
	if len(cat.Entries) != 2 {
		w.t.Fatalf("%d entries; %s", len(cat.Entries), codes(cat))
	}
	for _, e := range cat.Entries {
		w.mustRead(e)
	}
	if !strings.HasPrefix(says, "check") {
		if !strings.Contains(codes(cat), says) {
			w.t.Errorf("problems: %q, want %s", codes(cat), says)
		}
		return
	}
	e, _ := cat.Find(id)
	checks := w.vault().Check(w.t.Context(), e)
	if len(checks) != 2 || checks[0].Err == nil || checks[1].Err != nil {
		w.t.Errorf("check: %+v", checks)
	}
}

// TestForgedBySomebodyElse: a well-signed manifest of a stranger is no backup.
func TestForgedBySomebodyElse(t *testing.T) {
	w := newWorld(t, 1)
	w.backup(1)
	stranger, err := vault.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Trusted = []ed25519.PublicKey{stranger.Public().(ed25519.PublicKey)}
	if cat := w.list(); len(cat.Entries) != 0 || !strings.Contains(codes(cat), string(vault.ManifestForged)) {
		t.Errorf("got %d entries, %s", len(cat.Entries), codes(cat))
	}
}

// TestAllCopiesDamaged: the error says so, and the backup before is there.
func TestAllCopiesDamaged(t *testing.T) {
	w := newWorld(t, 2)
	w.backup(1)
	w.pass(time.Hour)
	id := w.backup(2).Manifest.ID
	for _, d := range []string{"disk1", "disk2"} {
		change(t, w.object(d, id, "etcd.snapshot.zst.age"), func(b []byte) []byte { b[300_000] ^= 1; return b })
	}
	cat := w.list()
	if _, err := read(t.Context(), w.vault(), cat.Entries[0], w.id); !errors.Is(err, vault.ErrChunk) || !strings.Contains(err.Error(), "chunk 4 is right on no target") {
		t.Errorf("got %v", err)
	}
	w.mustRead(cat.Entries[1])
}

// TestTwoHalvesMakeAWhole: both copies are damaged, at different places.
func TestTwoHalvesMakeAWhole(t *testing.T) {
	w := newWorld(t, 2)
	id := w.backup(1).Manifest.ID
	change(t, w.object("disk1", id, "etcd.snapshot.zst.age"), func(b []byte) []byte { b[10] ^= 1; return b })
	change(t, w.object("disk2", id, "etcd.snapshot.zst.age"), func(b []byte) []byte { b[200_000] ^= 1; return b })
	e := w.list().Entries[0]
	for _, c := range w.vault().Check(t.Context(), e) {
		if c.Err == nil {
			t.Errorf("the copy on %s passed", c.Target)
		}
	}
	w.mustRead(e)
}

func TestReadOnlyAndDownTargets(t *testing.T) {
	w := newWorld(t, 2)
	missing := filepath.Join(t.TempDir(), "gone")
	w.cfg.Targets = append(w.cfg.Targets, gone{w.cfg.Targets[0], "gone", missing})
	res := w.backup(1)
	if len(res.Receipts) != 2 || !errors.Is(res.Failed["gone"], target.ErrDenied) {
		t.Fatalf("got %+v", res)
	}
	if cat := w.list(); len(cat.Entries) != 1 || codes(cat) != "target-down gone" {
		t.Errorf("got %s", codes(cat))
	}
}
