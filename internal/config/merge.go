package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Surveyed is what one of several machines told of itself, or why it could not
// be asked.
type Surveyed struct {
	// Host is the way to the machine; its name is not known before it answers.
	Host  cluster.Host
	Found Found
	Err   error
}

// Merge makes one configuration of what several machines told. A member that
// others know and whose machine does not answer is written as its siblings are:
// a dead machine belongs to the cluster, too. name is the cluster's; empty takes
// what the machines call it.
func Merge(list []Surveyed, name string) (Found, error) {
	m := merger{out: Found{Config: cluster.Config{Cluster: name}}}
	answered := 0
	for _, s := range list {
		if s.Err == nil {
			answered++
			m.add(s)
		}
	}
	if answered == 0 {
		return Found{}, fmt.Errorf("discover: none of the %d machines could be reached", len(list))
	}
	if len(m.out.Config.Members) == 0 {
		return Found{}, fmt.Errorf("discover: %w: none of the machines that answered runs one; name the machines of the etcd members with --host", ErrNothing)
	}
	m.clients()
	m.absent(list)
	m.balancer()
	if m.out.Config.Cluster == "" {
		m.out.Config.Cluster = m.out.Config.Hosts[0].Name
	}
	return m.out, nil
}

type merger struct {
	out Found
	// own are the client files that each host found.
	own       []cluster.TLS
	strangers []Stranger
}

// add takes one machine's answer in, under the machine's own name.
func (m *merger) add(s Surveyed) {
	cfg := &m.out.Config
	own := s.Found.Config
	h := s.Host
	h.Name = own.Hosts[0].Name
	if _, taken := cfg.Host(h.Name); taken {
		h.Name = hostOf(s.Host.Address)
		m.out.Warnings = append(m.out.Warnings, fmt.Sprintf("two machines call themselves %s: the second is called %s here", own.Hosts[0].Name, h.Name))
	}
	if own.Hosts[0].StateDir != cluster.DefaultStateDir {
		h.StateDir = own.Hosts[0].StateDir
	}
	cfg.Hosts = append(cfg.Hosts, h)
	m.own = append(m.own, own.Client)
	for i, x := range own.Members {
		x.Host = h.Name
		cfg.Members = append(cfg.Members, x)
		m.out.Members = append(m.out.Members, s.Found.Members[i])
	}
	for _, n := range own.Kubernetes.Nodes {
		n.Host = h.Name
		if n.Name == h.Name {
			n.Name = ""
		}
		cfg.Kubernetes.Nodes = append(cfg.Kubernetes.Nodes, n)
	}
	if cfg.Kubernetes.LoadBalancer == "" {
		cfg.Kubernetes.LoadBalancer = own.Kubernetes.LoadBalancer
	}
	if cfg.Cluster == "" && own.Cluster != own.Hosts[0].Name {
		cfg.Cluster = own.Cluster
	}
	for _, p := range own.Snapshots {
		cfg.Snapshots = append(cfg.Snapshots, cluster.SnapshotPlace{Host: h.Name, Path: p.Path})
	}
	if m.out.Layout == "" {
		m.out.Layout = s.Found.Layout
	}
	m.strangers = append(m.strangers, s.Found.Strangers...)
	for _, q := range s.Found.Questions {
		m.out.Questions = append(m.out.Questions, h.Name+": "+q)
	}
	for _, w := range s.Found.Warnings {
		m.out.Warnings = append(m.out.Warnings, h.Name+": "+w)
	}
}

// clients writes the client files once when all machines have the same, and by
// host where they differ.
func (m *merger) clients() {
	count := map[cluster.TLS]int{}
	for _, c := range m.own {
		if c != (cluster.TLS{}) {
			count[c]++
		}
	}
	best := cluster.TLS{}
	for _, c := range m.own {
		if count[c] > count[best] {
			best = c
		}
	}
	cfg := &m.out.Config
	if len(count) == 0 {
		return
	}
	if count[best] > 1 || len(count) == 1 {
		cfg.Client = best
	}
	for i := range cfg.Hosts {
		if c := m.own[i]; c != (cluster.TLS{}) && c != cfg.Client {
			cfg.Hosts[i].Client = c
		}
	}
}

