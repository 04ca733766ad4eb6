package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
)

// Options narrow and extend what Discover looks at.
type Options struct {
	// Name is the cluster's name; the host's name when empty.
	Name string
	// DataDirs are members whose processes and units may not tell of
	// themselves. Where several clusters are found, they choose one.
	DataDirs []string
	// Snapshots are files and folders for Config.Snapshots.
	Snapshots []string
	// StateDir is the host's; empty means /var/lib/salvor, or
	// ~/.local/state/salvor for anybody but root.
	StateDir string
	// Survey takes machines without a member, too: one of several that are
	// looked at together. What a machine lacks is then no error.
	Survey bool
	// Root is put before the paths of units, of what they name and of
	// manifests; Proc is the process table. Empty means / and /proc.
	Root, Proc string
}

// Found is what Discover knows and what it does not.
type Found struct {
	Config cluster.Config
	// Questions name what only the operator knows. While there is one, the
	// configuration may fail Validate.
	Questions []string
	// Warnings name what was seen and left out, or will surprise.
	Warnings []string
	// Members tell where each member of Config was found, in its order.
	Members []FoundMember
	// Layout names how the control plane was put there: "kubeadm", "kubespray",
	// "kubespray with kubeadm's etcd", "systemd", or "processes"; empty when
	// nothing tells.
	Layout string
	// Strangers are members of the cluster on other machines.
	Strangers []Stranger
}

// Stranger is a member that another machine's files name.
type Stranger struct {
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
	// Host is what /etc/hosts calls its machine; empty when it does not.
	Host string `json:"host,omitempty"`
}

// FoundMember is where a member was found.
type FoundMember struct {
	Name string `json:"name"`
	// PID is 0 when the member does not run.
	PID int `json:"pid,omitempty"`
	// Source is "process", "unit etcd.service" or "data dir".
	Source string `json:"source"`
	// Data is what lies at its data dir; empty when it could not be looked at.
	Data cluster.DirState `json:"data"`
}

// ErrNothing is in the error of Discover when there is no member to be found.
var ErrNothing = errors.New("no etcd member was found on this machine")

// member is one that was found, on its way into the configuration.
type member struct {
	name         string
	set          settings
	dir          string // of relative paths
	root         string
	dataDir, wal string
	client, peer []string
	run          cluster.Supervisor
	pid          int
	source       string
	disk         cluster.DataDir
}

// path gives a file setting as an absolute path.
func (m *member) path(flag string) string { return absolute(m.dir, m.set[flag]) }

// alive tells whether there is more to the member than its configuration.
func (m *member) alive() bool { return m.pid != 0 || m.disk.State == cluster.DirData }

type discovery struct {
	o         Options
	host      string
	members   []*member
	foreign   []process // etcd in containers
	machine   machine
	elsewhere []Stranger
	questions []string
	warnings  []string
}

func (d *discovery) ask(format string, args ...any) {
	d.questions = append(d.questions, fmt.Sprintf(format, args...))
}

func (d *discovery) warn(format string, args ...any) {
	d.warnings = append(d.warnings, fmt.Sprintf(format, args...))
}

// Discover finds the etcd members of this machine: running processes, systemd
// units from their files whether anything runs or not, and named data dirs. It
// only reads. It asks nobody over the network. The error is for a machine
// without members (ErrNothing), with a layout that this version does not
// handle, or with members of several clusters.
func Discover(ctx context.Context, o Options) (Found, error) {
	d := &discovery{o: o}
	if err := d.defaults(); err != nil {
		return Found{}, fmt.Errorf("discover: %w", err)
	}
	if err := d.collect(); err != nil {
		return Found{}, fmt.Errorf("discover: %w", err)
	}
	d.kubernetes()
	if err := d.namedDirs(ctx); err != nil {
		return Found{}, fmt.Errorf("discover: %w", err)
	}
	if err := d.inspect(ctx); err != nil {
		return Found{}, fmt.Errorf("discover: %w", err)
	}
	if err := d.refuse(); err != nil {
		return Found{}, fmt.Errorf("discover: %w", err)
	}
	if err := d.choose(); err != nil {
		return Found{}, fmt.Errorf("discover: %w", err)
	}
	d.strangers()
	return d.found(), nil
}

