package datadir

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// TestTreeWriter writes trees of every shape and lets bbolt read, check and
// change them.
func TestTreeWriter(t *testing.T) {
	for _, pageSize := range []int{4096, 16384} {
		for _, n := range []int{0, 1, 2, 3, 200, 20000} {
			for _, size := range []int{0, 30, 2300, 9000} {
				if n*size < 20<<20 {
					t.Run(fmt.Sprintf("%d records of %d in pages of %d", n, size, pageSize), func(t *testing.T) { oneTree(t, pageSize, n, size) })
				}
			}
		}
	}
}

func oneTree(t *testing.T, pageSize, n, size int) {
	path := filepath.Join(t.TempDir(), "db")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := newPageWriter(context.Background(), f, pageSize, 2, nil)
	tree := newTreeWriter(w)
	random, sum := rand.New(rand.NewPCG(1, uint64(n))), 0
	key := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }
	for i := range n {
		value := make([]byte, random.IntN(size+1))
		sum += len(value)
		if err := tree.add(0, key(i), value); err != nil {
			t.Fatal(err)
		}
	}
	root, err := tree.finish()
	if err == nil {
		err = finishDB(w, map[string][]byte{"key": bucketRef(root, 0)}, nil, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	count, total := 0, 0
	look := func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		count, total = 0, 0
		return tx.Bucket([]byte("key")).ForEach(func(k, v []byte) error {
			count, total = count+1, total+len(v)
			return nil
		})
	}
	if err := db.View(look); err != nil || count != n || total != sum {
		t.Fatalf("%d records of %d bytes, want %d of %d: %v", count, total, n, sum, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("key"))
		for i := 0; i < n; i += 3 {
			if err := b.Delete(key(i)); err != nil {
				return err
			}
		}
		return b.Put(key(n), []byte("more"))
	})
	if err == nil {
		err = db.View(look)
	}
	if want := n - (n+2)/3 + 1; err != nil || count != want {
		t.Errorf("after a change %d records, want %d: %v", count, want, err)
	}
}

// TestKeyTable holds a table against a map.
func TestKeyTable(t *testing.T) {
	table, want := newKeyTable[int](), map[string]int{}
	random := rand.New(rand.NewPCG(2, 2))
	for i := range 200_000 {
		key := fmt.Sprint(random.IntN(60_000))
		v, known := table.at([]byte(key))
		if was, ok := want[key]; known != ok || *v != was {
			t.Fatalf("%s: %d %v, want %d %v", key, *v, known, was, ok)
		}
		*v, want[key] = i, i
	}
	n := 0
	for i := range table.shards {
		table.shards[i].each(func(keyID, int) { n++ })
	}
	if n != len(want) {
		t.Errorf("%d keys, want %d", n, len(want))
	}
}

// FuzzRecord holds the reader in place against protobuf's own.
func FuzzRecord(f *testing.F) {
	kv := &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("v"), CreateRevision: 1, ModRevision: 2, Version: 2, Lease: 7}
	seed, err := proto.Marshal(kv)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{})
	f.Add(append(seed, 0x3a, 1, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var want mvccpb.KeyValue
		wantErr := proto.Unmarshal(b, &want)
		got, err := parseRecord(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if string(got.key) != string(want.Key) || string(got.value) != string(want.Value) || got.create != want.CreateRevision ||
			got.mod != want.ModRevision || got.version != want.Version || got.lease != want.Lease ||
			got.unknown != (len(want.ProtoReflect().GetUnknown()) > 0) {
			t.Fatalf("%+v, want %v", got, &want)
		}
	})
}
