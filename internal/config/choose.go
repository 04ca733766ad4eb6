package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// layout is a way to run etcd that this version does not handle.
type layout struct {
	name, mark string
	// folder is true when the mark is a folder rather than a manifest.
	folder bool
}

func layouts() []layout {
	return []layout{
		{"k3s with embedded etcd", "/var/lib/rancher/k3s/server/db/etcd", true},
		{"RKE2", "/var/lib/rancher/rke2/server/db/etcd", true},
		{"k0s", "/var/lib/k0s/etcd", true},
		{"MicroK8s", "/var/snap/microk8s/current/var/kubernetes/backend", true},
		{"Talos", "/system/state", true},
	}
}

// refuse names a layout that this version does not handle. Beside members that
// it does handle, the other etcd is only a warning.
func (d *discovery) refuse() error {
	const handles = "this version of Salvor handles etcd members that are static pods (kubeadm), systemd units (kubespray) or ordinary processes; nothing was written"
	var seen []string
	for _, l := range layouts() {
		b, err := os.ReadFile(filepath.Join(d.o.Root, l.mark))
		if os.IsNotExist(err) || l.folder && !isFolder(filepath.Join(d.o.Root, l.mark)) {
			continue
		}
		seen = append(seen, fmt.Sprintf("%s (%s)", l.name, l.mark))
		for _, dir := range d.o.DataDirs {
			if l.folder && (dir == l.mark || within(dir, l.mark)) || !l.folder && strings.Contains(string(b), dir) {
				return fmt.Errorf("%s belongs to %s: %s", dir, seen[len(seen)-1], handles)
			}
		}
	}
	for _, p := range d.foreign {
		s := fromFlags(p.command[1:])
		if slices.ContainsFunc(d.members, func(m *member) bool { return m.dataDir == s.dataDir(p.dir) }) {
			continue // a unit starts the container, and is found
		}
		if p.pod && len(seen) == 0 {
			seen = append(seen, fmt.Sprintf("etcd in a Kubernetes pod (process %d)", p.pid))
		} else if !p.pod {
			seen = append(seen, fmt.Sprintf("etcd in a container (process %d)", p.pid))
		}
	}
	if name := d.machine.managed(); name != "" {
		return fmt.Errorf("this machine is a node of %s (%s): its control plane is not yours to recover; nothing was written", name, d.machine.loadBalancer)
	}
	if len(d.members) == 0 && d.o.Survey && d.machine.found && len(seen) == 0 {
		return nil
	}
	if len(d.members) == 0 && len(seen) > 0 {
		return fmt.Errorf("this machine has %s: %s", strings.Join(seen, " and "), handles)
	}
	for _, s := range seen {
		d.warn("this machine also has %s, which is left out: %s", s, "this version handles static pods, systemd units and processes")
	}
	if len(d.members) == 0 {
		return fmt.Errorf("%w: no process, no systemd unit; name the data dirs with --data-dir, and run as root to see everybody's processes", ErrNothing)
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// choose keeps the members of one cluster.
func (d *discovery) choose() error {
	groups := d.groups()
	if len(groups) == 0 {
		return nil
	}
	if len(groups) > 1 && len(d.o.DataDirs) > 0 {
		groups = slices.DeleteFunc(groups, func(g []*member) bool { return !slices.ContainsFunc(g, d.wanted) })
	}
	if len(groups) > 1 {
		living := slices.DeleteFunc(slices.Clone(groups), func(g []*member) bool {
			return !slices.ContainsFunc(g, (*member).alive)
		})
		if len(living) > 0 {
			for _, g := range groups {
				if !slices.ContainsFunc(g, (*member).alive) {
					d.warn("left out: %s; it does not run, has no data and belongs to no member that does", describe(g))
				}
			}
			groups = living
		}
	}
	if len(groups) != 1 {
		var each []string
		for _, g := range groups {
			each = append(each, "  "+describe(g))
		}
		return fmt.Errorf("the members on this machine belong to %d clusters, and one file describes one; choose with --data-dir:\n%s",
			len(groups), strings.Join(each, "\n"))
	}
	d.members = groups[0]
	return nil
}

func (d *discovery) wanted(m *member) bool {
	return slices.ContainsFunc(d.o.DataDirs, func(dir string) bool { return sameFolder(filepath.Join(m.root, m.dataDir), dir) })
}

func describe(group []*member) string {
	var parts []string
	for _, m := range group {
		parts = append(parts, fmt.Sprintf("%s (%s, %s)", m.name, m.source, m.dataDir))
	}
	return strings.Join(parts, ", ")
}

// groups sorts the members by cluster: those with the same cluster ID, and
// those that one names as a peer of the other.
func (d *discovery) groups() [][]*member {
	d.dropDoubles()
	var groups [][]*member
	for _, m := range d.members {
		merged := []*member{m}
		groups = slices.DeleteFunc(groups, func(g []*member) bool {
			if !slices.ContainsFunc(g, func(o *member) bool { return related(m, o) || related(o, m) }) {
				return false
			}
			merged = append(slices.Clone(g), merged...)
			return true
		})
		groups = append(groups, merged)
	}
	return groups
}

// dropDoubles leaves out a unit without process and data that claims the peer
// URL of a member that lives: a package's unit beside an etcd started by hand.
func (d *discovery) dropDoubles() {
	var kept []*member
	for _, m := range d.members {
		i := slices.IndexFunc(d.members, func(o *member) bool { return o != m && o.alive() && overlap(o.peer, m.peer) })
		if i >= 0 && !m.alive() {
			d.warn("left out: %s; it does not run, has no data, and %s has its peer URL", describe([]*member{m}), d.members[i].name)
			continue
		}
		kept = append(kept, m)
	}
	d.members = kept
}

func related(a, b *member) bool {
	if a.disk.ClusterID.OK && b.disk.ClusterID.OK && a.disk.ClusterID.Value == b.disk.ClusterID.Value {
		return true
	}
	return slices.ContainsFunc(a.peers(), func(p peer) bool { return overlap(p.urls, b.peer) })
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(u string) bool { return slices.Contains(b, u) })
}

// peers are the members that a member knows of: its db's list, else its
// initial cluster.
func (m *member) peers() []peer {
	if !m.disk.DB.OK || len(m.disk.DB.Value.Members) == 0 {
		return m.set.initialCluster()
	}
	var out []peer
	for _, e := range m.disk.DB.Value.Members {
		out = append(out, peer{name: e.Name, urls: e.PeerURLs})
	}
	return out
}

// strangers warns of members of the cluster that were not found here, and asks
// for those that must be here by their address.
func (d *discovery) strangers() {
	told := map[string]bool{}
	for _, m := range d.members {
		for _, p := range m.peers() {
			key := strings.Join(p.urls, ",")
			if told[key] || slices.ContainsFunc(d.members, func(o *member) bool { return overlap(p.urls, o.peer) || o.name == p.name }) {
				continue
			}
			told[key] = true
			if slices.ContainsFunc(p.urls, local) {
				d.ask("member %s of this cluster (%s) has an address of this machine, but no process and no unit tells where its data dir is: name it with --data-dir, or add it to the file", p.name, key)
			} else {
				d.elsewhere = append(d.elsewhere, Stranger{Name: p.name, PeerURLs: p.urls, Host: d.hostsName(peerHost(p.urls))})
				if !d.o.Survey {
					d.warn("member %s of this cluster (%s) is on another machine: name all machines with --host, or Salvor will not see it", p.name, key)
				}
			}
		}
		d.moved(m)
	}
	d.endpoints(told)
}

// hostsName gives the first name of an address in /etc/hosts (hosts(5)).
func (d *discovery) hostsName(address string) string {
	b, err := os.ReadFile(filepath.Join(d.o.Root, "/etc/hosts"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 && f[0] == address {
			name, _, _ := strings.Cut(f[1], ".")
			return name
		}
	}
	return ""
}

// endpoints adds what the API server of this machine calls its etcd: the only
// trace of the members on a machine without one.
func (d *discovery) endpoints(told map[string]bool) {
	if len(d.members) > 0 {
		return
	}
	for _, raw := range d.machine.etcd {
		u, err := url.Parse(raw)
		if err != nil || local(raw) || told[raw] {
			continue
		}
		told[raw] = true
		u.Host = net.JoinHostPort(u.Hostname(), "2380")
		d.elsewhere = append(d.elsewhere, Stranger{PeerURLs: []string{u.String()}})
	}
}

// moved warns where the db has other peer URLs than the flags.
func (d *discovery) moved(m *member) {
	if !m.disk.DB.OK || !m.disk.MemberID.OK || m.source == "data dir" {
		return
	}
	for _, e := range m.disk.DB.Value.Members {
		if e.ID == m.disk.MemberID.Value && !overlap(e.PeerURLs, m.peer) {
			d.warn("%s: its flags say peer URL %s, the cluster knows it as %s", m.name, strings.Join(m.peer, ","), strings.Join(e.PeerURLs, ","))
		}
	}
}

// local tells whether a URL's host is an address of this machine.
func local(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	if ip == nil {
		return u.Hostname() == "localhost"
	}
	if ip.IsLoopback() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addresses, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}
