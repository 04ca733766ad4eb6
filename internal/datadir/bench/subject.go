package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// subject says what a generated snapshot holds.
type subject struct {
	revisions, keys, valueSize int
	// fresh is true when every key is written once before any is written again,
	// in the order of the keys; otherwise the keys take turns.
	seed uint64
}

// batch is how many records a running etcd commits at once at most
// (server/storage/backend, defaultBatchLimit).
const batch = 10000

// generate writes a snapshot file as an etcd that was never compacted leaves
// it: its own fill, its own order, every value a Kubernetes object.
func generate(path string, s subject) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	work := path + ".part"
	if err := os.Remove(work); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bolt.Open(work, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true, NoGrowSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	if err := fill(db, s); err != nil {
		_ = db.Close()
		return err
	}
	size := int64(0)
	if err := db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := seal(work, size); err != nil {
		return err
	}
	return os.Rename(work, path)
}

func fill(db *bolt.DB, s subject) error {
	random := rand.New(rand.NewPCG(s.seed, 1))
	versions := make([]int64, s.keys)
	creates := make([]int64, s.keys)
	err := db.Update(func(tx *bolt.Tx) error {
		for _, b := range schema.AllBuckets {
			if _, err := tx.CreateBucketIfNotExists(b.Name()); err != nil {
				return err
			}
		}
		meta := tx.Bucket(schema.Meta.Name())
		put := func(k []byte, n uint64) error { return meta.Put(k, binary.BigEndian.AppendUint64(nil, n)) }
		return errors.Join(put(schema.MetaConsistentIndexKeyName, uint64(s.revisions)+10), put(schema.MetaTermKeyName, 2),
			meta.Put(schema.MetaStorageVersionName, []byte("3.7.0")),
			tx.Bucket(schema.Cluster.Name()).Put(schema.ClusterClusterVersionKeyName, []byte("3.7.0")))
	})
	for at := 0; at < s.revisions && err == nil; at += batch {
		err = db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(schema.Key.Name())
			b.FillPercent = 0.9
			for i := at; i < min(at+batch, s.revisions); i++ {
				k, rev := i, int64(i+2)
				if i >= s.keys {
					k = random.IntN(s.keys)
				}
				if versions[k]++; versions[k] == 1 {
					creates[k] = rev
				}
				name := fmt.Sprintf("/registry/pods/ns%03d/workload-%07d", k%997, k)
				kv := &mvccpb.KeyValue{
					Key: []byte(name), CreateRevision: creates[k], ModRevision: rev, Version: versions[k],
					Value: object(random, k, s.valueSize),
				}
				v, err := proto.Marshal(kv)
				if err != nil {
					return err
				}
				if err := b.Put(revisionKey(rev), v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

func revisionKey(main int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(main))
	return binary.BigEndian.AppendUint64(append(b, '_'), 0)
}

// object makes a stored Pod of about size bytes that does not compress well.
func object(random *rand.Rand, k, size int) []byte {
	filler := make([]byte, size-230)
	for i := 0; i+8 <= len(filler); i += 8 {
		const letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
		n := random.Uint64()
		for j := range 8 {
			filler[i+j] = letters[n>>(8*j)&63]
		}
	}
	for i := len(filler) &^ 7; i < len(filler); i++ {
		filler[i] = 'x'
	}
	meta := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("workload-%07d", k), Namespace: fmt.Sprintf("ns%03d", k%997),
		UID: "8c5f1b7e-0d5f-4a67-9c3a-1c2d3e4f5a6b", Annotations: map[string]string{"filler": string(filler)},
	}}
	raw, err := meta.Marshal()
	if err != nil {
		panic(err) // plain data; cannot fail
	}
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "Pod"}, Raw: raw}
	b, err := u.Marshal()
	if err != nil {
		panic(err)
	}
	return append([]byte("k8s\x00"), b...)
}

// seal cuts a db to its pages and adds the digest of a snapshot.
func seal(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return errors.Join(err, f.Close())
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.Write(h.Sum(nil))
	return errors.Join(err, f.Sync(), f.Close())
}
