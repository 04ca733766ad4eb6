package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/pki"
)

// unpack lays out a txtar as a root folder. A file "PATH -> TARGET" with no
// content is a symbolic link.
func unpack(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		name, target, link := strings.Cut(f.Name, " -> ")
		path := filepath.Join(root, name)
		if !link {
			write(t, path, string(f.Data))
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const kubespray = `
-- etc/systemd/system/etcd.service --
[Unit]
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
-- etc/systemd/system/multi-user.target.wants/etcd.service -> /etc/systemd/system/etcd.service --
-- etc/etcd.env --
# Environment file for etcd 3.5.21
ETCD_DATA_DIR=/var/lib/etcd
ETCD_ADVERTISE_CLIENT_URLS=https://203.0.113.11:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://203.0.113.11:2380
ETCD_INITIAL_CLUSTER_STATE=existing
ETCD_METRICS=basic
ETCD_LISTEN_CLIENT_URLS=https://203.0.113.11:2379,https://127.0.0.1:2379
ETCD_ELECTION_TIMEOUT=5000
ETCD_INITIAL_CLUSTER_TOKEN=k8s_etcd
ETCD_LISTEN_PEER_URLS=https://203.0.113.11:2380
ETCD_NAME=etcd1
ETCD_INITIAL_CLUSTER=etcd1=https://203.0.113.11:2380,etcd2=https://203.0.113.12:2380,etcd3=https://203.0.113.13:2380
ETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem
ETCD_CERT_FILE=/etc/ssl/etcd/ssl/member-node1.pem
ETCD_KEY_FILE=/etc/ssl/etcd/ssl/member-node1-key.pem
ETCD_CLIENT_CERT_AUTH=true
ETCD_PEER_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem
ETCD_PEER_CERT_FILE=/etc/ssl/etcd/ssl/member-node1.pem
ETCD_PEER_KEY_FILE=/etc/ssl/etcd/ssl/member-node1-key.pem
ETCD_PEER_CLIENT_CERT_AUTH=True

# CLI settings
ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
ETCDCTL_CACERT=/etc/ssl/etcd/ssl/ca.pem
`

func kubesprayPKI(t *testing.T, root string, until time.Time) {
	t.Helper()
	dir := filepath.Join(root, "etc/ssl/etcd/ssl")
	a, ca := authority(t, dir)
	if err := os.Rename(ca, filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]pki.Use{"member-node1": pki.Server, "admin-node1": pki.Client, "node-node1": pki.Client} {
		cert, key := issue(t, a, use, dir, name, until)
		for from, to := range map[string]string{cert: name + ".pem", key: name + "-key.pem"} {
			if err := os.Rename(from, filepath.Join(dir, to)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDiscoverReadsAKubesprayMachineThatIsDown(t *testing.T) {
	root := unpack(t, kubespray)
	kubesprayPKI(t, root, time.Now().Add(time.Hour))
	found, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path, StateDir: "/var/lib/salvor"})
	if err != nil {
		t.Fatal(err)
	}
	ssl := "/etc/ssl/etcd/ssl/"
	want := cluster.Config{
		Cluster: hostname(t), Hosts: []cluster.Host{{Name: hostname(t), Via: cluster.ViaLocal, StateDir: "/var/lib/salvor"}},
		Members: []cluster.Member{{
			Name: "etcd1", Host: hostname(t), DataDir: "/var/lib/etcd", Run: cluster.Supervisor{Systemd: "etcd.service"},
			ClientURLs: []string{"https://203.0.113.11:2379"}, PeerURLs: []string{"https://203.0.113.11:2380"},
			Certificates: cluster.MemberCertificates{Server: ssl + "member-node1.pem", Peer: ssl + "member-node1.pem", CA: ssl + "ca.pem", PeerCA: ssl + "ca.pem"},
		}},
		Client: cluster.TLS{CA: ssl + "ca.pem", Cert: ssl + "admin-node1.pem", Key: ssl + "admin-node1-key.pem"},
	}
	if d := cmp.Diff(want, found.Config); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]FoundMember{{Name: "etcd1", Source: "unit etcd.service", Data: cluster.DirAbsent}}, found.Members); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}
	if w := strings.Join(found.Warnings, "\n"); !strings.Contains(w, "member etcd2") || !strings.Contains(w, "member etcd3") || len(found.Warnings) != 2 {
		t.Errorf("warnings %q: want one for etcd2 and one for etcd3", found.Warnings)
	}
	if err := Validate(found.Config); err != nil || len(found.Questions) != 0 {
		t.Errorf("%v, questions %q", err, found.Questions)
	}
}

func TestDiscoverReadsUnitsOfManyForms(t *testing.T) {
	const name = "the-member"
	for _, c := range []struct{ what, root, unit string }{
		{"flags, continued lines and specifiers", `
-- lib/systemd/system/db-etcd.service --
[Service]
WorkingDirectory=/srv
ExecStart=-/opt/etcd/bin/etcd-3.5.21 --name the-member \
  # a comment in between
  --data-dir=data/%N \
  "--listen-peer-urls" http://127.0.0.1:7001 --initial-advertise-peer-urls http://127.0.0.1:7001 \
  --listen-client-urls http://0.0.0.0:7000
-- x --
`, "db-etcd.service"},
		{"a shell, as some distributions have it", `
-- usr/lib/systemd/system/etcd.service --
[Service]
EnvironmentFile=-/etc/etcd/etcd.conf
ExecStart=/bin/bash -c "GOMAXPROCS=$(nproc) /usr/bin/etcd --name=\"${ETCD_NAME}\" --data-dir=\"${ETCD_DATA_DIR}\" --listen-client-urls=\"${ETCD_LISTEN_CLIENT_URLS}\""
-- etc/etcd/etcd.conf --
ETCD_NAME="the-member"
ETCD_DATA_DIR='/srv/data/db-etcd'
ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:7000
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://127.0.0.1:7001
`, "etcd.service"},
		{"a drop-in, $ARGS and a shadowed file", `
-- lib/systemd/system/etcd.service --
[Service]
ExecStart=/usr/bin/etcd --name wrong
-- etc/systemd/system/etcd.service --
[Service]
Environment="ARGS=--name the-member --data-dir /srv/data/db-etcd" OTHER=x
ExecStart=/usr/bin/etcd --name wrong
-- etc/systemd/system/etcd.service.d/10-args.conf --
[Service]
ExecStart=
ExecStart=/usr/bin/etcd $ARGS --advertise-client-urls=http://127.0.0.1:7000 --initial-advertise-peer-urls=http://127.0.0.1:7001
`, "etcd.service"},
		{"a wanted instance of a template, and etcd's own file", `
-- etc/systemd/system/etcd@.service --
[Service]
ExecStart=/usr/bin/etcd --config-file /etc/etcd/%i.yaml
-- etc/systemd/system/multi-user.target.wants/etcd@main.service -> /etc/systemd/system/etcd@.service --
-- etc/etcd/main.yaml --
name: the-member
data-dir: /srv/data/db-etcd
listen-client-urls: http://127.0.0.1:7000
initial-advertise-peer-urls: http://127.0.0.1:7001
`, "etcd@main.service"},
	} {
		t.Run(c.what, func(t *testing.T) {
			found, err := Discover(t.Context(), Options{Root: unpack(t, c.root), Proc: newTable(t).path})
			if err != nil {
				t.Fatal(err)
			}
			want := []cluster.Member{{
				Name: name, Host: hostname(t), DataDir: "/srv/data/db-etcd", Run: cluster.Supervisor{Systemd: c.unit},
				ClientURLs: []string{"http://127.0.0.1:7000"}, PeerURLs: []string{"http://127.0.0.1:7001"},
			}}
			if d := cmp.Diff(want, found.Config.Members); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestDiscoverRefusesOtherLayoutsByName(t *testing.T) {
	for _, c := range []struct{ what, root, want string }{
		{"k3s", "-- var/lib/rancher/k3s/server/db/etcd/name --\nx\n", "k3s with embedded etcd"},
		{"rke2", "-- var/lib/rancher/rke2/server/db/etcd/name --\nx\n", "RKE2"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := Discover(t.Context(), Options{Root: unpack(t, c.root), Proc: newTable(t).path})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "systemd units (kubespray) or ordinary processes") {
				t.Errorf("error %v; want one that names %s", err, c.want)
			}
		})
	}
	t.Run("beside a unit it is a warning", func(t *testing.T) {
		root := unpack(t, kubespray+"-- var/lib/rancher/k3s/server/db/etcd/name --\nx\n")
		kubesprayPKI(t, root, time.Now().Add(time.Hour))
		found, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path})
		if err != nil || !strings.Contains(strings.Join(found.Warnings, "\n"), "also has k3s") {
			t.Errorf("%v, warnings %q", err, found.Warnings)
		}
	})
}

func TestDiscoverWarnsOfAMaskedUnitAndAMissingEnvironment(t *testing.T) {
	root := unpack(t, `
-- etc/systemd/system/etcd-events.service -> /dev/null --
-- etc/systemd/system/etcd.service --
[Service]
EnvironmentFile=/etc/etcd.env
ExecStart=/usr/bin/etcd --data-dir /var/lib/etcd
`)
	found, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path})
	if err != nil {
		t.Fatal(err)
	}
	w := strings.Join(found.Warnings, "\n")
	for _, want := range []string{"etcd-events.service is masked", "/etc/etcd.env (not there)"} {
		if !strings.Contains(w, want) {
			t.Errorf("no warning %q in %q", want, found.Warnings)
		}
	}
}

