package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// kubernetes judges what stands on the members.
func (j *judge) kubernetes() {
	k := j.cfg.Kubernetes
	if k.LoadBalancer != "" {
		j.origin([]any{"kubernetes", "loadBalancer"}, k.LoadBalancer)
		if len(k.Nodes) == 0 {
			j.add([]any{"kubernetes", "nodes"}, "are missing: the machines behind the load balancer")
		}
	}
	hosts, names, apis, files := map[string]int{}, map[string]int{}, map[string]string{}, map[string]string{}
	for i, n := range k.Nodes {
		path := []any{"kubernetes", "nodes", i}
		j.hostExists(path, n.Host)
		if first, twice := hosts[n.Host]; twice && n.Host != "" {
			j.add(at(path, "host"), "host %s is also nodes[%d]: a machine is one node", n.Host, first)
		}
		hosts[n.Host] = i
		if n.NodeName() != "" {
			j.name(at(path, "name"), "node", n.NodeName(), names, i)
		}
		if n.Kubelet != "" {
			j.unit(at(path, "kubelet"), n.Kubelet)
		}
		if n.CRI != "" {
			j.absolute(at(path, "cri"), n.CRI)
		}
		if n.Kubeconfig != "" {
			j.absolute(at(path, "kubeconfig"), n.Kubeconfig)
		}
		j.apiServer(path, n, apis)
		for _, r := range cluster.Roles() {
			j.component(at(path, roleField(r)), n, r, files)
		}
	}
	for i, m := range j.cfg.Members {
		if f := m.Run.StaticPod; f != "" && files[m.Host+":"+f] != "" {
			j.add([]any{"members", i, "run", "staticPod"}, "%s is already the manifest of %s", f, files[m.Host+":"+f])
		}
	}
}

// roleField is a role's field in the file.
func roleField(r cluster.Role) string {
	switch r {
	case cluster.RoleControllerManager:
		return "controllerManager"
	case cluster.RoleScheduler:
		return "scheduler"
	case cluster.RoleAPIServer:
	}
	return "apiServer"
}

// apiServer wants everything with which an API server can be asked.
func (j *judge) apiServer(path []any, n cluster.Node, owners map[string]string) {
	has := n.APIServer != (cluster.Component{})
	switch {
	case has && n.API == "":
		j.add(at(path, "api"), "is missing: the URL of this machine's own API server")
	case has && n.Kubeconfig == "":
		j.add(at(path, "kubeconfig"), "is missing: a file on this machine with which its API server may be asked, such as /etc/kubernetes/admin.conf")
	case !has && n.API != "":
		j.add(at(path, "apiServer"), "is missing: api names an API server, and nothing tells who starts and stops it")
	}
	if n.API == "" {
		return
	}
	j.origin(at(path, "api"), n.API)
	switch owner, taken := owners[n.API]; {
	case taken:
		j.add(at(path, "api"), "%s is already the API server of host %s: this is the machine's own, not the load balancer's", n.API, owner)
	case n.API == j.cfg.Kubernetes.LoadBalancer && len(j.cfg.APIServers()) > 1:
		j.add(at(path, "api"), "%s is the load balancer's: name the machine's own API server", n.API)
	}
	owners[n.API] = n.Host
}

func (j *judge) component(path []any, n cluster.Node, r cluster.Role, files map[string]string) {
	c := n.Component(r)
	switch {
	case c.StaticPod != "" && c.Systemd != "":
		j.add(path, "staticPod and systemd exclude each other: one of them runs the %s", r)
	case c.Systemd != "":
		j.unit(at(path, "systemd"), c.Systemd)
	case c.StaticPod != "":
		j.manifest(at(path, "staticPod"), c.StaticPod)
		key := n.Host + ":" + c.StaticPod
		if owner, taken := files[key]; taken {
			j.add(at(path, "staticPod"), "%s is already the manifest of %s", c.StaticPod, owner)
		}
		files[key] = fmt.Sprintf("the %s of %s", r, n.Host)
	}
}

// manifest wants a file that a kubelet would read.
func (j *judge) manifest(path []any, value string) {
	if !j.absolute(path, value) {
		return
	}
	base := filepath.Base(value)
	if strings.HasPrefix(base, ".") || !slices.Contains([]string{".yaml", ".yml", ".json", ".manifest"}, filepath.Ext(base)) {
		j.add(path, "%q is no manifest that a kubelet is known to read: it ends in .yaml, .yml, .json or .manifest", value)
	}
}

// origin wants an https URL that ends after the port.
func (j *judge) origin(path []any, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		j.add(path, "%q must be a URL like https://10.0.0.11:6443", value)
	case u.User != nil:
		j.add(path, "%q must not hold a user or a password", value)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		j.add(path, "%q must end after the port", value)
	}
}
