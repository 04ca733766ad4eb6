package diff_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/datadir/diff"
	"github.com/salvor-project/salvor/internal/kube"
	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// store writes a db as etcd lays it out, revision by revision.
type store struct {
	t        testing.TB
	path     string
	revision int64
	made     map[string]*mvccpb.KeyValue
	records  [][2][]byte
}

func newStore(t testing.TB) *store {
	return &store{t: t, path: filepath.Join(t.TempDir(), "db"), revision: 1, made: map[string]*mvccpb.KeyValue{}}
}

func (s *store) put(key, value string) *store {
	s.revision++
	kv := &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: s.revision, CreateRevision: s.revision, Version: 1}
	if before := s.made[key]; before != nil {
		kv.CreateRevision, kv.Version = before.CreateRevision, before.Version+1
	}
	s.made[key] = kv
	s.record(kv, "")
	return s
}

func (s *store) delete(key string) *store {
	s.revision++
	delete(s.made, key)
	s.record(&mvccpb.KeyValue{Key: []byte(key)}, "t")
	return s
}

func (s *store) record(kv *mvccpb.KeyValue, mark string) {
	b, err := proto.Marshal(kv)
	if err != nil {
		s.t.Fatal(err)
	}
	k := binary.BigEndian.AppendUint64(nil, uint64(s.revision))
	k = append(binary.BigEndian.AppendUint64(append(k, '_'), 0), mark...)
	s.records = append(s.records, [2][]byte{k, b})
}

// write makes the file and gives it as a side at its newest revision.
func (s *store) write() diff.Side {
	s.t.Helper()
	db, err := bolt.Open(s.path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true})
	if err != nil {
		s.t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("key"))
		if err != nil {
			return err
		}
		b.FillPercent = 0.9
		for _, r := range s.records {
			if err := b.Put(r[0], r[1]); err != nil {
				return err
			}
		}
		_, err = tx.CreateBucketIfNotExists([]byte("meta"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		s.t.Fatal(err)
	}
	return diff.Side{Path: s.path}
}

var born = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func configMap(t testing.TB, namespace, name, data string) (key, value string) {
	t.Helper()
	c, err := kube.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	o := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "u-" + "1", CreationTimestamp: metav1.NewTime(born)},
		Data:       map[string]string{"d": data},
	}
	k, err := c.Key(o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Encode(o)
	if err != nil {
		t.Fatal(err)
	}
	return k, string(v)
}

