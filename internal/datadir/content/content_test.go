package content_test

import (
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir/content"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

func sum(t *testing.T, kvs ...*mvccpb.KeyValue) cluster.Content {
	t.Helper()
	h := content.NewHasher()
	for _, kv := range kvs {
		if err := h.Add(kv); err != nil {
			t.Fatal(err)
		}
	}
	return h.Sum(9)
}

// TestEveryFieldCounts changes one field at a time.
func TestEveryFieldCounts(t *testing.T) {
	seen := map[string]bool{}
	variants := [][]*mvccpb.KeyValue{
		nil,
		{{Key: []byte("a"), Value: []byte("b"), CreateRevision: 1, ModRevision: 2, Version: 3}},
		{{Key: []byte("ab"), CreateRevision: 1, ModRevision: 2, Version: 3}},
		{{Key: []byte("a"), Value: []byte("b"), CreateRevision: 2, ModRevision: 2, Version: 3}},
		{{Key: []byte("a"), Value: []byte("b"), CreateRevision: 1, ModRevision: 3, Version: 3}},
		{{Key: []byte("a"), Value: []byte("b"), CreateRevision: 1, ModRevision: 2, Version: 4}},
		{{Key: []byte("a")}, {Key: []byte("b")}},
	}
	for i, v := range variants {
		c := sum(t, v...)
		if c.Keys != int64(len(v)) || c.Revision != 9 {
			t.Errorf("variant %d: %+v", i, c)
		}
		seen[c.SHA256] = true
	}
	if len(seen) != len(variants) {
		t.Errorf("%d different sums of %d variants", len(seen), len(variants))
	}
}

// TestOrderAndPhantom: keys come in order, and the empty key does not count.
func TestOrderAndPhantom(t *testing.T) {
	if got, want := sum(t, &mvccpb.KeyValue{ModRevision: 5}, &mvccpb.KeyValue{Key: []byte("a")}), sum(t, &mvccpb.KeyValue{Key: []byte("a")}); got != want {
		t.Errorf("with the empty key %+v, without %+v", got, want)
	}
	h := content.NewHasher()
	for i, k := range []string{"b", "b", "a"} {
		if err := h.Add(&mvccpb.KeyValue{Key: []byte(k)}); (err == nil) != (i == 0) {
			t.Errorf("key %d, %q: %v", i, k, err)
		}
	}
}
