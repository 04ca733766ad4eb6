package etcd_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/test/ports"
)

// node is a real etcd member in this process.
type node struct {
	cluster.Member
	server *embed.Etcd
	closed bool
}

// stop ends the member; again is harmless.
func (n *node) stop() {
	if !n.closed {
		n.closed = true
		n.server.Close()
	}
}

// freeURLs finds ports that are free now.
func freeURLs(t *testing.T, n int) []url.URL {
	t.Helper()
	var out []url.URL
	for range n {
		out = append(out, url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(ports.Free(t))})
	}
	return out
}

// nodes lays out n members with fast elections; nothing runs yet.
func nodes(t *testing.T, n int) ([]*node, func(i int, initial, state string) error) {
	t.Helper()
	urls := freeURLs(t, 2*n)
	dir := t.TempDir()
	var out []*node
	for i := range n {
		name := fmt.Sprintf("m%d", i+1)
		out = append(out, &node{Member: cluster.Member{Name: name, DataDir: filepath.Join(dir, name),
			ClientURLs: []string{urls[2*i].String()}, PeerURLs: []string{urls[2*i+1].String()}}})
	}
	start := func(i int, initial, state string) error {
		c := embed.NewConfig()
		c.Name, c.Dir = out[i].Name, out[i].DataDir
		c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{urls[2*i]}, []url.URL{urls[2*i]}
		c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{urls[2*i+1]}, []url.URL{urls[2*i+1]}
		c.InitialCluster, c.ClusterState = initial, state
		c.TickMs, c.ElectionMs = 20, 200
		c.LogLevel, c.LogOutputs = "fatal", []string{filepath.Join(dir, "log")}
		c.QuotaBackendBytes = 16 << 20
		c.UnsafeNoFsync = true
		s, err := embed.StartEtcd(c)
		if err == nil {
			out[i].server = s
			t.Cleanup(out[i].stop)
		}
		return err
	}
	return out, start
}

// run starts all members as one new cluster and waits until it serves.
func run(t *testing.T, n int) []*node {
	t.Helper()
	all, start := nodes(t, n)
	var ms []cluster.Member
	for _, m := range all {
		ms = append(ms, m.Member)
	}
	for i := range all {
		if err := start(i, cluster.InitialCluster(ms), "new"); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range all {
		select {
		case <-m.server.Server.ReadyNotify():
		case <-time.After(20 * time.Second):
			t.Fatalf("%s is not ready", m.Name)
		}
	}
	return all
}

func dial(t *testing.T, m cluster.Member) *etcd.Client {
	t.Helper()
	c, err := etcd.Dial(t.Context(), m.ClientURLs, cluster.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// plainClient is etcd's own, for what the package under test does not do.
func plainClient(t *testing.T, m cluster.Member) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: m.ClientURLs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
