package config

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// defaultManifests is where kubeadm and kubespray put static pods.
const defaultManifests = "/etc/kubernetes/manifests"

// machine is what of Kubernetes was found on this one.
type machine struct {
	found        bool
	node         cluster.Node
	loadBalancer string
	cluster      string
	// etcd are the endpoints that the API server is given.
	etcd []string
}

// kubernetes finds the kubelet, its static pods and what they are, from files
// alone, whether anything runs or not. A static pod that is an etcd becomes a
// member.
func (d *discovery) kubernetes() {
	conf, found := d.kubeletConfig()
	dir := conf.StaticPodPath
	if dir == "" {
		dir = defaultManifests
	}
	pods := d.pods(dir)
	if !found && len(pods) == 0 {
		return
	}
	m := machine{found: true, node: cluster.Node{Host: d.host}}
	if name := d.nodeName(); name != d.host {
		m.node.Name = name
	}
	if s := strings.TrimPrefix(conf.Runtime, "unix://"); s != "" && filepath.Clean(s) != cluster.DefaultCRI && s != "/var/run/containerd/containerd.sock" {
		m.node.CRI = filepath.Clean(s)
	}
	for _, p := range pods {
		switch p.program() {
		case "etcd":
			d.staticMember(p)
		case string(cluster.RoleAPIServer):
			m.node.APIServer.StaticPod = p.file
			d.apiServer(&m, p.settings())
		case string(cluster.RoleControllerManager):
			m.node.ControllerManager.StaticPod = p.file
		case string(cluster.RoleScheduler):
			m.node.Scheduler.StaticPod = p.file
		}
	}
	d.componentUnits(&m)
	d.kubeconfigs(&m)
	d.machine = m
}

// kubeletConf is the part of a KubeletConfiguration that is needed
// (k8s.io/kubelet/config/v1beta1).
type kubeletConf struct {
	StaticPodPath string `yaml:"staticPodPath"`
	Runtime       string `yaml:"containerRuntimeEndpoint"`
}

// kubeletConfig reads the kubelet's files where kubeadm and kubespray have
// them; flags win.
func (d *discovery) kubeletConfig() (conf kubeletConf, found bool) {
	for _, file := range []string{"/var/lib/kubelet/config.yaml", "/var/lib/kubelet/instance-config.yaml", "/etc/kubernetes/kubelet-config.yaml"} {
		b, err := os.ReadFile(filepath.Join(d.o.Root, file))
		if err != nil {
			continue
		}
		var c kubeletConf
		if yaml.Unmarshal(b, &c) == nil {
			found = true
			if c.StaticPodPath != "" {
				conf.StaticPodPath = filepath.Clean(c.StaticPodPath)
			}
			if c.Runtime != "" {
				conf.Runtime = c.Runtime
			}
		}
	}
	flags := d.kubeletFlags()
	if v := flags["pod-manifest-path"]; v != "" {
		conf.StaticPodPath = filepath.Clean(v)
	}
	if v := flags["container-runtime-endpoint"]; v != "" {
		conf.Runtime = v
	}
	return conf, found || len(flags) > 0
}

// kubeletFlags are those of kubeadm's and kubespray's environment files.
func (d *discovery) kubeletFlags() settings {
	var all []string
	for _, file := range []string{"/var/lib/kubelet/kubeadm-flags.env", "/etc/kubernetes/kubelet.env", "/etc/default/kubelet"} {
		b, err := os.ReadFile(filepath.Join(d.o.Root, file))
		if err != nil {
			continue
		}
		for _, e := range envFile(string(b)) {
			_, value, _ := strings.Cut(e, "=")
			all = append(all, strings.Fields(value)...)
		}
	}
	return fromFlags(all)
}

// nodeName is what the kubelet calls itself: its client certificate is made
// out to it. Without one it is the flag, else the host's name.
func (d *discovery) nodeName() string {
	for _, file := range []string{"/var/lib/kubelet/pki/kubelet-client-current.pem"} {
		b, err := os.ReadFile(filepath.Join(d.o.Root, file))
		if err != nil {
			continue
		}
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if c, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
				if name, ok := strings.CutPrefix(c.Subject.CommonName, "system:node:"); ok {
					return name
				}
			}
		}
	}
	if v := d.kubeletFlags()["hostname-override"]; v != "" {
		return strings.ToLower(v)
	}
	return strings.ToLower(d.host)
}

// pods reads the manifests of a folder, and those that Salvor keeps beside it
// in the middle of a case, each under the path at which it belongs.
func (d *discovery) pods(dir string) []pod {
	var out []pod
	for _, at := range []string{dir, dir + ".salvor"} {
		entries, err := os.ReadDir(filepath.Join(d.o.Root, at))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || e.IsDir() || at != dir && strings.Contains(e.Name(), ".older-") {
				continue
			}
			p, err := readPod(filepath.Join(d.o.Root, at, e.Name()))
			if err != nil {
				d.warn("manifest %s: %s", filepath.Join(at, e.Name()), err)
				continue
			}
			p.file = filepath.Join(dir, e.Name())
			if i := slices.IndexFunc(out, func(o pod) bool { return o.name == p.name }); i >= 0 {
				d.warn("%s and %s both define the pod %s; a kubelet reads every file in that folder, and which wins is chance", out[i].file, filepath.Join(at, e.Name()), p.name)
				if manifestName(out[i].file) || !manifestName(p.file) {
					continue
				}
				out = slices.Delete(out, i, i+1)
			}
			out = append(out, p)
		}
	}
	return out
}

