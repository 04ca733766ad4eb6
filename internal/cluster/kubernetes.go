package cluster

import (
	"path/filepath"
	"strings"
)

// ControlPlane is the Kubernetes that stands on the etcd members: API servers,
// what works through them, and all kubelets. All empty means that there is none,
// or none that Salvor is to look after.
type ControlPlane struct {
	// LoadBalancer is the URL at which clients reach the API servers; empty
	// when there is none.
	LoadBalancer string `json:"loadBalancer,omitempty" yaml:"loadBalancer,omitempty"`
	// Nodes are the machines that run kubelets: control planes and workers.
	Nodes []Node `json:"nodes,omitempty" yaml:"nodes,omitempty"`
}

// Node is one machine of Kubernetes. All paths are the machine's own.
type Node struct {
	// Host is the machine's name among the hosts.
	Host string `json:"host" yaml:"host"`
	// Name is the node's in Kubernetes; empty means the host's. See NodeName.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// Kubelet is the systemd unit; empty means DefaultKubelet. See Unit.
	Kubelet string `json:"kubelet,omitempty" yaml:"kubelet,omitempty"`
	// CRI is the path of the container runtime's socket; empty means
	// DefaultCRI. See Socket.
	CRI string `json:"cri,omitempty" yaml:"cri,omitempty"`
	// Kubeconfig is a file with which Salvor may ask any API server; only
	// control planes have one.
	Kubeconfig string `json:"kubeconfig,omitempty" yaml:"kubeconfig,omitempty"`
	// API is the URL of this machine's own API server, not the load
	// balancer's; empty on a machine without one.
	API string `json:"api,omitempty" yaml:"api,omitempty"`
	// The three processes of a control plane; zero on a worker.
	APIServer         Component `json:"apiServer,omitzero" yaml:"apiServer,omitempty"`
	ControllerManager Component `json:"controllerManager,omitzero" yaml:"controllerManager,omitempty"`
	Scheduler         Component `json:"scheduler,omitzero" yaml:"scheduler,omitempty"`
}

// Component is one process of a control plane; at most one field is set.
type Component struct {
	// StaticPod is the path of its manifest.
	StaticPod string `json:"staticPod,omitempty" yaml:"staticPod,omitempty"`
	// Systemd is its service unit.
	Systemd string `json:"systemd,omitempty" yaml:"systemd,omitempty"`
}

// Where a kubelet and a container runtime are when nothing else is said.
const (
	DefaultKubelet = "kubelet.service"
	DefaultCRI     = "/run/containerd/containerd.sock"
)

// NodeName gives the node's name in Kubernetes.
func (n Node) NodeName() string {
	if n.Name == "" {
		return n.Host
	}
	return n.Name
}

// Unit gives the kubelet's systemd unit.
func (n Node) Unit() string {
	if n.Kubelet == "" {
		return DefaultKubelet
	}
	return n.Kubelet
}

// Socket gives the path of the container runtime's socket.
func (n Node) Socket() string {
	if n.CRI == "" {
		return DefaultCRI
	}
	return filepath.Clean(strings.TrimPrefix(n.CRI, "unix://"))
}

// Role names a process of a control plane, as Kubernetes calls its program.
type Role string

// The roles, in the order in which a control plane is let go again.
const (
	RoleAPIServer         Role = "kube-apiserver"
	RoleControllerManager Role = "kube-controller-manager"
	RoleScheduler         Role = "kube-scheduler"
)

// Roles gives all roles, API server first.
func Roles() []Role { return []Role{RoleAPIServer, RoleControllerManager, RoleScheduler} }

// Component gives the process with a role; zero when the machine has none.
func (n Node) Component(r Role) Component {
	switch r {
	case RoleAPIServer:
		return n.APIServer
	case RoleControllerManager:
		return n.ControllerManager
	case RoleScheduler:
		return n.Scheduler
	}
	return Component{}
}

// Node finds the node that runs on a host.
func (c Config) Node(host string) (Node, bool) {
	for _, n := range c.Kubernetes.Nodes {
		if n.Host == host {
			return n, true
		}
	}
	return Node{}, false
}

// APIServers gives the nodes that run an API server, in their order.
func (c Config) APIServers() []Node {
	var out []Node
	for _, n := range c.Kubernetes.Nodes {
		if n.APIServer != (Component{}) {
			out = append(out, n)
		}
	}
	return out
}

// IsComponent tells the programs of a control plane that static pods run.
func IsComponent(program string) bool {
	switch program {
	case "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler":
		return true
	}
	return false
}