func (d *discovery) defaults() error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read the host's name: %w", err)
	}
	d.host = host
	if d.o.Proc == "" {
		d.o.Proc = "/proc"
	}
	if d.o.StateDir == "" && os.Geteuid() != 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return fmt.Errorf("find a folder for Salvor's state: %w; name it with --state-dir", err)
		}
		d.o.StateDir = filepath.Join(home, ".local", "state", "salvor")
	}
	d.o.DataDirs, d.o.Snapshots = slices.Clone(d.o.DataDirs), slices.Clone(d.o.Snapshots)
	for _, list := range [][]string{d.o.DataDirs, d.o.Snapshots} {
		for i, p := range list {
			if list[i], err = filepath.Abs(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// inspect reads every member's data dir.
func (d *discovery) inspect(ctx context.Context) error {
	for _, m := range d.members {
		if m.disk.Path != "" || m.dataDir == "" {
			continue
		}
		wal := m.wal
		if wal != "" {
			wal = filepath.Join(m.root, wal)
		}
		disk, err := datadir.Glance(ctx, filepath.Join(m.root, m.dataDir), wal)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			d.warn("%s: its data dir could not be looked at: %s", m.name, err)
		}
		m.disk = disk
	}
	return nil
}

// found makes the answer of the chosen members.
func (d *discovery) found() Found {
	slices.SortStableFunc(d.members, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	cfg := cluster.Config{Cluster: d.o.Name, Hosts: []cluster.Host{{Name: d.host, Via: cluster.ViaLocal, StateDir: d.o.StateDir}}}
	if cfg.Cluster == "" {
		cfg.Cluster = d.host
	}
	if cfg.Hosts[0].StateDir == "" {
		cfg.Hosts[0].StateDir = cluster.DefaultStateDir
	}
	f := Found{Layout: d.layout(), Strangers: d.elsewhere}
	if d.machine.found {
		cfg.Kubernetes = cluster.ControlPlane{LoadBalancer: d.machine.loadBalancer, Nodes: []cluster.Node{d.machine.node}}
		if d.o.Name == "" && d.machine.cluster != "" {
			cfg.Cluster = d.machine.cluster
		}
	}
	for _, m := range d.members {
		d.finish(m, cfg.Hosts[0].StateDir)
		cfg.Members = append(cfg.Members, cluster.Member{
			Name: m.name, Host: d.host, DataDir: m.dataDir, WALDir: m.wal, ClientURLs: m.client, PeerURLs: m.peer, Run: m.run,
			Certificates: cluster.MemberCertificates{
				Server: m.path("cert-file"), Peer: m.path("peer-cert-file"), CA: m.path("trusted-ca-file"), PeerCA: m.path("peer-trusted-ca-file"),
			},
		})
		f.Members = append(f.Members, FoundMember{Name: m.name, PID: m.pid, Source: m.source, Data: m.disk.State})
	}
	search := tlsSearch{host: d.host, now: time.Now()}
	cfg.Client = search.find(d.members)
	d.questions, d.warnings = append(d.questions, search.questions...), append(d.warnings, search.warnings...)
	for _, s := range d.o.Snapshots {
		if _, err := os.Stat(s); err != nil && d.o.Survey {
			continue // it may lie on another machine
		} else if err != nil {
			d.warn("snapshots: %s", err)
		}
		cfg.Snapshots = append(cfg.Snapshots, cluster.SnapshotPlace{Host: d.host, Path: s})
	}
	f.Config, f.Questions, f.Warnings = cfg, d.questions, d.warnings
	return f
}

// layout names how etcd was put on this machine.
func (d *discovery) layout() string {
	kubespray := isFolder(filepath.Join(d.o.Root, "/etc/kubernetes/ssl")) || isFile(filepath.Join(d.o.Root, "/etc/kubernetes/kubeadm-config.yaml"))
	for _, m := range d.members {
		switch {
		case m.run.StaticPod != "" && kubespray:
			return "kubespray with kubeadm's etcd"
		case m.run.StaticPod != "":
			return "kubeadm"
		case m.run.Systemd != "" && isFile(filepath.Join(d.o.Root, "/etc/etcd.env")):
			return "kubespray"
		case m.run.Systemd != "":
			return "systemd"
		}
	}
	if len(d.members) > 0 {
		return "processes"
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// finish fills what only the whole picture gives.
func (d *discovery) finish(m *member, stateDir string) {
	if p := m.run.Process; p != nil && p.Log == "" {
		p.Log = filepath.Join(stateDir, "log", m.name+".log")
		d.warn("%s: its output goes to no file; when Salvor starts it, to %s", m.name, p.Log)
	}
	if truthy(m.set["auto-tls"]) {
		d.ask("%s serves its clients with --auto-tls: such a certificate cannot be verified; which authority and client certificate is Salvor to use?", m.name)
	}
	if truthy(m.set["unsafe-no-fsync"]) {
		d.warn("%s runs with --unsafe-no-fsync: a power cut can take what it has acknowledged", m.name)
	}
}
