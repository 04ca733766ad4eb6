package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/pki"
)

const (
	heartbeat = 50 * time.Millisecond
	election  = 500 * time.Millisecond
)

// node is one member of a lab: what its etcd is told and where its host's
// state lies. Tests change the fields before writeConfig.
type node struct {
	name         string
	client, peer int
	dataDir      string
	walDir       string
	stateDir     string
	// cert and key are the member's server and peer certificate.
	cert, key string
	log       string
	file      string // etcd's configuration file
	quiet     bool   // listens, but not on the ports that it advertises
	listen    [2]int // client and peer, when quiet
	gone      bool   // not in salvor.yaml
	fresh     string // initial cluster, when not that of the lab
}

func (n *node) clientURL() string { return local(n.client) }
func (n *node) peerURL() string   { return local(n.peer) }

func local(port int) string { return "https://127.0.0.1:" + strconv.Itoa(port) }

// lab is one cluster in a folder of its own.
type lab struct {
	t     *testing.T
	dir   string
	pki   string
	nodes []*node
	guard *os.File
	// change adapts salvor.yaml before it is written.
	change func(*cluster.Config)
}

// newLab lays a cluster of n members out; nothing runs and no data exists.
func newLab(t *testing.T, dir string, n int, ports []int) *lab {
	t.Helper()
	l := &lab{t: t, dir: dir, pki: filepath.Join(dir, "pki")}
	for i := range n {
		name := fmt.Sprintf("m%d", i+1)
		home := filepath.Join(dir, name)
		l.nodes = append(l.nodes, &node{
			name: name, client: ports[2*i], peer: ports[2*i+1], dataDir: filepath.Join(home, "etcd"), stateDir: filepath.Join(home, "state"),
			cert: filepath.Join(l.pki, "member.crt"), key: filepath.Join(l.pki, "member.key"),
			log: filepath.Join(home, "etcd.log"), file: filepath.Join(home, "etcd.json"),
		})
		must(t, os.MkdirAll(home, 0o700))
	}
	must(t, os.MkdirAll(l.snapshots(), 0o700))
	guard, err := os.Create(filepath.Join(dir, "guard"))
	must(t, err)
	must(t, syscall.Flock(int(guard.Fd()), syscall.LOCK_EX))
	l.guard = guard
	t.Cleanup(func() {
		l.kill(l.names()...)
		_ = guard.Close()
	})
	return l
}

func (l *lab) snapshots() string  { return filepath.Join(l.dir, "snapshots") }
func (l *lab) cases() string      { return filepath.Join(l.dir, "cases") }
func (l *lab) salvorYAML() string { return filepath.Join(l.dir, "salvor.yaml") }

func (l *lab) names() []string {
	var out []string
	for _, n := range l.nodes {
		out = append(out, n.name)
	}
	return out
}

func (l *lab) node(name string) *node {
	l.t.Helper()
	for _, n := range l.nodes {
		if n.name == name {
			return n
		}
	}
	l.t.Fatalf("no node %s", name)
	return nil
}

func (l *lab) issue() {
	l.t.Helper()
	now := time.Now()
	ca, err := pki.NewAuthority("lab", now)
	must(l.t, err)
	must(l.t, os.MkdirAll(l.pki, 0o700))
	must(l.t, os.WriteFile(l.caFile(), ca.Certificate(), 0o600))
	for name, use := range map[string]pki.Use{"member": pki.Peer, "client": pki.Client} {
		pair, err := ca.Issue(pki.Request{Use: use, CommonName: name, Hosts: []string{"127.0.0.1", "localhost"},
			NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0)})
		must(l.t, err)
		must(l.t, pair.Write(filepath.Join(l.pki, name+".crt"), filepath.Join(l.pki, name+".key")))
	}
}

func (l *lab) caFile() string { return filepath.Join(l.pki, "ca.crt") }

