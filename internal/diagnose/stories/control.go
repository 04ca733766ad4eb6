package stories

import (
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Control is three members in perfect health with a Kubernetes on each host in
// which every fact is known and nothing is wrong; the newest backup lies in a
// vault, proven, and beside it as a snapshot file.
func Control() *World {
	w := Serving()
	for i := range w.Facts.Hosts {
		h := &w.Facts.Hosts[i]
		n := h.Members[0].Name
		w.Facts.Config.Members[i].Run.StaticPod = "/etc/kubernetes/manifests/etcd.yaml"
		h.Asked, h.Answered = at(), at().Add(time.Second)
		h.Node = machineOf(n)
		m := &h.Members[0]
		m.Certificates = []cluster.Known[cluster.Certificate]{cluster.Is(goodCert("/pki/"+n+"/server.crt", "server", n)), cluster.Is(goodCert("/pki/"+n+"/peer.crt", "peer", n))}
		m.Mount = cluster.Is(cluster.FileSystem{Role: "etcd-data", For: "/d/" + n, MountPoint: "/", Type: "ext4", Device: 1})
		m.WALSpace = cluster.Is(cluster.Space{Path: "/wal", TotalBytes: 1 << 40, FreeBytes: 1 << 39})
		m.Metrics = cluster.Is(cluster.EtcdMetrics{FsyncP99: 0.004, CommitP99: 0.008, HasLeader: true, LeaderChanges: 1})
		m.Process.Value.Since = at().Add(-48 * time.Hour)
		m.Live.Value.Version, m.Live.Value.DBSize, m.Live.Value.DBInUse, m.Live.Value.DBQuota = "3.6.5", 50<<20, 40<<20, 2<<30
		hash := cluster.Is(cluster.HashKV{Revision: 90, CompactRevision: 10, Hash: 7})
		m.Live.Value.HashKV, m.Live.Value.CommonHash = hash, hash
		m.Hazards = cluster.Is(goodHazards())
		m.Health = []cluster.EtcdHealth{{URL: "http://127.0.0.1:2381", Health: cluster.Is(cluster.HealthAnswer{OK: true, Status: 200}),
			Live: cluster.Is(cluster.APIHealth{OK: true, Status: 200, Passed: 1}), Ready: cluster.Is(cluster.APIHealth{OK: true, Status: 200, Passed: 3})}}
		h.Node.Neighbours = cluster.Is(goodNeighbours(n))
	}
	for _, a := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		w.Facts.Outside = append(w.Facts.Outside, cluster.APIServer{URL: "https://" + a + ":6443", Direct: true, Named: "salvor.yaml", Layer: cluster.LayerHTTP,
			Live: wellAPI(), Ready: wellAPI(), Certificate: cluster.Is(goodCert("served", "apiserver", a))})
	}
	w.Facts.Outside = append(w.Facts.Outside, cluster.APIServer{URL: "https://10.0.0.100:6443", Named: "salvor.yaml", Layer: cluster.LayerHTTP,
		Live: wellAPI(), Ready: wellAPI(), Certificate: cluster.Is(goodCert("served", "apiserver", "m1"))})
	w.Facts.Config.Snapshots = []cluster.SnapshotPlace{{Host: "hm1", Path: "/b"}}
	w.Facts.Hosts[0].Node.Places = []cluster.BackupPlace{{Path: "/b", Files: cluster.Is(1),
		Parts: cluster.Is([]string{cluster.PartAuthority, cluster.PartEtcdAuthority, cluster.PartAccounts, cluster.PartEncryption})}}
	w.Snapshot(70)
	s := &w.Facts.Hosts[0].Snapshots[0]
	s.Device, s.Hazards, s.Size, s.SHA256 = 9, cluster.Is(goodHazards()), 1<<20, "sha-of-the-snapshot"
	w.Facts.Backups = cluster.Is([]cluster.BackupFacts{{ID: "b-proven", Created: s.Modified, Revision: 70, ClusterID: home.String(), KubeSystemUID: "uid",
		Proven: at().Add(-30 * time.Minute), Here: []string{"disk"}, SHA256: s.SHA256}})
	return w
}

func wellAPI() cluster.Known[cluster.APIHealth] {
	return cluster.Is(cluster.APIHealth{OK: true, Status: 200, Passed: 40})
}