// absent adds the members that others know and that no machine showed.
func (m *merger) absent(list []Surveyed) {
	cfg := &m.out.Config
	var seen [][]string
	for _, s := range m.strangers {
		if slices.ContainsFunc(cfg.Members, func(x cluster.Member) bool { return overlap(x.PeerURLs, s.PeerURLs) }) ||
			slices.ContainsFunc(seen, func(u []string) bool { return overlap(u, s.PeerURLs) }) {
			continue
		}
		seen = append(seen, s.PeerURLs)
		why := "no --host names its machine"
		at := slices.IndexFunc(list, func(x Surveyed) bool { return x.Err != nil && hostOf(x.Host.Address) == peerHost(s.PeerURLs) })
		if at < 0 || s.Name == "" {
			m.out.Questions = append(m.out.Questions, fmt.Sprintf("members: %s (%s) belongs to this cluster, and %s: name it, even if it is dead",
				orUnnamed(s.Name), strings.Join(s.PeerURLs, ","), why))
			continue
		}
		m.assume(list[at], s)
	}
	for _, s := range list {
		if s.Err != nil && !slices.ContainsFunc(cfg.Hosts, func(h cluster.Host) bool { return h.Address == s.Host.Address }) {
			m.out.Warnings = append(m.out.Warnings, fmt.Sprintf("%s was left out, because it could not be asked, and no other machine knows what it is: %s", s.Host.Address, s.Err))
		}
	}
}

func orUnnamed(name string) string {
	if name == "" {
		return "a member"
	}
	return name
}

// assume writes a member whose machine does not answer like its sibling: a
// layout is put on all machines alike.
func (m *merger) assume(s Surveyed, who Stranger) {
	cfg := &m.out.Config
	like := cfg.Members[0]
	from, to := peerHost(like.PeerURLs), peerHost(who.PeerURLs)
	h := s.Host
	h.Assumed = true
	if h.Name = who.Host; h.Name == "" {
		h.Name = who.Name
	}
	if _, taken := cfg.Host(h.Name); taken {
		h.Name = hostOf(s.Host.Address)
	}
	next := like
	next.Name, next.Host, next.PeerURLs = who.Name, h.Name, who.PeerURLs
	next.DataDir, next.WALDir = strings.ReplaceAll(like.DataDir, like.Name, who.Name), strings.ReplaceAll(like.WALDir, like.Name, who.Name)
	next.ClientURLs = nil
	for _, u := range like.ClientURLs {
		next.ClientURLs = append(next.ClientURLs, strings.Replace(u, from, to, 1))
	}
	likeHost := like.Host
	rename := func(path string) string { return strings.ReplaceAll(path, likeHost, h.Name) }
	c := like.Certificates
	next.Certificates = cluster.MemberCertificates{Server: rename(c.Server), Peer: rename(c.Peer), CA: rename(c.CA), PeerCA: rename(c.PeerCA)}
	if x, ok := cfg.Host(likeHost); ok && x.Client != (cluster.TLS{}) {
		h.Client = cluster.TLS{CA: rename(x.Client.CA), Cert: rename(x.Client.Cert), Key: rename(x.Client.Key)}
	}
	cfg.Hosts, m.own = append(cfg.Hosts, h), append(m.own, h.Client)
	cfg.Members = append(cfg.Members, next)
	m.out.Members = append(m.out.Members, FoundMember{Name: next.Name, Source: "other machines, its own does not answer"})
	if n, ok := cfg.Node(likeHost); ok {
		n.Host, n.Name = h.Name, ""
		n.API = strings.Replace(n.API, from, to, 1)
		cfg.Kubernetes.Nodes = append(cfg.Kubernetes.Nodes, n)
	}
	m.out.Warnings = append(m.out.Warnings, fmt.Sprintf("%s (%s) does not answer (%s): what is written of it is a guess from %s (hosts[].assumed); its own files count as soon as it answers",
		h.Name, s.Host.Address, s.Err, like.Host))
}

// balancer drops a load balancer that is one of the API servers.
func (m *merger) balancer() {
	k := &m.out.Config.Kubernetes
	for _, n := range k.Nodes {
		if n.API != "" && n.API == k.LoadBalancer {
			k.LoadBalancer = ""
		}
	}
}

func hostOf(address string) string {
	a, err := cluster.ParseSSHAddress(address)
	if err != nil {
		return address
	}
	return a.Host
}

func peerHost(urls []string) string {
	if len(urls) == 0 {
		return ""
	}
	u, err := url.Parse(urls[0])
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Elsewhere lists the addresses of machines that the answers name and that were
// not asked yet, each as the machine that named it was reached.
func Elsewhere(list []Surveyed) []cluster.Host {
	asked := map[string]bool{}
	for _, s := range list {
		asked[hostOf(s.Host.Address)] = true
		for _, m := range s.Found.Config.Members {
			asked[peerHost(m.PeerURLs)] = true
		}
	}
	var out []cluster.Host
	for _, s := range list {
		for _, x := range s.Found.Strangers {
			at := peerHost(x.PeerURLs)
			if at == "" || asked[at] {
				continue
			}
			asked[at] = true
			h := s.Host
			h.Address = strings.Replace(s.Host.Address, hostOf(s.Host.Address), at, 1)
			out = append(out, h)
		}
	}
	return out
}
