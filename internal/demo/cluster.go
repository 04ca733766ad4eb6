// Package demo is the etcd cluster that `salvor demo` wrecks: members that are
// child processes, objects laid out as kube-apiserver does it, a writer with a
// ledger that serves as the oracle, a watcher, and the wrecks themselves. It
// knows nothing of how Salvor diagnoses and repairs.
package demo

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"math/rand/v2"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/pki"
)

// Token is the --initial-cluster-token of every demo cluster.
const Token = "salvor-demo"

// Names are the members, each on a host of the same name.
func Names() []string { return []string{"m1", "m2", "m3"} }

// Cluster is three etcd members on loopback below one folder:
//
//	pki/                 authority and client certificate
//	hosts/NAME/          etcd.json, etcd/ (the data dir), pki/, state/, member.log
//	snapshots/           snapshot files
//	witness.json ledger.jsonl guard
//
// A Cluster does not remember processes: anybody may have restarted a member.
type Cluster struct {
	dir       string
	command   []string
	members   []memberPorts
	authority *pki.Authority
	guard     *guard
}

type memberPorts struct {
	name         string
	client, peer int
}

func (m memberPorts) clientURL() string { return "https://127.0.0.1:" + strconv.Itoa(m.client) }
func (m memberPorts) peerURL() string   { return "https://127.0.0.1:" + strconv.Itoa(m.peer) }

// NewCluster lays out a cluster in dir (made when missing, else empty) on
// free ports and holds its guard; nothing is started. command is the command
// line that runs RunMember in a new process, without RunMember's arguments:
// {"/path/to/salvor", "demo-member"}. Close the cluster in the end.
func NewCluster(dir string, command []string) (*Cluster, error) {
	ports, err := freePorts(2 * len(Names()))
	if err != nil {
		return nil, err
	}
	var members []memberPorts
	for i, name := range Names() {
		members = append(members, memberPorts{name: name, client: ports[2*i], peer: ports[2*i+1]})
	}
	return layOut(dir, command, members)
}

func layOut(dir string, command []string, members []memberPorts) (*Cluster, error) {
	if len(command) == 0 {
		return nil, errors.New("lay out demo cluster: no command to run a member with")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lay out demo cluster: %w", err)
	}
	if old, err := os.ReadDir(dir); err == nil && len(old) > 0 {
		return nil, fmt.Errorf("lay out demo cluster: %s is not empty; give another folder", dir)
	}
	c := &Cluster{dir: dir, command: command, members: members}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) prepare() error {
	folders := []string{c.path("pki"), c.SnapshotDir()}
	for _, m := range c.members {
		folders = append(folders, c.path("hosts", m.name, "pki"), c.path("hosts", m.name, "state"))
	}
	for _, f := range folders {
		if err := os.MkdirAll(f, 0o700); err != nil {
			return fmt.Errorf("lay out demo cluster: %w", err)
		}
	}
	var err error
	if c.guard, err = holdGuard(c.path("guard")); err != nil {
		return err
	}
	if err := c.issueAll(time.Now()); err != nil {
		return err
	}
	for _, m := range c.members {
		if err := c.Tune(m.name, Tuning{}); err != nil {
			return err
		}
	}
	return nil
}

// Close gives up the guard: every member that still runs ends by itself within
// seconds. Files stay.
func (c *Cluster) Close() error {
	if c.guard == nil {
		return nil
	}
	err := c.guard.release()
	c.guard = nil
	return err
}

// Dir is the cluster's folder.
func (c *Cluster) Dir() string { return c.dir }

// DataDir is a member's data dir.
func (c *Cluster) DataDir(name string) string { return c.path("hosts", name, "etcd") }

// SnapshotDir is the folder that Config names as a place of snapshots.
func (c *Cluster) SnapshotDir() string { return c.path("snapshots") }

// WitnessPath is the witness file that Config names and a Writer keeps.
func (c *Cluster) WitnessPath() string { return c.path("witness.json") }

// LedgerPath is where a Writer of this cluster keeps its ledger.
func (c *Cluster) LedgerPath() string { return c.path("ledger.jsonl") }

// LogPath is the file that a member's output is appended to.
func (c *Cluster) LogPath(name string) string { return c.path("hosts", name, "member.log") }

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}
func (c *Cluster) configPath(name string) string { return c.path("hosts", name, "etcd.json") }
func (c *Cluster) caPath() string                { return c.path("pki", "ca.crt") }
func (c *Cluster) cert(name, use string) string  { return c.path("hosts", name, "pki", use+".crt") }
func (c *Cluster) key(name, use string) string   { return c.path("hosts", name, "pki", use+".key") }

func (c *Cluster) member(name string) (memberPorts, bool) {
	for _, m := range c.members {
		if m.name == name {
			return m, true
		}
	}
	return memberPorts{}, false
}

func (c *Cluster) initialCluster() string { return cluster.InitialCluster(c.Config().Members) }

// Config is the salvor.yaml of this cluster.
func (c *Cluster) Config() cluster.Config {
	cfg := cluster.Config{
		Cluster:   "demo",
		Client:    cluster.TLS{CA: c.caPath(), Cert: c.path("pki", "client.crt"), Key: c.path("pki", "client.key")},
		Snapshots: []cluster.SnapshotPlace{{Host: c.members[0].name, Path: c.SnapshotDir()}},
		Witnesses: []cluster.WitnessPlace{{Host: c.members[0].name, Path: c.WitnessPath()}},
	}
	for _, m := range c.members {
		cfg.Hosts = append(cfg.Hosts, cluster.Host{Name: m.name, Via: cluster.ViaChild, StateDir: c.path("hosts", m.name, "state")})
		cfg.Members = append(cfg.Members, cluster.Member{
			Name: m.name, Host: m.name, DataDir: c.DataDir(m.name),
			ClientURLs: []string{m.clientURL()}, PeerURLs: []string{m.peerURL()},
			Run: cluster.Supervisor{Process: &cluster.Process{Command: c.memberCommand(m.name), Log: c.LogPath(m.name)}},
			Certificates: cluster.MemberCertificates{
				Server: c.cert(m.name, "server"), Peer: c.cert(m.name, "peer"), CA: c.caPath(), PeerCA: c.caPath(),
			},
		})
	}
	return cfg
}

func (c *Cluster) memberCommand(name string) []string {
	command := append([]string{}, c.command...)
	return append(command, "--config-file", c.configPath(name), "--guard", c.path("guard"))
}

// Ports are taken from below the range that Linux gives to outgoing
// connections (32768 by default): a member that is down for a while must find
// its port free again.
const firstPort, lastPort = 15000, 30000

func freePorts(n int) ([]int, error) {
	var ports []int
	for try := 0; try < 1000 && len(ports) < n; try++ {
		p := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		defer l.Close() // all are held until all are found, so that none comes twice
		ports = append(ports, p)
	}
	if len(ports) < n {
		return nil, fmt.Errorf("find free ports: only %d of %d between %d and %d", len(ports), n, firstPort, lastPort)
	}
	return ports, nil
}

// portsFree fails when something else listens on a port of the cluster.
func (c *Cluster) portsFree() error {
	for _, m := range c.members {
		for _, p := range []int{m.client, m.peer} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
			if err != nil {
				return fmt.Errorf("check the ports of %s: %w", m.name, err)
			}
			_ = l.Close()
		}
	}
	return nil
}
