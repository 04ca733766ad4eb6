package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/vault"
	"github.com/salvor-project/salvor/internal/vault/catalog"
)

// kept is a backup of a snapshot on two folders.
type kept struct {
	*testing.T
	v        *Vault
	dir      string
	snapshot []byte
	c        Candidate
}

func newKept(t *testing.T) kept {
	t.Helper()
	k := kept{T: t, dir: t.TempDir()}
	var targets []cluster.VaultTarget
	for _, name := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(k.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		targets = append(targets, cluster.VaultTarget{Name: name, Dir: filepath.Join(k.dir, name)})
	}
	key := filepath.Join(k.dir, "sign")
	if _, _, err := SigningKey(key); err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(k.dir, "key")
	recipient, err := NewIdentity(identity, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k.v, err = Open(&cluster.Vault{SigningKey: key, Identity: identity, Recipients: []string{recipient}, Targets: targets}, Options{Seal: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.v.Close() }) // folders
	prepared(t, k.v)
	k.snapshot = aSnapshot(t, 6000, 4000)
	of := catalog.Cluster{Name: "c", ID: "1"}
	b, err := k.v.Begin(t.Context(), of, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Part(t.Context(), SnapshotPart, bytes.NewReader(k.snapshot)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Commit(t.Context(), vault.Facts{Cluster: of, Revision: 6001}); err != nil {
		t.Fatal(err)
	}
	all, _, _, err := k.v.Candidates(t.Context(), of, time.Now())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	k.c = all[0]
	if len(k.part().Chunks) < 4 {
		t.Fatalf("only %d chunks: there is no middle", len(k.part().Chunks))
	}
	return k
}

func (k kept) part() catalog.Part {
	p, _ := k.c.entry.Manifest.Part(SnapshotPart)
	return p
}

// aSnapshot makes the snapshot of an etcd with that many keys, each written
// once, whose values cannot be compressed.
func aSnapshot(t *testing.T, keys, size int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{7})
	err = db.Update(func(tx *bolt.Tx) error {
		records, err := tx.CreateBucket([]byte("key"))
		if err != nil {
			return err
		}
		value := make([]byte, size)
		for i := range keys {
			rev := int64(i + 2)
			_, _ = random.Read(value) // never fails
			v, err := proto.Marshal(&mvccpb.KeyValue{Key: fmt.Appendf(nil, "/k/%05d", i), Value: value, CreateRevision: rev, ModRevision: rev, Version: 1})
			if err != nil {
				return err
			}
			name := append(binary.BigEndian.AppendUint64(nil, uint64(rev)), '_')
			if err := records.Put(binary.BigEndian.AppendUint64(name, 0), v); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		return errors.Join(meta.Put([]byte("consistent_index"), binary.BigEndian.AppendUint64(nil, 9000)), meta.Put([]byte("term"), binary.BigEndian.AppendUint64(nil, 2)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// flip changes a byte of chunk i on a target; giving it back heals it.
func (k kept) flip(target string, i int) (heal func()) {
	k.Helper()
	path := filepath.Join(k.dir, target, "backups", k.c.ID, k.part().Object)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		k.Fatal(err)
	}
	b, at := make([]byte, 1), int64(i)*k.part().Chunk+k.part().Chunk/2
	put := func(f *os.File) {
		_, err := f.ReadAt(b, at)
		if err == nil {
			b[0] ^= 0x10
			_, err = f.WriteAt(b, at)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			k.Fatal(err)
		}
	}
	put(f)
	return func() {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			k.Fatal(err)
		}
		put(f)
	}
}

// restoring is how the backup is restored here.
func restoring(dir string, compact bool) datadir.RestoreOptions {
	const group = "a=http://127.0.0.1:1,b=http://127.0.0.1:2"
	members, _ := datadir.AllMembers(dir, group)
	return datadir.RestoreOptions{Members: members, InitialCluster: group, Token: "t", Compact: compact}
}

func (k kept) db(dir string) []byte {
	k.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "b", "member", "snap", "db"))
	if err != nil {
		k.Fatal(err)
	}
	return b
}

// alternate damages each chunk on one of the two targets.
func (k kept) alternate() (heal func()) {
	var all []func()
	for i := range k.part().Chunks[:len(k.part().Chunks)-1] {
		all = append(all, k.flip([]string{"one", "two"}[i%2], i))
	}
	return func() {
		for _, one := range all {
			one()
		}
	}
}

// TestRestoreFallsOver restores from two copies that are damaged in different
// places: what is put together of them is what the whole one gives, for a
// restore while it is fetched and for a fetched file.
func TestRestoreFallsOver(t *testing.T) {
	k := newKept(t)
	file := filepath.Join(k.dir, "snap.db")
	if _, err := k.v.Fetch(t.Context(), k.c, file); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, k.snapshot) {
		t.Fatalf("%d bytes of %d were fetched: %v", len(b), len(k.snapshot), err)
	}
	for _, compact := range []bool{false, true} {
		want := restoring(filepath.Join(k.dir, fmt.Sprint("file", compact)), compact)
		want.Source = file
		if _, err := datadir.Restore(t.Context(), want, nil); err != nil {
			t.Fatal(err)
		}
		heal := k.alternate()
		into := filepath.Join(k.dir, fmt.Sprint("stream", compact))
		r, err := k.v.Restore(t.Context(), k.c, restoring(into, compact), nil)
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for _, x := range r.Targets {
			wrong += len(x.Bad)
		}
		if wrong == 0 {
			t.Error("no wrong chunk was met: the test proves nothing")
		}
		if r.Keys != 6000 || r.Backup != k.c.ID || r.SourceSHA256 != k.part().Plain.SHA256 {
			t.Errorf("%+v", r)
		}
		if !bytes.Equal(k.db(into), k.db(filepath.Join(k.dir, fmt.Sprint("file", compact)))) {
			t.Errorf("compact %v: the db differs from that of the whole file", compact)
		}
		again := filepath.Join(k.dir, fmt.Sprint("again", compact))
		if _, err := k.v.Fetch(t.Context(), k.c, again); err != nil {
			t.Errorf("fetch from damaged copies: %v", err)
		} else if b, err := os.ReadFile(again); err != nil || !bytes.Equal(b, k.snapshot) {
			t.Errorf("what was fetched from damaged copies differs: %v", err)
		}
		heal()
	}
}

// TestRestoreOfDamagedCopies has the same chunk wrong everywhere: nothing may
// be left at the targets, and the same restore works once one copy is right.
func TestRestoreOfDamagedCopies(t *testing.T) {
	k := newKept(t)
	root := filepath.Join(k.dir, "out")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	heal := k.flip("one", 2)
	k.flip("two", 2)
	for _, compact := range []bool{false, true} {
		if _, err := k.v.Restore(t.Context(), k.c, restoring(root, compact), nil); !errors.Is(err, vault.ErrChunk) {
			t.Errorf("compact %v: %v", compact, err)
		}
		if _, err := k.v.Fetch(t.Context(), k.c, filepath.Join(root, "snap.db")); !errors.Is(err, vault.ErrChunk) {
			t.Errorf("fetch: %v", err)
		}
		if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
			t.Errorf("compact %v: left %v, %v", compact, left, err)
		}
	}
	heal()
	if _, err := k.v.Restore(t.Context(), k.c, restoring(root, true), nil); err != nil {
		t.Error(err)
	}
}
