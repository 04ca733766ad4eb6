package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/pki"
)

// kubeadmRoot is a stopped kubeadm control plane as kubeadm 1.36 leaves it.
const kubeadmRoot = `
-- etc/kubernetes/manifests/etcd.yaml --
apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec:
  containers:
  - name: etcd
    command:
    - etcd
    - --advertise-client-urls=https://10.0.0.1:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --initial-cluster=cp-1=https://10.0.0.1:2380,cp-2=https://10.0.0.2:2380,cp-3=https://10.0.0.3:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    - --name=cp-1
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    volumeMounts:
    - {mountPath: /var/lib/etcd, name: etcd-data}
    - {mountPath: /etc/kubernetes/pki/etcd, name: etcd-certs}
  volumes:
  - {name: etcd-certs, hostPath: {path: /etc/kubernetes/pki/etcd}}
  - {name: etcd-data, hostPath: {path: /data/etcd}}
-- etc/kubernetes/manifests/kube-apiserver.yaml --
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-apiserver"}, "spec": {"containers": [{"command":
["kube-apiserver", "--advertise-address=10.0.0.1", "--secure-port=6443", "--etcd-servers=https://127.0.0.1:2379"]}]}}
-- etc/kubernetes/manifests/kube-scheduler.yaml.bak --
kind: Pod
metadata: {name: kube-scheduler}
spec: {containers: [{command: [kube-scheduler]}]}
-- etc/kubernetes/manifests/kube-scheduler.yaml --
kind: Pod
metadata: {name: kube-scheduler}
spec: {containers: [{command: [kube-scheduler]}]}
-- etc/kubernetes/manifests/.kube-x.yaml.swp --
rubbish
-- etc/kubernetes/manifests.salvor/kube-controller-manager.yaml --
kind: Pod
metadata: {name: kube-controller-manager}
spec: {containers: [{command: [kube-controller-manager]}]}
-- etc/kubernetes/manifests.salvor/kube-controller-manager.yaml.older-20260101T000000.000000Z --
rubbish
-- etc/kubernetes/admin.conf --
clusters: [{name: prod, cluster: {server: "https://lb.example:6443"}}]
-- var/lib/kubelet/config.yaml --
kind: KubeletConfiguration
staticPodPath: /etc/kubernetes/manifests
containerRuntimeEndpoint: unix:///run/crio/crio.sock
-- etc/hosts --
127.0.0.1 localhost
10.0.0.3 node-3.example node-3 # the third
-- var/lib/kubelet/kubeadm-flags.env --
KUBELET_KUBEADM_ARGS="--hostname-override=Node-1"
`

func kubeadmPKI(t *testing.T, root string) {
	t.Helper()
	dir := filepath.Join(root, "etc/kubernetes/pki/etcd")
	a, _ := authority(t, dir)
	issue(t, a, pki.Server, dir, "server", time.Now().Add(time.Hour))
	issue(t, a, pki.Server, dir, "peer", time.Now().Add(time.Hour))
	issue(t, a, pki.Client, dir, "healthcheck-client", time.Now().Add(time.Hour))
}

