// Package external is the layout that kubespray makes: etcd as systemd units
// on the control planes, with its environment file, certificates and names,
// and the rest by kubeadm.
package external

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/lab/layout"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/sign"
)

// certificates is kubespray's folder for etcd's certificates.
const certificates = "/etc/ssl/etcd/ssl"

// Up puts the whole cluster up.
func Up(ctx context.Context, c *layout.Cluster) error {
	for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
		if _, err := c.Build.EtcdProgram(ctx, c.Plan.Etcd, name); err != nil {
			return err
		}
	}
	if err := c.Stand(ctx, ""); err != nil {
		return err
	}
	done := c.Tell.Step("etcd %s on %d machines", c.Plan.Etcd, c.Plan.ControlPlanes)
	if err := etcd(ctx, c); err != nil {
		return err
	}
	done()
	if err := layout.StartBalancer(ctx, c.Lab); err != nil {
		return err
	}
	if err := c.Init(ctx, kubeadmPart(c.Lab.ControlPlanes())); err != nil {
		return err
	}
	if err := c.Join(ctx); err != nil {
		return err
	}
	if err := c.Settle(ctx); err != nil {
		return err
	}
	return c.WaitNodes(ctx, 2*time.Minute)
}

// kubeadmPart points the API servers at all members, with the certificates of
// the machine's own node, as kubespray does.
func kubeadmPart(planes []machine.Machine) string {
	part := "  external:\n    endpoints:\n"
	for _, m := range planes {
		part += "    - https://" + m.Addr + ":2379\n"
	}
	// The same path on all machines: kubeadm has one configuration for all.
	for _, f := range [][2]string{{"caFile", "ca"}, {"certFile", "node"}, {"keyFile", "node-key"}} {
		part += fmt.Sprintf("    %s: /etc/kubernetes/ssl-etcd/%s.pem\n", f[0], f[1])
	}
	return part
}

// etcd writes certificates, environment and unit on all machines and starts
// all members.
func etcd(ctx context.Context, c *layout.Cluster) error {
	authority, err := sign.New("etcd-ca")
	if err != nil {
		return err
	}
	planes := c.Lab.ControlPlanes()
	for _, m := range planes {
		if err := programs(ctx, c, m); err != nil {
			return fmt.Errorf("put etcd on %s: %w", m.Name, err)
		}
		if err := certify(c, authority, m, planes); err != nil {
			return fmt.Errorf("write etcd's certificates on %s: %w", m.Name, err)
		}
		if err := c.Site.Write(m, "etc/etcd.env", environment(m, planes, c.Plan.Etcd), 0o640); err != nil {
			return err
		}
		if err := c.Site.Write(m, "etc/systemd/system/etcd.service", unit, 0o644); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(c.Site.Root(m), "var/lib/etcd"), 0o700); err != nil {
			return err
		}
	}
	return c.Each(ctx, planes, func(ctx context.Context, m machine.Machine) error {
		if _, err := machine.Exec(ctx, m, "systemctl", "daemon-reload"); err != nil {
			return err
		}
		_, err := machine.Exec(ctx, m, "systemctl", "enable", "--now", "etcd.service")
		return err
	})
}

func programs(ctx context.Context, c *layout.Cluster, m machine.Machine) error {
	for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
		path, err := c.Build.EtcdProgram(ctx, c.Plan.Etcd, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := c.Site.Write(m, "usr/local/bin/"+name, string(data), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// certify writes a machine's certificates under kubespray's names: member for
// the server and its peers, admin for etcdctl, node for the API server.
func certify(c *layout.Cluster, a *sign.Authority, m machine.Machine, planes []machine.Machine) error {
	ca, key, err := a.PEM()
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.pem": ca, "ca-key.pem": key}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, other := range planes {
		hosts = append(hosts, other.Name, other.Addr)
	}
	for _, role := range []string{"member", "admin", "node"} {
		cert, key, err := a.Issue("etcd-"+role+"-"+m.Name, hosts)
		if err != nil {
			return err
		}
		files[role+"-"+m.Name+".pem"], files[role+"-"+m.Name+"-key.pem"] = cert, key
	}
	for name, data := range files {
		if err := c.Site.Write(m, filepath.Join(certificates, name), string(data), 0o700); err != nil {
			return err
		}
	}
	links := map[string]string{"ca.pem": "ca.pem", "node.pem": "node-" + m.Name + ".pem", "node-key.pem": "node-" + m.Name + "-key.pem"}
	for name, target := range links {
		path := filepath.Join("/etc/kubernetes/ssl-etcd", name)
		if err := c.Site.Write(m, path, string(files[target]), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// member is the etcd member's name on a machine.
func member(m machine.Machine) string { return fmt.Sprintf("etcd%d", m.Index) }

// environment is kubespray's /etc/etcd.env.
func environment(m machine.Machine, planes []machine.Machine, version string) string {
	var peers []string
	for _, other := range planes {
		peers = append(peers, fmt.Sprintf("%s=https://%s:2380", member(other), other.Addr))
	}
	own := strings.NewReplacer("{version}", version, "{addr}", m.Addr, "{name}", member(m), "{host}", m.Name, "{peers}", strings.Join(peers, ","))
	return own.Replace(environmentText)
}

const environmentText = `# Environment file for etcd v{version}
ETCD_DATA_DIR=/var/lib/etcd
ETCD_ADVERTISE_CLIENT_URLS=https://{addr}:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://{addr}:2380
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_METRICS=basic
ETCD_LISTEN_CLIENT_URLS=https://{addr}:2379,https://127.0.0.1:2379
ETCD_ELECTION_TIMEOUT=5000
ETCD_HEARTBEAT_INTERVAL=250
ETCD_INITIAL_CLUSTER_TOKEN=k8s_etcd
ETCD_LISTEN_PEER_URLS=https://{addr}:2380
ETCD_NAME={name}
ETCD_PROXY=off
ETCD_INITIAL_CLUSTER={peers}
ETCD_AUTO_COMPACTION_RETENTION=8
ETCD_SNAPSHOT_COUNT=10000
# Flannel need etcd v2 API
ETCD_ENABLE_V2=true

# TLS settings
ETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem
ETCD_CERT_FILE=/etc/ssl/etcd/ssl/member-{host}.pem
ETCD_KEY_FILE=/etc/ssl/etcd/ssl/member-{host}-key.pem
ETCD_CLIENT_CERT_AUTH=true

ETCD_PEER_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem
ETCD_PEER_CERT_FILE=/etc/ssl/etcd/ssl/member-{host}.pem
ETCD_PEER_KEY_FILE=/etc/ssl/etcd/ssl/member-{host}-key.pem
ETCD_PEER_CLIENT_CERT_AUTH=True

# CLI settings
ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
ETCDCTL_CACERT=/etc/ssl/etcd/ssl/ca.pem
ETCDCTL_KEY=/etc/ssl/etcd/ssl/admin-{host}-key.pem
ETCDCTL_CERT=/etc/ssl/etcd/ssl/admin-{host}.pem

# ETCD 3.5.x issue
# https://groups.google.com/a/kubernetes.io/g/dev/c/B7gJs88XtQc/m/rSgNOzV2BwAJ?utm_medium=email&utm_source=footer
ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=True

ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL=5s
`

const unit = `[Unit]
Description=etcd
After=network.target

[Service]
Type=notify
User=root
EnvironmentFile=/etc/etcd.env
ExecStart=/usr/local/bin/etcd
NotifyAccess=all
Restart=always
RestartSec=10s
LimitNOFILE=40000

[Install]
WantedBy=multi-user.target
`
