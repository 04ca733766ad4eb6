package etcd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
)

func TestStreamSnapshotAndEach(t *testing.T) {
	n := run(t, 1)[0]
	raw, err := clientv3.New(clientv3.Config{Endpoints: n.ClientURLs})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for i := range 1203 {
		if _, err := raw.Put(t.Context(), fmt.Sprintf("/registry/a/%04d", i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := raw.Put(t.Context(), "/registry/b", "not below a"); err != nil {
		t.Fatal(err)
	}
	c, err := etcd.Dial(t.Context(), n.ClientURLs, cluster.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got bytes.Buffer
	size, _, err := c.StreamSnapshot(t.Context(), &got, nil)
	if err != nil || size != int64(got.Len()) {
		t.Fatalf("%d bytes, %v; %d came", size, err, got.Len())
	}
	path := filepath.Join(t.TempDir(), "snap.db")
	if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := etcd.CheckTrailer(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, _, err := c.StreamSnapshot(t.Context(), full{}, nil); !errors.Is(err, errFull) {
		t.Errorf("got %v, want the writer's error", err)
	}
	keys := 0
	err = c.Each(t.Context(), "/registry/a/", func(key, value []byte) error {
		if want := fmt.Sprintf("/registry/a/%04d=%d", keys, keys); string(key)+"="+string(value) != want {
			return fmt.Errorf("%s=%s, want %s", key, value, want)
		}
		keys++
		return nil
	})
	if err != nil || keys != 1203 {
		t.Errorf("%d keys, %v", keys, err)
	}
	if v, ok, err := c.Get(t.Context(), "/registry/b"); err != nil || !ok || string(v) != "not below a" {
		t.Errorf("%q %v %v", v, ok, err)
	}
	if _, ok, err := c.Get(t.Context(), "/registry/none"); err != nil || ok {
		t.Errorf("%v %v", ok, err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
