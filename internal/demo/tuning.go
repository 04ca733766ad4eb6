package demo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/salvor-project/salvor/internal/pki"
)

// Tuning is what differs between the members of a demo and the defaults of
// etcd. The zero value means etcd's own.
type Tuning struct {
	// Quota is --quota-backend-bytes.
	Quota int64
	// BatchInterval and BatchLimit say how long writes may wait before the db
	// file sees them: a long interval leaves a db behind its log.
	BatchInterval time.Duration
	BatchLimit    int
	// SnapshotCount is --snapshot-count; a snapshot flushes the db as well.
	SnapshotCount uint64
	// NoFsync gives up durability. Only for making a template.
	NoFsync bool
}

// The members' clocks: slow enough for two busy cores, fast enough for a demo.
const (
	heartbeat = 100 * time.Millisecond
	election  = 1000 * time.Millisecond
)

// memberFile is etcd's configuration file (--config-file); the names are
// those of etcd's server/embed/config.go. Durations are nanoseconds there.
type memberFile struct {
	Name           string        `json:"name"`
	DataDir        string        `json:"data-dir"`
	Heartbeat      int64         `json:"heartbeat-interval"`
	Election       int64         `json:"election-timeout"`
	ListenPeer     string        `json:"listen-peer-urls"`
	ListenClient   string        `json:"listen-client-urls"`
	AdvertisePeer  string        `json:"initial-advertise-peer-urls"`
	AdvertiseURLs  string        `json:"advertise-client-urls"`
	InitialCluster string        `json:"initial-cluster"`
	InitialState   string        `json:"initial-cluster-state"`
	Token          string        `json:"initial-cluster-token"`
	ClientSecurity securityFile  `json:"client-transport-security"`
	PeerSecurity   securityFile  `json:"peer-transport-security"`
	Quota          int64         `json:"quota-backend-bytes,omitempty"`
	BatchInterval  time.Duration `json:"backend-batch-interval,omitempty"`
	BatchLimit     int           `json:"backend-batch-limit,omitempty"`
	SnapshotCount  uint64        `json:"snapshot-count,omitempty"`
	NoFsync        bool          `json:"unsafe-no-fsync,omitempty"`
	LogLevel       string        `json:"log-level"`
	LogOutputs     []string      `json:"log-outputs"`
	Gateway        bool          `json:"enable-grpc-gateway"`
}

type securityFile struct {
	Cert           string `json:"cert-file"`
	Key            string `json:"key-file"`
	ClientCertAuth bool   `json:"client-cert-auth"`
	CA             string `json:"trusted-ca-file"`
}

// Tune rewrites a member's configuration file; it counts from the member's
// next start.
func (c *Cluster) Tune(name string, t Tuning) error {
	m, ok := c.member(name)
	if !ok {
		return fmt.Errorf("tune member: there is no member %q", name)
	}
	security := func(use string) securityFile {
		return securityFile{Cert: c.cert(name, use), Key: c.key(name, use), ClientCertAuth: true, CA: c.caPath()}
	}
	file := memberFile{
		Name: name, DataDir: c.DataDir(name),
		Heartbeat: heartbeat.Milliseconds(), Election: election.Milliseconds(),
		ListenPeer: m.peerURL(), ListenClient: m.clientURL(), AdvertisePeer: m.peerURL(), AdvertiseURLs: m.clientURL(),
		InitialCluster: c.initialCluster(), InitialState: "new", Token: Token,
		ClientSecurity: security("server"), PeerSecurity: security("peer"),
		Quota: t.Quota, BatchInterval: t.BatchInterval, BatchLimit: t.BatchLimit,
		SnapshotCount: t.SnapshotCount, NoFsync: t.NoFsync,
		LogLevel: "warn", LogOutputs: []string{"stderr"},
	}
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("tune member %s: %w", name, err)
	}
	return pki.WriteFile(c.configPath(name), append(b, '\n'))
}
