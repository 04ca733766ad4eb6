package config

import (
	"github.com/salvor-project/salvor/internal/cluster"
)

// Correct puts what a machine found of itself in the place of what a
// configuration has assumed of it, and tells whether anything of it was found
// that the configuration knows; the configuration given is not changed. The
// names of host and member stay: others refer to them.
func Correct(cfg cluster.Config, host string, f Found) (cluster.Config, bool) {
	hosts := append([]cluster.Host{}, cfg.Hosts...)
	members := append([]cluster.Member{}, cfg.Members...)
	nodes := append([]cluster.Node{}, cfg.Kubernetes.Nodes...)
	known := false
	for i, m := range members {
		for _, x := range f.Config.Members {
			if m.Host == host && overlap(m.PeerURLs, x.PeerURLs) {
				x.Name, x.Host = m.Name, m.Host
				members[i], known = x, true
			}
		}
	}
	if !known {
		return cfg, false
	}
	for i, h := range hosts {
		if h.Name != host {
			continue
		}
		hosts[i].Assumed, hosts[i].Client = false, cluster.TLS{}
		if c := f.Config.Client; c != cfg.Client {
			hosts[i].Client = c
		}
	}
	for i, n := range nodes {
		if n.Host != host || len(f.Config.Kubernetes.Nodes) == 0 {
			continue
		}
		own := f.Config.Kubernetes.Nodes[0]
		if own.Name = own.NodeName(); own.Name == host {
			own.Name = ""
		}
		own.Host = host
		nodes[i] = own
	}
	cfg.Hosts, cfg.Members, cfg.Kubernetes.Nodes = hosts, members, nodes
	return cfg, true
}