func manifestName(path string) bool {
	j := judge{}
	j.manifest(nil, path)
	return len(j.bad) == 0
}

// staticMember makes a member of a static pod that is an etcd. The process
// that it runs as, if it runs, is taken for its own.
func (d *discovery) staticMember(p pod) {
	m := d.newMember(p.settings(), "/", d.o.Root)
	m.run, m.source = cluster.Supervisor{StaticPod: p.file}, "static pod "+p.file
	same := func(dir string) bool { return filepath.Clean(p.outside(dir)) == filepath.Clean(m.dataDir) }
	d.members = slices.DeleteFunc(d.members, func(o *member) bool {
		if o.pid != 0 && same(o.dataDir) {
			m.pid = o.pid
			return true
		}
		return false
	})
	d.foreign = slices.DeleteFunc(d.foreign, func(o process) bool {
		if same(fromFlags(o.command[1:]).dataDir(o.dir)) {
			m.pid = o.pid
			return true
		}
		return false
	})
	d.members = append(d.members, m)
}

// apiServer notes where an API server listens and which etcd it is given.
func (d *discovery) apiServer(m *machine, s settings) {
	host, port := s["advertise-address"], s["secure-port"]
	if host == "" {
		host = s["bind-address"]
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "6443"
	}
	m.node.API = "https://" + net.JoinHostPort(host, port)
	m.etcd = urlList(s["etcd-servers"])
}

// componentUnits finds the three where they are systemd units.
func (d *discovery) componentUnits(m *machine) {
	services, err := units(d.o.Root, d.host)
	if err != nil {
		return // told when members were looked for
	}
	for name, u := range services {
		if len(u.command) == 0 {
			continue
		}
		switch base := filepath.Base(u.command[0]); base {
		case string(cluster.RoleAPIServer):
			if m.node.APIServer == (cluster.Component{}) {
				m.node.APIServer.Systemd = name
				d.apiServer(m, fromFlags(u.command[1:]))
			}
		case string(cluster.RoleControllerManager):
			if m.node.ControllerManager == (cluster.Component{}) {
				m.node.ControllerManager.Systemd = name
			}
		case string(cluster.RoleScheduler):
			if m.node.Scheduler == (cluster.Component{}) {
				m.node.Scheduler.Systemd = name
			}
		case "kubelet":
			if name != cluster.DefaultKubelet {
				m.node.Kubelet = name
			}
		}
	}
}

// kubeconfigs finds a file with which the API may be asked, and the load
// balancer: the server that kubeconfigs name when it is not an API server.
func (d *discovery) kubeconfigs(m *machine) {
	for _, file := range []string{"/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf", "/root/.kube/config", "/etc/kubernetes/kubelet.conf"} {
		b, err := os.ReadFile(filepath.Join(d.o.Root, file))
		if err != nil {
			continue
		}
		var k struct {
			Clusters []struct {
				Name    string `yaml:"name"`
				Cluster struct {
					Server string `yaml:"server"`
				} `yaml:"cluster"`
			} `yaml:"clusters"`
		}
		if yaml.Unmarshal(b, &k) != nil || len(k.Clusters) == 0 {
			continue
		}
		if m.node.Kubeconfig == "" && m.node.API != "" && file != "/etc/kubernetes/kubelet.conf" {
			m.node.Kubeconfig = file
		}
		if name := k.Clusters[0].Name; m.cluster == "" && name != "kubernetes" && name != "default-cluster" {
			m.cluster = name
		}
		server := strings.TrimSuffix(k.Clusters[0].Cluster.Server, "/")
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "https" || server == m.node.API || m.loadBalancer != "" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() || u.Hostname() == "localhost" {
			continue
		}
		m.loadBalancer = server
	}
	if m.node.API != "" && m.node.Kubeconfig == "" {
		d.ask("kubernetes.nodes[%s].kubeconfig: which file on this machine may Salvor ask the API server with? There is no /etc/kubernetes/admin.conf", d.host)
	}
}

// managed names a control plane that somebody else runs, by the address that
// kubeconfigs name; empty when it is none that is known.
func (m machine) managed() string {
	u, err := url.Parse(m.loadBalancer)
	if err != nil || m.node.API != "" {
		return ""
	}
	for end, name := range map[string]string{
		".eks.amazonaws.com": "Amazon EKS", ".azmk8s.io": "Azure AKS", ".gke.goog": "Google GKE", ".k8s.ondigitalocean.com": "DigitalOcean Kubernetes",
		".oraclecloud.com": "Oracle OKE", ".linodelke.net": "Linode LKE", ".k8s.scw.cloud": "Scaleway Kapsule", ".aliyuncs.com": "Alibaba ACK",
	} {
		if strings.HasSuffix(u.Hostname(), end) {
			return name
		}
	}
	return ""
}