func goodObjects(n string) cluster.APIObjects {
	nodes := []cluster.NodeState{}
	for _, name := range []string{"hm1", "hm2", "hm3", "worker-1"} {
		nodes = append(nodes, cluster.NodeState{Name: name, Ready: true, Renewed: at().Add(-time.Second)})
	}
	none := cluster.Is(cluster.Names{})
	return cluster.APIObjects{URL: "https://10.0.0." + n[1:] + ":6443", System: cluster.Is("uid"),
		Namespaces: cluster.Is([]string{"default", "kube-system", "made-since", "shop"}), Definitions: cluster.Is([]string{"orders.example.com"}),
		Nodes: cluster.Is(nodes), Endpoints: cluster.Is([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}),
		LostClaims: none, Missing: none, Terminating: none, Unavailable: none, Closed: cluster.Is([]cluster.Webhook{{Object: "MutatingWebhookConfiguration/kruise", Name: "mpod.kb.io",
			Service: "kruise-system/kruise", Hits: []string{"pods"}, Backend: true}}), Hooks: cluster.Is([]string{"mpod.kb.io"}), Pods: cluster.Is([]string{"11111111-" + n}), LeasesAt: at(),
		Leases: cluster.Is([]cluster.LeaseState{{Name: "kube-controller-manager", Holder: "hm1_a", Renewed: at().Add(-time.Second)}, {Name: "kube-scheduler", Holder: "hm2_b", Renewed: at().Add(-2 * time.Second)}})}
}

// Objects gives what the API says as a member's machine heard it.
func (w *World) Objects(n string) *cluster.APIObjects { return &w.Node(n).Objects.Value }

// EachObjects changes what the API says on all machines.
func (w *World) EachObjects(change func(*cluster.APIObjects)) *World {
	for _, n := range []string{"m1", "m2", "m3"} {
		change(w.Objects(n))
	}
	return w
}

// Outer gives the way over the load balancer from the coordinator.
func (w *World) Outer() *cluster.APIServer { return &w.Facts.Outside[len(w.Facts.Outside)-1] }

func goodCert(path, use, name string) cluster.Certificate {
	return cluster.Certificate{Source: path, Use: use, Subject: "CN=" + name, Issuer: "CN=ca", Serial: "1", NotBefore: at().Add(-24 * time.Hour),
		NotAfter: at().Add(300 * 24 * time.Hour), DNSNames: []string{name}, SHA256: "sha-" + path}
}

func goodHazards() cluster.Hazards {
	return cluster.Hazards{Objects: 100, System: "uid", Authority: cluster.Is("digest-ca"), TokensSigned: cluster.Is(true),
		MasterLeases: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, Nodes: []string{"hm1", "hm2", "hm3"},
		Namespaces: cluster.Is([]string{"default", "kube-system", "shop"}), Definitions: cluster.Is([]string{"orders.example.com"})}
}