func compare(t *testing.T, a, b diff.Side) ([]diff.Change, diff.Summary) {
	t.Helper()
	var got []diff.Change
	s, err := diff.Compare(t.Context(), a, b, func(c diff.Change) error { got = append(got, c); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got, s
}

// pair is two stores with a common past.
func pair(t *testing.T) (a, b *store) {
	a, b = newStore(t), newStore(t)
	for _, s := range []*store{a, b} {
		s.put(configMap(t, "default", "same", "1"))
		s.put(configMap(t, "default", "edited", "1"))
		s.put(configMap(t, "default", "gone", "1"))
		s.put("/registry/secrets/kube-system/s", "k8s:enc:aescbc:v1:key1:xxxxxxxx")
		s.put("compact_rev_key", "1").put("/registry/minions/n", "junk").put("twice", "v").put("again", "v")
	}
	b.put(configMap(t, "default", "edited", "2"))
	b.put(configMap(t, "default", "new", "1"))
	b.put("/registry/secrets/kube-system/s", "k8s:enc:aescbc:v1:key2:yyyyyyyy")
	b.put("compact_rev_key", "2").put("/registry/minions/n", "more junk").put("twice", "v")
	b.delete("/registry/configmaps/default/gone").delete("again").put("again", "v")
	b.put("passing", "x").delete("passing")
	return a, b
}

func TestCompare(t *testing.T) {
	left, right := pair(t)
	a, b := left.write(), right.write()
	got, sum := compare(t, a, b)
	var lines []string
	for _, c := range got {
		lines = append(lines, fmt.Sprintf("%s %s|%s|%s", c.Kind, c.Resource, c.Namespace, c.Name))
	}
	want := []string{
		"changed ||", // again
		"changed ||", // compact_rev_key
		"changed configmaps|default|edited", "deleted configmaps|default|gone", "created configmaps|default|new",
		"changed minions||n", "changed secrets|kube-system|s",
	}
	slices.Sort(lines)
	slices.Sort(want)
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	if sum.Created != 1 || sum.Deleted != 1 || sum.Changed != 5 || sum.Same != 2 || sum.Rewritten != 1 ||
		sum.KeysA != 8 || sum.KeysB != 8 || sum.Equal() {
		t.Errorf("%+v", sum)
	}
	find := func(key string) diff.Change {
		return got[slices.IndexFunc(got, func(c diff.Change) bool { return c.Key == key })]
	}
	edited := find("/registry/configmaps/default/edited")
	if edited.A.ModRevision != 3 || edited.B.ModRevision != 10 || edited.B.CreateRevision != 3 || edited.B.Version != 2 ||
		!edited.B.Created.Equal(born) || edited.B.Kind != "ConfigMap" {
		t.Errorf("%+v %+v", edited.A, edited.B)
	}
	if s := find("/registry/secrets/kube-system/s"); s.B.Encrypted != "aescbc" {
		t.Errorf("%+v", s.B)
	}
	if n := find("/registry/minions/n"); n.B.Unreadable == "" {
		t.Errorf("%+v", n.B)
	}
	// The other way round, created and deleted change places.
	_, back := compare(t, b, a)
	if back.Created != sum.Deleted || back.Deleted != sum.Created || back.Changed != sum.Changed {
		t.Errorf("%+v", back)
	}
	// At the revision where the two parted they are equal.
	if list, s := compare(t, a, diff.Side{Path: b.Path, Revision: left.revision}); len(list) > 0 || !s.Equal() {
		t.Errorf("%+v", list)
	}
}

func TestWriters(t *testing.T) {
	left, right := pair(t)
	a, b := left.write(), right.write()
	var text, doc bytes.Buffer
	w, j := diff.NewText(&text), diff.NewJSON(&doc)
	sum, err := diff.Compare(t.Context(), a, b, func(c diff.Change) error { return errors.Join(w.Change(c), j.Change(c)) })
	if err := errors.Join(err, w.Summary(sum), j.Summary(sum)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  + default/new ", "  - default/gone ", "  ~ default/edited ", "revision 3 -> 10, created 2026-02-03T04:05:06Z",
		"B has 1 keys that A has not, lacks 1 that A has, and differs in 5; 2 are the same (1 of them",
		"created anew", "encrypted (aescbc)", "unreadable",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	var got struct {
		Kind    string
		Changes []diff.Change
		Summary diff.Summary
	}
	if err := json.Unmarshal(doc.Bytes(), &got); err != nil || got.Kind != "SnapshotDiff" || len(got.Changes) != 7 || got.Summary.Changed != 5 {
		t.Errorf("%v\n%s", err, doc.String())
	}
	doc.Reset()
	if err := diff.NewJSON(&doc).Summary(sum); err != nil || !json.Valid(doc.Bytes()) {
		t.Errorf("no changes: %v\n%s", err, doc.String())
	}
}

// TestDamage: what cannot be read on one side is never told as deleted.
func TestDamage(t *testing.T) {
	a, b := newStore(t), newStore(t)
	for i := range 2000 {
		for _, s := range []*store{a, b} {
			s.put(fmt.Sprintf("k%04d", i), strings.Repeat("v", 200))
		}
	}
	left, right := a.write(), b.write()
	raw, err := os.ReadFile(right.Path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("k1000"))
	clear(raw[at/4096*4096 : at/4096*4096+4096])
	if err := os.WriteFile(right.Path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := diff.Compare(t.Context(), left, right, func(diff.Change) error { n++; return nil }); err == nil || n > 0 {
		t.Errorf("%d changes, %v", n, err)
	}
}

// TestHundredThousand: five seconds are the limit for 100,000 objects a side.
func TestHundredThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	a, b := newStore(t), newStore(t)
	_, value := configMap(t, "ns", "name", strings.Repeat("x", 300))
	for i := range 100_000 {
		key := fmt.Sprintf("/registry/configmaps/ns%02d/name%06d", i%50, i)
		if i < 99_000 {
			a.put(key, value)
		}
		b.put(key, value)
	}
	left, right := a.write(), b.write()
	began := time.Now()
	list, sum := compare(t, left, right)
	took := time.Since(began)
	if len(list) != 1000 || sum.Created != 1000 || sum.Same != 99_000 {
		t.Errorf("%d changes, %+v", len(list), sum)
	}
	t.Logf("compared in %v", took)
	if took > 15*time.Second {
		t.Errorf("took %v", took)
	}
}
