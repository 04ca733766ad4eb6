package diagnose

import "github.com/salvor-project/salvor/internal/cluster"

// finder finds what is hazardous in data that might be put back.
type finder func(view, []hazardous) []sighting

// hazardRules are told only when the data is about to be put back: what of it
// would hurt afterwards. With each candidate they are told in any case.
func hazardRules() []rule {
	h := func(c Code, s Severity, find finder, refs ...string) rule {
		return rule{code: c, severity: s, needs: []Need{NeedHazards}, hazard: find, passing: true, references: refs,
			find: func(v view) []sighting { return find(v, v.toRestore()) }}
	}
	quota := h(HazardQuota, Warning, hazardQuota, "etcd-io/etcd#16779")
	quota.rate = rateQuota
	phantoms := h(HazardPods, Warning, hazardPhantoms, "kubernetes/kubernetes#131115", "kubernetes/kubernetes#56212")
	phantoms.needs = []Need{NeedHazards, NeedPods}
	hooks := h(HazardWebhook, Warning, hazardWebhooks, "openkruise/kruise#343", "open-policy-agent/gatekeeper#725", "cozystack/cozystack#3125")
	hooks.rate = rateHooks
	system := h(HazardSystem, Critical, hazardSystem)
	system.rate = rateSystem
	return []rule{
		system,
		h(HazardEncryption, Critical, hazardEncryption, "rancher/rke#2559", "kubernetes/kubernetes#66844"),
		h(HazardNewer, Critical, hazardNewer, "kubernetes/kubernetes#65580"),
		h(HazardEssentials, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return listed(h.Missing) })),
		h(HazardAuthority, Warning, hazardAuthority, "k0sproject/k0sctl#971", "kubernetes/kubeadm#2027"),
		h(HazardTokens, Warning, hazardTokens, "kubernetes/kops#7054"),
		h(HazardAdmin, Warning, hazardAdmin),
		hooks,
		h(HazardPolicies, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Policies })),
		h(HazardConverters, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Converters })),
		h(HazardUnserved, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Unserved })),
		h(HazardAggregated, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Aggregated })),
		quota,
		h(HazardLeases, Warning, hazardLeases, "kubernetes/kubernetes#86812", "kopeio/etcd-manager#248"),
		h(HazardHolders, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Leases })),
		h(HazardNodes, Info, hazardNodes, "k0sproject/k0sctl#971"),
		phantoms,
		h(HazardVolumes, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Volumes }), "openshift/openshift-docs#33930"),
		h(HazardAttachments, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Attachments }), "openshift/openshift-docs#33930"),
		h(HazardJobs, Info, hazardJobs),
		h(HazardAutoscalers, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Autoscalers }), "kubernetes/kubernetes#87199"),
		h(HazardGitOps, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.GitOps })),
		h(HazardStores, Warning, hazardStores),
		h(HazardExternal, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.External }), "openshift/openshift-docs#33930"),
		h(HazardRevision, Warning, hazardRevision, "kubernetes/kubernetes#107457", "kubernetes/kubernetes#118501", "etcd-io/etcd#16028"),
		h(HazardCaches, Info, hazardCaches, "kubernetes/kubernetes#118501"),
		h(HazardKubelets, Info, hazardKubelets, "gardener/gardener#3246", "rancher/rancher#43288"),
		h(HazardPlane, Info, hazardPlane, "kubernetes/kubernetes#107457"),
		h(HazardGroups, Warning, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Gone })),
		h(HazardDeleting, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Deleting })),
		h(HazardDangling, Info, hazardNames(func(h cluster.Hazards) cluster.Names { return h.Dangling })),
	}
}
