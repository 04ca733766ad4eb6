package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestWrongClientFiles: a cluster in good health that Salvor cannot ask,
// because its own certificate, key or authority is wrong, is left alone.
func TestWrongClientFiles(t *testing.T) {
	l := labOf(t, 3)
	other := newLab(t, t.TempDir(), 1, freePorts(t, 2))
	other.issue()
	l.write()
	l.start(l.names()...)
	l.ready(l.names()...)
	was := fmt.Sprint(l.pids("m1"), l.pids("m2"), l.pids("m3"))
	for name, c := range map[string]struct {
		change func(*cluster.Config)
		says   string
	}{
		"missing key":      {func(c *cluster.Config) { c.Client.Key = "/nonexistent/client.key" }, "/nonexistent/client.key"},
		"wrong key":        {func(c *cluster.Config) { c.Client.Key = other.client().Key }, "private key does not match"},
		"wrong authority":  {func(c *cluster.Config) { c.Client.CA = other.caFile() }, "did not issue the server certificate"},
		"other's files":    {func(c *cluster.Config) { c.Client.Cert, c.Client.Key = other.client().Cert, other.client().Key }, "did not issue the client certificate"},
		"authority unsaid": {unsaid(other), "could not be asked"},
	} {
		t.Run(name, func(t *testing.T) {
			l.change = c.change
			l.write()
			l.salvor("recover", "--accept-loss", "unknown").want(t, 4, c.says, "salvor.yaml")
			if is := fmt.Sprint(l.pids("m1"), l.pids("m2"), l.pids("m3")); is != was {
				t.Fatalf("processes were %s, are %s", was, is)
			}
		})
	}
	l.ready(l.names()...)
}

// unsaid is a certificate of another authority where the configuration does
// not tell whom the members trust: only they can say no.
func unsaid(other *lab) func(*cluster.Config) {
	return func(c *cluster.Config) {
		c.Client.Cert, c.Client.Key = other.client().Cert, other.client().Key
		for i := range c.Members {
			c.Members[i].Certificates = cluster.MemberCertificates{}
		}
	}
}

// TestWrongClientFilesOfTheDead: before anything is done to dead members it
// must be clear that they can be asked afterwards.
func TestWrongClientFilesOfTheDead(t *testing.T) {
	l := labOf(t, 3)
	l.lose("m2", "m3")
	l.change = func(c *cluster.Config) { c.Client.Key = filepath.Join(l.pki, "member.key") }
	l.write()
	before := l.kept()
	l.salvor("recover", "--accept-loss", "unknown").want(t, 4, "private key does not match", "mend `client` in salvor.yaml")
	unchanged(t, before, l.kept())
}

// TestBadSnapshots: nothing is left but a snapshot that is none.
func TestBadSnapshots(t *testing.T) {
	good := snapshot(t, 3)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(good)
	must(t, err)
	must(t, w.Close())
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"truncated": {good[:len(good)-1000], "not an etcd snapshot"},
		"half":      {good[:len(good)/2], "not an etcd snapshot"},
		"empty":     {nil, "the file is empty"},
		"gzip":      {packed.Bytes(), "gzip data: decompress it first"},
		"flipped":   {flipped, "sha256"},
		"text":      {[]byte("this is not a snapshot\n"), "not an etcd snapshot"},
	} {
		t.Run(name, func(t *testing.T) {
			l := labOf(t, 3)
			l.lose("m1", "m2", "m3")
			l.write()
			path := filepath.Join(l.snapshots(), name+".db")
			must(t, os.WriteFile(path, c.content, 0o600))
			before := l.kept()
			l.salvor("recover", "--accept-loss", "unknown").want(t, 10, path, c.says)
			l.salvor("recover", "--accept-loss", "unknown", "--source", "snapshot:h-m1:"+path).want(t, 10, path, c.says)
			unchanged(t, before, l.kept())
		})
	}
}

// TestSnapshotOfAnotherCluster: it is sound, but none of its members is ours.
// That it loses so and so many revisions cannot be said.
func TestSnapshotOfAnotherCluster(t *testing.T) {
	for name, lost := range map[string][]string{"nothing left": {"m1", "m2", "m3"}, "a survivor left": {"m2", "m3"}} {
		t.Run(name, func(t *testing.T) {
			l := labOf(t, 3)
			l.lose(lost...)
			l.write()
			path := filepath.Join(l.snapshots(), "other.db")
			must(t, os.WriteFile(path, snapshot(t, 1), 0o600))
			before := l.kept()
			l.salvor("recover", "--accept-loss", "100000", "--source", "snapshot:h-m1:"+path).
				want(t, 20, "it may be another cluster's", "nothing was done")
			unchanged(t, before, l.kept())
		})
	}
}
