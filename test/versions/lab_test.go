// Package versions_test holds Salvor's reading and writing of data dirs against
// real etcd servers of every supported minor.
package versions_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir/content"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// patience is how long a server of a busy machine may take for anything.
const patience = 60 * time.Second

// server is one etcd process.
type server struct {
	version, name, dir string
	peer, client       string
	token              string
	initial            string
	cmd                *exec.Cmd
	done               chan error
	api                *clientv3.Client
}

// newServers prepares n servers of one cluster.
func newServers(t *testing.T, version, token string, n int) []*server {
	t.Helper()
	root := t.TempDir()
	var list []*server
	var initial []string
	for i := range n {
		s := &server{version: version, name: fmt.Sprintf("m%d", i+1), token: token, peer: freeURL(t), client: freeURL(t)}
		s.dir = filepath.Join(root, s.name)
		initial = append(initial, s.name+"="+s.peer)
		list = append(list, s)
	}
	for _, s := range list {
		s.initial = strings.Join(initial, ",")
	}
	return list
}

// start starts servers together and waits until each answers a linearizable
// read.
func start(t *testing.T, list ...*server) {
	t.Helper()
	for _, s := range list {
		s.start(t)
	}
	for _, s := range list {
		s.wait(t)
	}
}

func (s *server) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := []string{"--name", s.name, "--data-dir", s.dir,
		"--listen-client-urls", s.client, "--advertise-client-urls", s.client,
		"--listen-peer-urls", s.peer, "--initial-advertise-peer-urls", s.peer,
		"--initial-cluster", s.initial, "--initial-cluster-token", s.token, "--initial-cluster-state", "new",
		"--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-outputs", "stderr"}
	if s.hasV2() {
		args = append(args, "--enable-v2") // as kubespray has it
	}
	s.cmd = exec.Command(etcds.Path(t, s.version), args...)
	s.cmd.Env = append(os.Environ(), "ETCD_UNSAFE_NO_FSYNC="+map[bool]string{true: "", false: "true"}[s.version == etcds.V3_4])
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, done := s.cmd, make(chan error, 1)
	s.done = done
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("etcd %s %s said:\n%s", s.version, s.name, tail(s.log()))
		}
	})
}

// hasV2 tells whether the server has the API before v3.
func (s *server) hasV2() bool { return s.version < "3.6" }

// asked asks for the server's health, as monitoring does. One that has the v2 API
// logs a request of it then.
func (s *server) asked(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.client+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	res := must(http.DefaultClient.Do(req))(t)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("etcd %s: /health: %s", s.version, res.Status)
	}
}

func (s *server) log() string { return s.dir + ".log" }

// wait connects and waits for a linearizable read.
func (s *server) wait(t *testing.T) {
	t.Helper()
	if s.api == nil {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.client}, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		s.api = c
		t.Cleanup(func() { c.Close() })
	}
	for end := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := s.api.Get(ctx, "x")
		cancel()
		if err == nil {
			return
		}
		select {
		case why := <-s.done:
			s.cmd = nil
			t.Fatalf("etcd %s %s ended: %v\n%s", s.version, s.name, why, tail(s.log()))
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("etcd %s %s does not serve: %v\n%s", s.version, s.name, err, tail(s.log()))
		}
	}
}

// kill ends a server at once, as a power cut would.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// stop ends a server in order.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.done:
		s.cmd = nil
	case <-time.After(patience):
		s.kill()
		t.Errorf("etcd %s %s does not stop", s.version, s.name)
	}
}

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

func freeURL(t *testing.T) string {
	t.Helper()
	return "http://127.0.0.1:" + strconv.Itoa(ports.Free(t))
}

// must gives v or ends the test.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// liveContent computes the fingerprint over the API, page by page.
func liveContent(t *testing.T, c *clientv3.Client, revision int64) cluster.Content {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h := content.NewHasher()
	for key := "\x00"; ; {
		r := must(c.Get(ctx, key, clientv3.WithFromKey(), clientv3.WithLimit(50), clientv3.WithRev(revision)))(t)
		if revision == 0 {
			revision = r.Header.Revision
		}
		for _, kv := range r.Kvs {
			if err := h.Add(kv); err != nil {
				t.Fatal(err)
			}
			key = string(kv.Key) + "\x00"
		}
		if !r.More {
			return h.Sum(revision)
		}
	}
}

// hashKV asks one server for its hash at a revision, until it has got there.
func (s *server) hashKV(t *testing.T, revision int64) cluster.HashKV {
	t.Helper()
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		r, err := s.api.HashKV(ctx, s.client, revision)
		cancel()
		if err == nil {
			return cluster.HashKV{Revision: revision, CompactRevision: r.CompactRevision, Hash: r.Hash}
		}
		last = err
	}
	t.Fatal(errors.Join(errors.New("no HashKV"), last))
	return cluster.HashKV{}
}