func TestDiscoverKubeadmFromFilesAlone(t *testing.T) {
	root := unpack(t, kubeadmRoot)
	kubeadmPKI(t, root)
	found, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path, Survey: true})
	if err != nil {
		t.Fatal(err)
	}
	host := hostname(t)
	want := []cluster.Member{{
		Name: "cp-1", Host: host, DataDir: "/data/etcd", ClientURLs: []string{"https://10.0.0.1:2379"}, PeerURLs: []string{"https://10.0.0.1:2380"},
		Run: cluster.Supervisor{StaticPod: "/etc/kubernetes/manifests/etcd.yaml"},
		Certificates: cluster.MemberCertificates{Server: "/etc/kubernetes/pki/etcd/server.crt", Peer: "/etc/kubernetes/pki/etcd/peer.crt",
			CA: "/etc/kubernetes/pki/etcd/ca.crt", PeerCA: "/etc/kubernetes/pki/etcd/ca.crt"},
	}}
	if d := cmp.Diff(want, found.Config.Members); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}
	nodes := cluster.ControlPlane{LoadBalancer: "https://lb.example:6443", Nodes: []cluster.Node{{
		Host: host, Name: "node-1", CRI: "/run/crio/crio.sock", Kubeconfig: "/etc/kubernetes/admin.conf", API: "https://10.0.0.1:6443",
		APIServer:         cluster.Component{StaticPod: "/etc/kubernetes/manifests/kube-apiserver.yaml"},
		ControllerManager: cluster.Component{StaticPod: "/etc/kubernetes/manifests/kube-controller-manager.yaml"},
		Scheduler:         cluster.Component{StaticPod: "/etc/kubernetes/manifests/kube-scheduler.yaml"},
	}}}
	if d := cmp.Diff(nodes, found.Config.Kubernetes); d != "" {
		t.Errorf("kubernetes (-want +got):\n%s", d)
	}
	if found.Layout != "kubeadm" || found.Config.Cluster != "prod" || len(found.Strangers) != 2 {
		t.Errorf("layout %q, cluster %q, strangers %v", found.Layout, found.Config.Cluster, found.Strangers)
	}
	if w := strings.Join(found.Warnings, "\n"); !strings.Contains(w, "both define the pod kube-scheduler") || strings.Contains(w, "rubbish") {
		t.Errorf("warnings %q", w)
	}
	if len(found.Questions) > 0 {
		t.Errorf("questions %q", found.Questions)
	}
}

// TestMergeWritesADeadMachineLikeItsSiblings: two machines answer, the third is
// dead, a worker has no member.
func TestMergeWritesADeadMachineLikeItsSiblings(t *testing.T) {
	surveyed := func(name, ip string) Surveyed {
		root := unpack(t, strings.NewReplacer("--name=cp-1", "--name="+name, "10.0.0.1:2379", ip+":2379", "urls=https://10.0.0.1:2380", "urls=https://"+ip+":2380",
			"advertise-address=10.0.0.1", "advertise-address="+ip, `"--hostname-override=Node-1"`, `""`).Replace(kubeadmRoot))
		kubeadmPKI(t, root)
		f, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path, Survey: true})
		if err != nil {
			t.Fatal(err)
		}
		f.Config.Hosts[0].Name = name
		return Surveyed{Host: cluster.Host{Via: cluster.ViaSSH, Address: "ops@" + ip + ":2222", Sudo: true}, Found: f}
	}
	worker := Surveyed{Host: cluster.Host{Via: cluster.ViaSSH, Address: "ops@10.0.0.9"}, Found: Found{Config: cluster.Config{
		Hosts: []cluster.Host{{Name: "w", StateDir: cluster.DefaultStateDir}}, Kubernetes: cluster.ControlPlane{Nodes: []cluster.Node{{Host: "w"}}}}}}
	list := []Surveyed{surveyed("cp-1", "10.0.0.1"), surveyed("cp-2", "10.0.0.2"), worker}
	next := Elsewhere(list)
	if len(next) != 1 || next[0].Address != "ops@10.0.0.3:2222" || !next[0].Sudo {
		t.Fatalf("to be asked next: %+v", next)
	}
	list = append(list, Surveyed{Host: next[0], Err: errors.New("no route to host")})
	if again := Elsewhere(list); len(again) > 0 {
		t.Fatalf("asked for ever: %+v", again)
	}
	found, err := Merge(list, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(found.Config); err != nil {
		t.Errorf("%v\n%+v", err, found.Questions)
	}
	m, ok := found.Config.Member("cp-3")
	if !ok || m.DataDir != "/data/etcd" || m.ClientURLs[0] != "https://10.0.0.3:2379" || m.PeerURLs[0] != "https://10.0.0.3:2380" ||
		m.Run.StaticPod != "/etc/kubernetes/manifests/etcd.yaml" {
		t.Errorf("the dead member: %+v", m)
	}
	if h, _ := found.Config.Host(m.Host); h.Name != "node-3" || h.Address != "ops@10.0.0.3:2222" || !h.Assumed {
		t.Errorf("its machine: %+v", h)
	}
	correctDead(t, found.Config, surveyed)
	if n, _ := found.Config.Node(m.Host); n.API != "https://10.0.0.3:6443" {
		t.Errorf("its node: %+v", n)
	}
	if len(found.Config.Kubernetes.Nodes) != 4 || found.Config.Client.Cert == "" || len(found.Questions) > 0 {
		t.Errorf("%d nodes, client %+v, questions %q", len(found.Config.Kubernetes.Nodes), found.Config.Client, found.Questions)
	}
	if w := strings.Join(found.Warnings, "\n"); !strings.Contains(w, "node-3 (ops@10.0.0.3:2222) does not answer") {
		t.Errorf("warnings %q", w)
	}
}