func machineOf(n string) cluster.NodeFacts {
	ip := "10.0.0." + n[1:]
	node := cluster.NodeFacts{
		Pressure: cluster.Is(cluster.PressureFacts{CPU: cluster.Is(cluster.Pressure{Some: 12}), IO: cluster.Is(cluster.Pressure{Some: 3, Full: 1}),
			Memory: cluster.Is(cluster.Pressure{}), Steal: cluster.Is(0.0), Throttled: cluster.Is(0.0)}),
		Clock:     cluster.Is(cluster.ClockFacts{Synchronized: cluster.Is(true), System: at(), RTC: cluster.Is(at())}),
		Addresses: cluster.Is([]string{ip}),
		Hardware:  cluster.Is([]string{hardwareOf(n)}),
		Units: cluster.Is([]cluster.Run{{Component: "kubelet", Source: "systemd:kubelet.service", State: "active/running", Boot: "enabled"},
			{Component: "containerd", Source: "systemd:containerd.service", State: "active/running", Restarts: 1}}),
		Containers: cluster.Is([]cluster.Run{{Component: "etcd", Source: "cri:etcd-h" + n, State: "running"},
			{Component: "kube-apiserver", Source: "cri:kube-apiserver-h" + n, State: "running", Restarts: 3,
				Last: cluster.Is(cluster.RunEnd{Exit: 137, Reason: "Error", Started: at().Add(-25 * time.Minute), Ended: at().Add(-20 * time.Minute), Seconds: 300})}}),
		Kernel: cluster.Is([]cluster.Sign{}),
		Logs: []cluster.LogFacts{{Component: "etcd", Member: n, Source: "/log/etcd", Signs: cluster.Is([]cluster.Sign{})},
			{Component: "kube-apiserver", Source: "/log/apiserver", Signs: cluster.Is([]cluster.Sign{})},
			{Component: "kube-controller-manager", Source: "/log/kcm", Signs: cluster.Is([]cluster.Sign{})},
			{Component: "kubelet", Source: "/log/kubelet", Signs: cluster.Is([]cluster.Sign{})},
			{Component: "containerd", Source: "/log/containerd", Signs: cluster.Is([]cluster.Sign{})}},
	}
	for role, path := range map[string]string{"root": "/", "kubelet": "/var/lib/kubelet", "snapshots": "/b", "etcd-data": "/d/" + n} {
		device := uint64(1)
		if role == "snapshots" {
			device = 9
		}
		node.FileSystems = append(node.FileSystems, cluster.Is(cluster.FileSystem{Role: role, For: path, Device: device,
			Space: cluster.Space{Path: path, TotalBytes: 1 << 40, FreeBytes: 1 << 39, TotalInodes: 1 << 20, FreeInodes: 1 << 19}}))
	}
	k := cluster.KubernetesFacts{Present: true,
		Kubelet: cluster.Is(cluster.ServiceFacts{Unit: "kubelet", Active: "active", Sub: "running", Process: cluster.Is(true), Answers: cluster.Is(true)}),
		Runtime: cluster.Is(cluster.ServiceFacts{Unit: "containerd", Active: "active", Sub: "running", Process: cluster.Is(true), Answers: cluster.Is(true), Endpoint: "/run/containerd/containerd.sock"}),
		Encrypt: cluster.Is(cluster.EncryptionFacts{Path: "/etc/kubernetes/enc.yaml", Keys: []string{"aescbc/key1"}}),
		Running: cluster.Is(map[string]cluster.Seen{})}
	k.Images = cluster.Is([]cluster.Image{{Name: "registry.k8s.io/pause:3.10", For: []string{cluster.SandboxImage}, Present: true}})
	var manifests []cluster.Manifest
	for _, p := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		k.Running.Value[p] = cluster.Seen{PID: 1, Command: []string{"/usr/bin/" + p, "--v=2"}}
		k.Images.Value = append(k.Images.Value, cluster.Image{Name: "registry.k8s.io/" + p + ":v1", For: []string{p}, Present: true})
		manifests = append(manifests, cluster.Manifest{Path: "/etc/kubernetes/manifests/" + p + ".yaml", Pod: cluster.Is(cluster.StaticPod{Name: p, Namespace: "kube-system", Command: []string{p, "--v=2"}})})
	}
	k.Manifests = cluster.Is(manifests)
	k.Served = []cluster.KubeCertificate{{Role: "kubelet", Path: "served:https://127.0.0.1:10250", Certificate: cluster.Is(goodCert("served:https://127.0.0.1:10250", "kubelet", n))}}
	for _, role := range []string{"ca", "etcd-ca", "front-proxy-ca", "apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client", "kubelet-client", "kubeconfig"} {
		path := "/etc/kubernetes/pki/" + role + ".crt"
		k.Certs = append(k.Certs, cluster.KubeCertificate{Role: role, Path: path, Certificate: cluster.Is(goodCert(path, role, n)), Authority: "/ca.crt", Issued: cluster.Is(true), KeyFits: cluster.Is(true)})
	}
	for _, name := range []string{"ca", "etcd-ca", "front-proxy-ca", "service-account-public", "service-account-private", "encryption-config"} {
		digest := "digest-" + name
		if name == "service-account-private" {
			digest = "digest-service-account-public"
		}
		k.Identity = append(k.Identity, cluster.Fingerprint{Name: name, Path: "/etc/kubernetes/" + name, Digest: cluster.Is(digest)})
	}
	k.Configs = []cluster.KubeConfig{{Path: "/etc/kubernetes/admin.conf", Server: cluster.Is("https://10.0.0.100:6443"), CA: cluster.Is("digest-ca-of-the-cluster")}}
	k.Configs[0].CA = cluster.Is("digest-ca")
	node.Kubernetes = cluster.Is(k)
	healthy := wellAPI()
	node.Pods = cluster.Is([]cluster.RunningPod{{Namespace: "default", Name: "web", UID: "11111111-" + n, Created: at().Add(-time.Hour)}})
	node.Objects = cluster.Is(goodObjects(n))
	served := goodCert("/etc/kubernetes/pki/apiserver.crt", "apiserver", n)
	node.APIServers = []cluster.APIServer{
		{URL: "https://" + ip + ":6443", Direct: true, Named: "kube-apiserver.yaml", Layer: cluster.LayerHTTP, Live: healthy, Ready: healthy, Certificate: cluster.Is(served)},
		{URL: "https://10.0.0.100:6443", Named: "/etc/kubernetes/admin.conf", Layer: cluster.LayerHTTP, Live: healthy, Ready: healthy, Certificate: cluster.Is(served)}}
	return node
}

// hardwareOf is the hardware address of a member's machine.
func hardwareOf(n string) string { return "02:00:00:00:00:0" + n[1:] }

// goodNeighbours are those of a machine that has just spoken with all others; the
// virtual address is on a machine of its own.
func goodNeighbours(n string) []cluster.Neighbour {
	var out []cluster.Neighbour
	for _, o := range []string{"m1", "m2", "m3"} {
		if o != n {
			out = append(out, cluster.Neighbour{Address: "10.0.0." + o[1:], Hardware: hardwareOf(o), Device: "eth0", Confirmed: true, Seconds: 0.2})
		}
	}
	return append(out, cluster.Neighbour{Address: "10.0.0.100", Hardware: "02:00:00:00:00:99", Device: "eth0", Confirmed: true, Seconds: 0.1})
}

