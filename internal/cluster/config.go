package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Config is what salvor.yaml says: the machines and etcd members of one
// control plane, and where its snapshots lie. Package config reads and writes
// the file.
type Config struct {
	// Cluster is a name for people; it appears in reports.
	Cluster string `json:"cluster" yaml:"cluster"`
	// Hosts are the machines, each with the way to reach it.
	Hosts []Host `json:"hosts" yaml:"hosts"`
	// Members are the etcd members that the cluster ought to have.
	Members []Member `json:"members" yaml:"members"`
	// Client is what Salvor shows etcd when it asks a live member. The paths
	// are those of the member's host.
	Client TLS `json:"client,omitzero" yaml:"client,omitempty"`
	// Kubernetes is what stands on the members; zero when there is none.
	Kubernetes ControlPlane `json:"kubernetes,omitzero" yaml:"kubernetes,omitempty"`
	// Snapshots are folders and files that may hold etcd snapshots.
	Snapshots []SnapshotPlace `json:"snapshots,omitempty" yaml:"snapshots,omitempty"`
	// Witnesses are files in which something outside etcd notes the highest
	// revision that it has seen; they tell how much a lost etcd knew.
	Witnesses []WitnessPlace `json:"witnesses,omitempty" yaml:"witnesses,omitempty"`
	// Objectives are what the operator promised to others.
	Objectives Objectives `json:"objectives,omitzero" yaml:"objectives,omitempty"`
	// Vault is where backups lie; Backup when and how they are made.
	Vault  *Vault  `json:"vault,omitempty" yaml:"vault,omitempty"`
	Backup *Backup `json:"backup,omitempty" yaml:"backup,omitempty"`
}

// Host is one machine.
type Host struct {
	Name string `json:"name" yaml:"name"`
	// Via is the transport: "ssh" reaches another machine, "local" works in
	// this process, "child" in a child process of the same binary on this
	// machine.
	Via Transport `json:"via" yaml:"via"`
	// Address is [user@]host[:port] of the machine's sshd; only with ssh, as
	// are the fields up to Sudo. Their paths are those of the coordinator's
	// machine, and may begin with "~/".
	Address string `json:"address,omitempty" yaml:"address,omitempty"`
	// Jump are the machines to go through, in order, written like Address.
	Jump []string `json:"jump,omitempty" yaml:"jump,omitempty"`
	// Identities are private key files; the agent and ssh's usual files when
	// there are none.
	Identities []string `json:"identities,omitempty" yaml:"identities,omitempty"`
	// KnownHosts is the file of known host keys; ssh's usual ones when empty.
	KnownHosts string `json:"knownHosts,omitempty" yaml:"knownHosts,omitempty"`
	// Sudo runs everything there with "sudo -n": for users who are not root.
	Sudo bool `json:"sudo,omitempty" yaml:"sudo,omitempty"`
	// StateDir is where Salvor keeps its lock, its cases and its images on
	// that machine; DefaultStateDir when empty.
	StateDir string `json:"stateDir,omitempty" yaml:"stateDir,omitempty"`
	// Gone says that this machine and its disks will never come back. What lay
	// there then counts as lost and no longer as unknown; Salvor cannot prove
	// that, the operator answers for it. A machine that answers all the same
	// is believed before this field.
	Gone bool `json:"gone,omitempty" yaml:"gone,omitempty"`
	// Assumed says that the machine did not answer when this was written: its
	// member, its node and the paths of their files are a guess from another
	// machine's. As soon as it answers, its own files count instead.
	Assumed bool `json:"assumed,omitempty" yaml:"assumed,omitempty"`
	// Client is what Salvor shows etcd from this machine, where its files are
	// called otherwise than Config.Client says; see Config.On.
	Client TLS `json:"client,omitzero" yaml:"client,omitempty"`
}

// DefaultStateDir is Host.StateDir when the file does not say.
const DefaultStateDir = "/var/lib/salvor"

// State gives the host's state folder.
func (h Host) State() string {
	if h.StateDir == "" {
		return DefaultStateDir
	}
	return h.StateDir
}

// Transport is a way to reach a machine.
type Transport string

// The transports that exist.
const (
	ViaLocal Transport = "local"
	ViaChild Transport = "child"
	ViaSSH   Transport = "ssh"
)