func (l *lab) client() cluster.TLS {
	return cluster.TLS{CA: l.caFile(), Cert: filepath.Join(l.pki, "client.crt"), Key: filepath.Join(l.pki, "client.key")}
}

// config is the salvor.yaml of the lab.
func (l *lab) config() cluster.Config {
	cfg := cluster.Config{Cluster: "lab", Client: l.client(),
		Snapshots: []cluster.SnapshotPlace{{Host: "h-m1", Path: l.snapshots()}}}
	for _, n := range l.nodes {
		if n.gone {
			continue
		}
		cfg.Hosts = append(cfg.Hosts, cluster.Host{Name: "h-" + n.name, Via: cluster.ViaChild, StateDir: n.stateDir})
		cfg.Members = append(cfg.Members, cluster.Member{
			Name: n.name, Host: "h-" + n.name, DataDir: n.dataDir, WALDir: n.walDir,
			ClientURLs: []string{n.clientURL()}, PeerURLs: []string{n.peerURL()},
			Run:          cluster.Supervisor{Process: &cluster.Process{Command: l.command(n), Log: n.log}},
			Certificates: cluster.MemberCertificates{Server: n.cert, Peer: n.cert, CA: l.caFile(), PeerCA: l.caFile()},
		})
	}
	if l.change != nil {
		l.change(&cfg)
	}
	return cfg
}

func (l *lab) command(n *node) []string {
	exe, err := os.Executable()
	must(l.t, err)
	return []string{exe, "demo-member", "--config-file", n.file, "--guard", filepath.Join(l.dir, "guard")}
}

// write stores the configuration files of the members and salvor.yaml.
func (l *lab) write() {
	l.t.Helper()
	for _, n := range l.nodes {
		l.writeEtcd(n)
	}
	_, err := config.Save(l.salvorYAML(), l.config(), config.SaveOptions{Force: true})
	must(l.t, err)
}

func (l *lab) writeEtcd(n *node) {
	l.t.Helper()
	security := map[string]any{"cert-file": n.cert, "key-file": n.key, "client-cert-auth": true, "trusted-ca-file": l.caFile()}
	listen := [2]string{n.clientURL(), n.peerURL()}
	if n.quiet {
		listen = [2]string{local(n.listen[0]), local(n.listen[1])}
	}
	initial := n.fresh
	if initial == "" {
		initial = cluster.InitialCluster(l.plain())
	}
	doc := map[string]any{
		"name": n.name, "data-dir": n.dataDir, "wal-dir": n.walDir,
		"heartbeat-interval": heartbeat.Milliseconds(), "election-timeout": election.Milliseconds(),
		"listen-client-urls": listen[0], "listen-peer-urls": listen[1],
		"advertise-client-urls": n.clientURL(), "initial-advertise-peer-urls": n.peerURL(),
		"initial-cluster": initial, "initial-cluster-state": "new", "initial-cluster-token": "lab",
		"client-transport-security": security, "peer-transport-security": security,
		"log-level": "warn", "log-outputs": []string{"stderr"}, "enable-grpc-gateway": false,
		"unsafe-no-fsync": true, // processes are killed here, machines are not
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	must(l.t, err)
	must(l.t, os.WriteFile(n.file, b, 0o600))
}

// plain lists the members with what an initial cluster needs.
func (l *lab) plain() []cluster.Member {
	var out []cluster.Member
	for _, n := range l.nodes {
		if !n.gone {
			out = append(out, cluster.Member{Name: n.name, PeerURLs: []string{n.peerURL()}})
		}
	}
	return out
}

// freePorts gives ports below the range of outgoing connections, so that they
// are still free when a member comes back.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for try := 0; try < 1000 && len(ports) < n; try++ {
		p := 12000 + rand.IntN(15000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		defer l.Close()
		ports = append(ports, p)
	}
	if len(ports) < n {
		t.Fatalf("only %d of %d free ports", len(ports), n)
	}
	return ports
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