func TestAnExpiredClientCertificateIsNamedAndAForeignOneIsNot(t *testing.T) {
	root := unpack(t, kubespray)
	kubesprayPKI(t, root, time.Now().Add(-time.Hour))
	found, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path})
	if err != nil {
		t.Fatal(err)
	}
	if found.Config.Client.Cert != "/etc/ssl/etcd/ssl/admin-node1.pem" || !strings.Contains(strings.Join(found.Warnings, "\n"), "is not valid now") {
		t.Errorf("client %+v, warnings %q", found.Config.Client, found.Warnings)
	}
	// The members' authority is exchanged: none of the certificates is its.
	authority(t, filepath.Join(root, "etc/ssl/etcd/ssl"))
	if err := os.Rename(filepath.Join(root, "etc/ssl/etcd/ssl/ca.crt"), filepath.Join(root, "etc/ssl/etcd/ssl/ca.pem")); err != nil {
		t.Fatal(err)
	}
	found, err = Discover(t.Context(), Options{Root: root, Proc: newTable(t).path})
	if err != nil {
		t.Fatal(err)
	}
	q := strings.Join(found.Questions, "\n")
	if found.Config.Client != (cluster.TLS{}) || !strings.Contains(q, "client.ca: which file") || !strings.Contains(q, "client.cert and client.key") {
		t.Errorf("client %+v, questions %q", found.Config.Client, found.Questions)
	}
}