// Member is one etcd member as it ought to be.
type Member struct {
	Name       string   `json:"name" yaml:"name"`
	Host       string   `json:"host" yaml:"host"`
	DataDir    string   `json:"dataDir" yaml:"dataDir"`
	WALDir     string   `json:"walDir,omitempty" yaml:"walDir,omitempty"`
	ClientURLs []string `json:"clientURLs" yaml:"clientURLs"`
	PeerURLs   []string `json:"peerURLs" yaml:"peerURLs"`
	// Run says who starts and stops the member; exactly one field is set.
	Run Supervisor `json:"run" yaml:"run"`
	// Certificates are the member's certificate files (never its keys).
	Certificates MemberCertificates `json:"certificates,omitzero" yaml:"certificates,omitempty"`
}

// WAL gives the folder of the member's write-ahead log.
func (m Member) WAL() string {
	if m.WALDir != "" {
		return m.WALDir
	}
	return filepath.Join(m.DataDir, "member", "wal")
}

// DB gives the file of the member's key-value store.
func (m Member) DB() string { return filepath.Join(m.DataDir, "member", "snap", "db") }

// Supervisor is what starts and stops a member; exactly one field is set.
type Supervisor struct {
	Systemd string `json:"systemd,omitempty" yaml:"systemd,omitempty"`
	// StaticPod is the path of the manifest from which the kubelet of the
	// member's host runs it; that host is a node of Kubernetes.
	StaticPod string   `json:"staticPod,omitempty" yaml:"staticPod,omitempty"`
	Process   *Process `json:"process,omitempty" yaml:"process,omitempty"`
}

// Process is a member that is an ordinary process, started by Salvor with
// this command when it has to be started.
type Process struct {
	Command []string `json:"command" yaml:"command,flow"`
	// Env is added to an otherwise empty environment, as NAME=VALUE.
	Env []string `json:"env,omitempty" yaml:"env,omitempty"`
	Dir string   `json:"dir,omitempty" yaml:"dir,omitempty"`
	// User is the name or number of the user as whom it runs; empty means
	// whoever Salvor runs as on that machine. Only root can start it as another.
	User string `json:"user,omitempty" yaml:"user,omitempty"`
	// Log is the file to which standard output and error are appended.
	Log string `json:"log,omitempty" yaml:"log,omitempty"`
}

// TLS names the files of a TLS client; all empty means plain text.
type TLS struct {
	CA   string `json:"ca,omitempty" yaml:"ca,omitempty"`
	Cert string `json:"cert,omitempty" yaml:"cert,omitempty"`
	Key  string `json:"key,omitempty" yaml:"key,omitempty"`
}

// MemberCertificates are the certificate files that a member serves with and
// trusts.
type MemberCertificates struct {
	Server string `json:"server,omitempty" yaml:"server,omitempty"`
	Peer   string `json:"peer,omitempty" yaml:"peer,omitempty"`
	CA     string `json:"ca,omitempty" yaml:"ca,omitempty"`
	PeerCA string `json:"peerCA,omitempty" yaml:"peerCA,omitempty"`
}

// SnapshotPlace is a file, or a folder whose files may be snapshots.
type SnapshotPlace struct {
	Host string `json:"host" yaml:"host"`
	Path string `json:"path" yaml:"path"`
}

// WitnessPlace is a JSON file {"revision":N,"at":"RFC 3339"} on a host.
type WitnessPlace struct {
	Host string `json:"host" yaml:"host"`
	Path string `json:"path" yaml:"path"`
}

// Objectives are the promised recovery time and recovery point.
type Objectives struct {
	RTO Duration `json:"rto,omitzero" yaml:"rto,omitempty"`
	RPO Duration `json:"rpo,omitzero" yaml:"rpo,omitempty"`
}

// Duration is a time.Duration that reads and writes as "15m" in files.
type Duration time.Duration

// MarshalText writes the form that time.ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("read duration %q: write it like 15m or 1h30m", b)
	}
	*d = Duration(v)
	return nil
}

// On gives the configuration as it is read on a host: with that host's own
// client files, if it has any (kubespray calls them after the host).
func (c Config) On(host string) Config {
	if h, ok := c.Host(host); ok && h.Client != (TLS{}) {
		c.Client = h.Client
	}
	return c
}

// Distant tells whether a host is another machine than the coordinator's.
func (c Config) Distant(host string) bool {
	h, ok := c.Host(host)
	return ok && h.Via == ViaSSH
}

// Host finds a host by name.
func (c Config) Host(name string) (Host, bool) {
	for _, h := range c.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}

// Member finds a member by name.
func (c Config) Member(name string) (Member, bool) {
	for _, m := range c.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// InitialCluster gives etcd's name=peerURL list for members, in their order.
func InitialCluster(members []Member) string {
	var parts []string
	for _, m := range members {
		for _, u := range m.PeerURLs {
			parts = append(parts, m.Name+"="+u)
		}
	}
	return strings.Join(parts, ",")
}
