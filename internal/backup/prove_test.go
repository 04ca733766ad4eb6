package backup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// TestProofAsksForRoomFirst would prove a backup of an exabyte.
func TestProofAsksForRoomFirst(t *testing.T) {
	v, err := Open(&cluster.Vault{Plain: true, Targets: []cluster.VaultTarget{{Name: "a", Dir: t.TempDir()}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	e := catalog.Entry{Manifest: catalog.Manifest{Format: 1, ID: "x", Created: time.Now(), Parts: []catalog.Part{{Name: SnapshotPart, Object: "o",
		Plain: catalog.Digest{Size: 1 << 60}, Sealed: catalog.Digest{Size: 1}, Chunk: 1, Chunks: []string{"00"}}}},
		Copies: []catalog.Copy{{Target: "a", State: catalog.Whole}}}
	scratch := t.TempDir()
	if _, err := v.Prove(t.Context(), e, Proving{Scratch: scratch, Unsigned: true}); err == nil || !strings.Contains(err.Error(), "are needed") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestTheLocalSigningKeyIsTrusted has a vault in which somebody has put a key
// and a backup of his own: it is not believed where a signing key lies.
func TestTheLocalSigningKeyIsTrusted(t *testing.T) {
	dir, here := t.TempDir(), t.TempDir()
	write := func(name string) string {
		key := filepath.Join(here, name)
		if _, _, err := SigningKey(key); err != nil {
			t.Fatal(err)
		}
		c := &cluster.Vault{Plain: true, SigningKey: key, Targets: []cluster.VaultTarget{{Name: "a", Dir: dir}}}
		v, err := Open(c, Options{Write: true})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		prepared(t, v)
		b, err := v.Begin(t.Context(), catalog.Cluster{Name: name}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Part(t.Context(), SnapshotPart, strings.NewReader(name)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Commit(t.Context(), vault.Facts{Cluster: catalog.Cluster{Name: name}, Revision: 1}); err != nil {
			t.Fatal(err)
		}
		return key
	}
	own := write("own")
	write("stranger")
	for key, want := range map[string]int{own: 1, "": 2, filepath.Join(here, "none"): 2} {
		v, err := Open(&cluster.Vault{Plain: true, SigningKey: key, Targets: []cluster.VaultTarget{{Name: "a", Dir: dir}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		all, _, _, err := v.Candidates(t.Context(), catalog.Cluster{}, time.Now())
		if err != nil || len(all) != want || want == 1 && (all[0].Cluster.Name != "own" || all[0].Trust != catalog.TrustConfigured) || want == 2 && all[0].Trust != catalog.TrustVault {
			t.Errorf("signing key %q: %v, %+v", key, err, all)
		}
		_ = v.Close() // a folder
	}
}

func prepared(t *testing.T, v *Vault) {
	t.Helper()
	for name, err := range v.Prepare(t.Context()) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// TestABundleThatCannotBeComparedFailsTheProof has a whole bundle, and data that
// cannot be read beside it.
func TestABundleThatCannotBeComparedFailsTheProof(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(t.TempDir(), "sign")
	if _, _, err := SigningKey(key); err != nil {
		t.Fatal(err)
	}
	v, err := Open(&cluster.Vault{Plain: true, SigningKey: key, Targets: []cluster.VaultTarget{{Name: "a", Dir: dir}}}, Options{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	prepared(t, v)
	b, err := v.Begin(t.Context(), catalog.Cluster{Name: "c"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := (bundle.Bundle{Format: bundle.Format, Cluster: "c", Created: time.Now()}).Write(&text); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Part(t.Context(), BundlePart, &text); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Commit(t.Context(), vault.Facts{Cluster: catalog.Cluster{Name: "c"}, Revision: 1}); err != nil {
		t.Fatal(err)
	}
	cat, err := v.List(t.Context())
	if err != nil || len(cat.Entries) != 1 {
		t.Fatal(cat, err)
	}
	opened, err := v.OpenFrom(cat.Entries[0], nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "image.db")
	if err := os.WriteFile(image, bytes.Repeat([]byte("no db"), 9000), 0o600); err != nil {
		t.Fatal(err)
	}
	x := trial{v: v, e: cat.Entries[0], opened: opened, proof: catalog.Proof{Passed: true}}
	if err := x.bundle(t.Context(), image); err != nil || x.proof.Passed || len(x.proof.Notes) == 0 || x.proof.Notes[0].Code != ProofDamage {
		t.Errorf("%v, %+v", err, x.proof)
	}
}
