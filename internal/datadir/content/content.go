// Package content computes the fingerprint of an etcd keyspace. The same code
// serves a file at rest and the paged answers of a running member, so that the
// two can be compared. It depends on etcd's message types only.
package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Hasher folds live keys, in ascending byte order, into a cluster.Content.
// The zero value is not usable; call NewHasher.
type Hasher struct {
	sum  hash.Hash
	buf  []byte
	last []byte
	keys int64
}

// NewHasher makes a Hasher that has seen no key.
func NewHasher() *Hasher { return &Hasher{sum: sha256.New()} }

// Add folds one live key in. Keys must come in strictly ascending byte order,
// as a Range over everything returns them. The empty key is skipped: etcd
// refuses it, and only etcdutl's revision bump leaves one in a db.
//
// Each field (key, value, create revision, modification revision, version) is
// written as its length (8 bytes, big endian) and its bytes; a number is 8
// bytes, big endian.
func (h *Hasher) Add(kv *mvccpb.KeyValue) error {
	if len(kv.GetKey()) == 0 {
		return nil
	}
	if h.keys > 0 && bytes.Compare(h.last, kv.Key) >= 0 {
		return fmt.Errorf("hash content: key %q does not come after %q", kv.Key, h.last)
	}
	h.last = append(h.last[:0], kv.Key...)
	h.keys++
	h.buf = h.buf[:0]
	h.bytes(kv.Key)
	h.bytes(kv.Value)
	for _, n := range []int64{kv.CreateRevision, kv.ModRevision, kv.Version} {
		h.buf = binary.BigEndian.AppendUint64(h.buf, 8)
		h.buf = binary.BigEndian.AppendUint64(h.buf, uint64(n))
	}
	h.sum.Write(h.buf)
	return nil
}

func (h *Hasher) bytes(b []byte) {
	h.buf = binary.BigEndian.AppendUint64(h.buf, uint64(len(b)))
	h.buf = append(h.buf, b...)
}

// Sum gives the fingerprint of the keys added so far, labelled with revision.
func (h *Hasher) Sum(revision int64) cluster.Content {
	return cluster.Content{Revision: revision, Keys: h.keys, SHA256: hex.EncodeToString(h.sum.Sum(nil))}
}
