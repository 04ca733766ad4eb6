package observe

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sort"

	"github.com/salvor-project/salvor/internal/cluster"
)

// neighbours are this machine's entries for the addresses of the cluster: those of
// its hosts, members and API servers and of what kubeconfigs name. A name that is
// no address is not looked up.
func (m machine) neighbours(k cluster.KubernetesFacts) ([]cluster.Neighbour, error) {
	all, err := neighbourTable()
	if err != nil {
		return nil, err
	}
	wanted := m.addressesOfCluster(k)
	out := slices.DeleteFunc(all, func(n cluster.Neighbour) bool { return !wanted[n.Address] })
	sort.Slice(out, func(i, j int) bool {
		return out[i].Address+out[i].Device < out[j].Address+out[j].Device
	})
	return out, nil
}

func (m machine) addressesOfCluster(k cluster.KubernetesFacts) map[string]bool {
	out := map[string]bool{}
	add := func(host string) {
		if a, err := netip.ParseAddr(host); err == nil && !a.IsLoopback() {
			out[a.Unmap().String()] = true
		}
	}
	addURL := func(raw string) {
		if u, err := url.Parse(raw); err == nil {
			add(u.Hostname())
		}
	}
	for _, h := range m.cfg.Hosts {
		if a, err := cluster.ParseSSHAddress(h.Address); err == nil {
			add(a.Host)
		}
	}
	for _, c := range m.cfg.Members {
		for _, u := range slices.Concat(c.PeerURLs, c.ClientURLs) {
			addURL(u)
		}
	}
	for _, n := range m.cfg.Kubernetes.Nodes {
		addURL(n.API)
	}
	addURL(m.cfg.Kubernetes.LoadBalancer)
	for _, c := range k.Configs {
		addURL(c.Server.Value)
	}
	return out
}

// hardware are the addresses of the machine's own interfaces, those without one
// left out.
func hardware() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, i := range all {
		if a := i.HardwareAddr.String(); a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	sort.Strings(out)
	return out, nil
}
