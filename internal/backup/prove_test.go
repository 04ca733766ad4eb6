package backup

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
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