// Neighbour gives what a member's machine sees at an address.
func (w *World) Neighbour(n, address string) *cluster.Neighbour {
	for i, x := range w.Node(n).Neighbours.Value {
		if x.Address == address {
			return &w.Node(n).Neighbours.Value[i]
		}
	}
	panic(address)
}

// Image gives one of the images that a member's machine needs.
func (w *World) Image(n, pod string) *cluster.Image {
	for i, x := range w.Kube(n).Images.Value {
		if x.For[0] == pod {
			return &w.Kube(n).Images.Value[i]
		}
	}
	panic(pod)
}

// Ended lets the container of a component on a member's machine end a minute ago
// and not be started since.
func (w *World) Ended(n, component, reason string, exit int, seconds float64) *World {
	delete(w.Kube(n).Running.Value, component)
	e := cluster.RunEnd{Exit: exit, Reason: reason, Seconds: seconds, Ended: at().Add(-time.Minute)}
	e.Started = e.Ended.Add(-time.Duration(seconds * float64(time.Second)))
	runs := &w.Node(n).Containers.Value
	for i, r := range *runs {
		if r.Component == component {
			(*runs)[i].State, (*runs)[i].Last = "exited", cluster.Is(e)
			return w
		}
	}
	*runs = append(*runs, cluster.Run{Component: component, Source: "cri:" + component + "-h" + n, State: "exited", Restarts: 5, Last: cluster.Is(e)})
	return w
}

// NoLog takes the logs of a component on a member's machine away: they were
// rotated, or the disk was lost.
func (w *World) NoLog(n, component string) *World {
	node := w.Node(n)
	node.Logs = slices.DeleteFunc(node.Logs, func(l cluster.LogFacts) bool { return l.Component == component })
	return w
}

// Unvaulted takes the vault with its proven backup away: snapshot files are all.
func (w *World) Unvaulted() *World {
	w.Facts.Backups = cluster.Known[[]cluster.BackupFacts]{}
	return w
}

// Node gives the facts of a member's machine, to be changed.
func (w *World) Node(n string) *cluster.NodeFacts {
	for i := range w.Facts.Hosts {
		if w.Facts.Hosts[i].Name == "h"+n {
			return &w.Facts.Hosts[i].Node
		}
	}
	panic(n)
}

// Kube gives the facts of the Kubernetes on a member's machine.
func (w *World) Kube(n string) *cluster.KubernetesFacts { return &w.Node(n).Kubernetes.Value }

// Said puts a line into the log of a component on a member's machine, of a
// minute ago.
func (w *World) Said(n, component string, cause cluster.Cause, count int) *World {
	return w.SaidAt(n, component, cause, count, at().Add(-time.Minute))
}

// SaidAt puts a line of some time into a log.
func (w *World) SaidAt(n, component string, cause cluster.Cause, count int, when time.Time) *World {
	sign := cluster.Sign{Cause: cause, Count: count, Sample: "said: " + string(cause), Last: when}
	node := w.Node(n)
	if component == "kernel" {
		node.Kernel.Value = append(node.Kernel.Value, sign)
		return w
	}
	for i := range node.Logs {
		if node.Logs[i].Component == component {
			node.Logs[i].Signs.Value = append(node.Logs[i].Signs.Value, sign)
		}
	}
	return w
}

// Cert gives a certificate of the Kubernetes on a machine.
func (w *World) Cert(n, role string) *cluster.KubeCertificate {
	for i, c := range w.Kube(n).Certs {
		if c.Role == role {
			return &w.Kube(n).Certs[i]
		}
	}
	panic(role)
}

// Outdated lets a certificate end three hours ago.
func (w *World) Outdated(role string, ns ...string) *World {
	for _, n := range ns {
		w.Cert(n, role).Certificate.Value.NotAfter = at().Add(-3 * time.Hour)
	}
	return w
}

// Finger gives a fingerprint.
func (w *World) Finger(n, name string) *cluster.Fingerprint {
	for i, f := range w.Kube(n).Identity {
		if f.Name == name {
			return &w.Kube(n).Identity[i]
		}
	}
	panic(name)
}

// API gives a machine's own API server.
func (w *World) API(n string) *cluster.APIServer { return &w.Node(n).APIServers[0] }

// Balancer gives the way over the load balancer from a machine.
func (w *World) Balancer(n string) *cluster.APIServer { return &w.Node(n).APIServers[1] }

// Restore leaves nothing but the snapshot, so that its hazards count.
func (w *World) Restore() *cluster.Hazards {
	w.Gone("m1", "m2", "m3").Unvaulted()
	return &w.Facts.Hosts[0].Snapshots[0].Hazards.Value
}