// entry writes what /proc says of one process.
func entry(t *testing.T, procs, pid, group, mounts string, argv ...string) {
	t.Helper()
	dir := filepath.Join(procs, pid)
	write(t, filepath.Join(dir, "cmdline"), strings.Join(argv, "\x00")+"\x00")
	write(t, filepath.Join(dir, "environ"), "ETCD_DATA_DIR=/var/lib/etcd-running\x00")
	write(t, filepath.Join(dir, "cgroup"), group)
	for link, target := range map[string]string{"cwd": "/", "exe": argv[0], "ns/mnt": mounts} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARunningUnitIsAUnitAndAContainerIsRefused(t *testing.T) {
	root := unpack(t, `
-- etc/systemd/system/etcd.service --
[Service]
ExecStart=/opt/start-etcd.sh
-- opt/start-etcd.sh --
#!/bin/sh
exec etcd "$@"
`)
	procs := t.TempDir()
	entry(t, procs, "self", "0::/", "mnt:[1]", "/salvor")
	entry(t, procs, "77", "0::/system.slice/etcd.service", "mnt:[1]", "/usr/bin/etcd", "--name", "a")
	found, err := Discover(t.Context(), Options{Root: root, Proc: procs})
	if err != nil {
		t.Fatal(err)
	}
	want := []FoundMember{{Name: "a", PID: 77, Source: "unit etcd.service", Data: cluster.DirAbsent}}
	if d := cmp.Diff(want, found.Members); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if m := found.Config.Members[0]; m.DataDir != "/var/lib/etcd-running" || m.Run.Systemd != "etcd.service" {
		t.Errorf("%+v: want the settings of the running process", m)
	}

	procs = t.TempDir()
	entry(t, procs, "self", "0::/", "mnt:[1]", "/salvor")
	entry(t, procs, "78", "0::/kubepods.slice/cri-containerd-0.scope", "mnt:[2]", "/usr/bin/etcd", "--name", "a")
	if _, err := Discover(t.Context(), Options{Root: t.TempDir(), Proc: procs}); err == nil || !strings.Contains(err.Error(), "etcd in a Kubernetes pod (process 78)") {
		t.Errorf("error %v; want that etcd runs in a pod", err)
	}
}

func TestOfAProcessAndItsStarterTheUserOfTheFilesCounts(t *testing.T) {
	procs := t.TempDir()
	entry(t, procs, "self", "0::/", "mnt:[1]", "/salvor")
	for _, pid := range []string{"80", "81", "82"} {
		entry(t, procs, pid, "0::/", "mnt:[1]", "/usr/bin/etcd", "--name", "a")
	}
	fd := filepath.Join(procs, "81", "fd")
	if err := os.MkdirAll(fd, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/etcd-running/member/snap/db", filepath.Join(fd, "7")); err != nil {
		t.Fatal(err)
	}
	found, err := Discover(t.Context(), Options{Root: t.TempDir(), Proc: procs})
	if err != nil || len(found.Members) != 1 || found.Members[0].PID != 81 {
		t.Errorf("found %+v, %v; want process 81 alone", found.Members, err)
	}
}