// correctDead: the dead machine answers, and is not what its siblings are.
func correctDead(t *testing.T, cfg cluster.Config, surveyed func(name, ip string) Surveyed) {
	t.Helper()
	before := fmt.Sprintf("%+v", cfg)
	own := surveyed("cp-3", "10.0.0.3").Found
	own.Config.Members[0].DataDir, own.Config.Members[0].Certificates.Server = "/other/etcd", "/other/server.crt"
	own.Config.Client.Cert = "/other/client.crt"
	next, ok := Correct(cfg, "node-3", own)
	m, _ := next.Member("cp-3")
	h, _ := next.Host("node-3")
	n, _ := next.Node("node-3")
	if !ok || m.DataDir != "/other/etcd" || m.Certificates.Server != "/other/server.crt" || m.Host != "node-3" || h.Assumed || h.Address != "ops@10.0.0.3:2222" ||
		h.Client.Cert != "/other/client.crt" || n.API != "https://10.0.0.3:6443" || n.Host != "node-3" {
		t.Errorf("corrected: %v, %+v, %+v, %+v", ok, m, h, n)
	}
	if err := Validate(next); err != nil {
		t.Error(err)
	}
	if fmt.Sprintf("%+v", cfg) != before {
		t.Error("the configuration that was given was changed")
	}
	// What it shows is another member: nothing is known of this one.
	if _, ok := Correct(cfg, "node-3", surveyed("cp-9", "10.0.0.99").Found); ok {
		t.Error("another member was taken for this one")
	}
}

// TestClientFilesOfEachHost: kubespray calls them after the machine, and a
// worker has none.
func TestClientFilesOfEachHost(t *testing.T) {
	own := func(name string) Surveyed {
		u := "https://" + name + ":238"
		return Surveyed{Host: cluster.Host{Via: cluster.ViaSSH, Address: name}, Found: Found{
			Members: []FoundMember{{Name: name}}, Config: cluster.Config{Hosts: []cluster.Host{{Name: name, StateDir: cluster.DefaultStateDir}},
				Members: []cluster.Member{{Name: name, Host: name, DataDir: "/var/lib/etcd", ClientURLs: []string{u + "0"}, PeerURLs: []string{u + "1"},
					Run: cluster.Supervisor{Systemd: "etcd.service"}}},
				Client: cluster.TLS{CA: "/s/ca.pem", Cert: "/s/admin-" + name + ".pem", Key: "/s/admin-" + name + "-key.pem"}}}}
	}
	worker := Surveyed{Host: cluster.Host{Via: cluster.ViaSSH, Address: "w"}, Found: Found{Config: cluster.Config{
		Hosts: []cluster.Host{{Name: "w", StateDir: cluster.DefaultStateDir}}, Kubernetes: cluster.ControlPlane{Nodes: []cluster.Node{{Host: "w"}}}}}}
	found, err := Merge([]Surveyed{own("a"), own("b"), worker}, "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(found.Config); err != nil {
		t.Error(err)
	}
	if h, _ := found.Config.Host("b"); h.Client.Cert != "/s/admin-b.pem" || found.Config.Client != (cluster.TLS{}) {
		t.Errorf("%+v, %+v", h.Client, found.Config.Client)
	}
	found.Config.Hosts[1].Client = cluster.TLS{}
	if err := Validate(found.Config); err == nil {
		t.Error("a member that nobody can ask passed")
	}
}

func TestManagedControlPlanesAreRefused(t *testing.T) {
	root := unpack(t, `
-- etc/kubernetes/kubelet.conf --
clusters: [{name: x, cluster: {server: "https://ABC.gr7.eu-west-1.eks.amazonaws.com"}}]
-- var/lib/kubelet/config.yaml --
kind: KubeletConfiguration
`)
	if _, err := Discover(t.Context(), Options{Root: root, Proc: newTable(t).path, Survey: true}); err == nil || !strings.Contains(err.Error(), "Amazon EKS") {
		t.Errorf("error %v; want one that names Amazon EKS", err)
	}
}
