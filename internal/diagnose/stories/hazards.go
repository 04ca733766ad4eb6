package stories

import (
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

func hazardFixtures() []Fixture {
	names := func(c diagnose.Code, set func(*cluster.Hazards)) Fixture {
		return Fixture{c, func(w *World) { set(w.Restore()) }}
	}
	two := cluster.Names{Count: 2, First: []string{"a", "b"}}
	return []Fixture{
		names(diagnose.HazardEncryption, func(h *cluster.Hazards) {
			h.Encrypted = []cluster.EncryptedWith{{Provider: "aescbc", Key: "key2", Values: 9, Example: "/registry/secrets/a/b", Configured: cluster.Is(false), Opened: cluster.Known[bool]{OK: true, Why: "no key"}}}
		}),
		names(diagnose.HazardEssentials, func(h *cluster.Hazards) { h.Missing = []string{"/registry/namespaces/default"} }),
		names(diagnose.HazardAuthority, func(h *cluster.Hazards) { h.Authority = cluster.Is("digest-of-another") }),
		names(diagnose.HazardTokens, func(h *cluster.Hazards) {
			h.TokensSigned = cluster.Known[bool]{OK: true, Why: "signed with another key"}
		}),
		names(diagnose.HazardWebhook, func(h *cluster.Hazards) {
			h.Webhooks = []cluster.Webhook{{Object: "MutatingWebhookConfiguration/kruise", Name: "mpod.kb.io", Service: "kruise-system/kruise", Hits: []string{"pods"}}}
		}),
		names(diagnose.HazardLeases, func(h *cluster.Hazards) { h.MasterLeases = append(h.MasterLeases, gone) }),
		{diagnose.HazardNodes, func(w *World) {
			w.Facts.Config.Kubernetes.Nodes = []cluster.Node{{Host: "hm1"}, {Host: "hm9"}}
			w.Restore()
		}},
		names(diagnose.HazardVolumes, func(h *cluster.Hazards) { h.Volumes = two }),
		names(diagnose.HazardJobs, func(h *cluster.Hazards) { h.Jobs = two }),
		names(diagnose.HazardGroups, func(h *cluster.Hazards) { h.Gone = two }),
		names(diagnose.HazardDeleting, func(h *cluster.Hazards) { h.Deleting = two }),
		{diagnose.HazardSystem, func(w *World) {
			w.Restore().System = "another"
			w.Snapshot(60)
			s := &w.Facts.Hosts[0].Snapshots[1]
			s.Path, s.Device, s.Hazards, s.Size = "/b/older.db", 9, cluster.Is(goodHazards()), 1<<20
		}},
		{diagnose.HazardNewer, func(w *World) {
			w.Restore()
			w.Facts.Hosts[0].Snapshots[0].DB.Value.ClusterVersion = "3.6.0"
			for _, n := range []string{"m1", "m2", "m3"} {
				w.M(n).Process.Value.Version = "3.5.21"
			}
		}},
		{diagnose.HazardAdmin, func(w *World) {
			w.Restore().Admins = []string{"Group/system:masters"}
			c := w.Cert("m1", "kubeconfig")
			c.Path, c.Certificate.Value.Subject = "/etc/kubernetes/admin.conf", "CN=kubernetes-admin,O=kubeadm:cluster-admins"
		}},
		names(diagnose.HazardPolicies, func(h *cluster.Hazards) { h.Policies = two }),
		names(diagnose.HazardConverters, func(h *cluster.Hazards) { h.Converters = two }),
		names(diagnose.HazardUnserved, func(h *cluster.Hazards) { h.Unserved = two }),
		names(diagnose.HazardAggregated, func(h *cluster.Hazards) { h.Aggregated = two }),
		names(diagnose.HazardHolders, func(h *cluster.Hazards) { h.Leases = two }),
		names(diagnose.HazardAttachments, func(h *cluster.Hazards) { h.Attachments = two }),
		names(diagnose.HazardAutoscalers, func(h *cluster.Hazards) { h.Autoscalers = two }),
		names(diagnose.HazardGitOps, func(h *cluster.Hazards) { h.GitOps = two }),
		names(diagnose.HazardStores, func(h *cluster.Hazards) {
			h.Stores = []string{"API server: --etcd-servers-overrides=/events#https://e:2379"}
		}),
		names(diagnose.HazardExternal, func(h *cluster.Hazards) { h.External = two }),
		{diagnose.HazardRevision, func(w *World) {
			w.Restore()
			w.Witness(4_000)
		}},
		names(diagnose.HazardCaches, func(*cluster.Hazards) {}),
		names(diagnose.HazardKubelets, func(*cluster.Hazards) {}),
		names(diagnose.HazardPlane, func(h *cluster.Hazards) { h.DataPlane = []string{"daemonsets/kube-system/kube-proxy"} }),
		{diagnose.HazardQuota, func(w *World) {
			w.Restore()
			w.Facts.Hosts[0].Snapshots[0].DB.Value.Size = 2 << 30
		}},
		{diagnose.HazardPods, func(w *World) {
			w.Facts.Config.Kubernetes.Nodes = []cluster.Node{{Host: "hm1"}, {Host: "hm2"}, {Host: "hm3"}}
			w.Restore().Pods = map[string][]string{"hm1": {"11111111"}}
			w.Node("m2").Pods.Value[0].UID = "99999999-made-since"
		}},
		names(diagnose.HazardDangling, func(h *cluster.Hazards) { h.Dangling = two }),
	}
}
