package diagnose

import "github.com/salvor-project/salvor/internal/cluster"

// objectRules are what shows that the cluster behind an API does not work, also
// where the API serves.
func objectRules() []rule {
	return []rule{
		{code: ControllersDown, severity: Critical, needs: []Need{NeedManifests, NeedKubernetes}, find: findControllersDown,
			causes: []Code{KubeletDown, RuntimeDown, ManifestBroken, ManifestDuplicate, ManifestFiles, KubeconfigExpired, KubeconfigOtherCA, APIDown, APIHangs, APINotReady, ImageMissing, QuorumLost, LeaseLost}},
		{code: LeadersDisagree, severity: Critical, needs: []Need{NeedObjects}, find: findLeadersDisagree, rate: rateLeaders, passing: true,
			causes:     []Code{Diverged, SingleMemberBoot, RestoredAlone, ClusterIDMismatch, SameIDOtherHistory, HistoryRewound, RVRegressed, ClockSkew},
			references: []string{"etcd-io/etcd#13766"}},
		{code: LeaseUnrenewed, severity: Critical, needs: []Need{NeedObjects}, find: findUnrenewed, passing: true,
			causes:   []Code{HeldBack, ClockSkew, ControllersDown, CannotReadClient, KubeconfigExpired, QuorumLost, NoSpaceAlarm, CorruptAlarm, APIDown, APIHangs, APINotReady, APIOverloaded, WebhookDeadlock, Defragmenting},
			messages: []string{"failed to acquire lease kube-system/kube-controller-manager", "error retrieving resource lock kube-system/kube-scheduler"}},
		{code: NodesDown, severity: Critical, needs: []Need{NeedObjects}, find: findNodesDown, passing: true,
			causes:     []Code{KubeletCertExpired, KubeletDown, RuntimeDown, APICertExpired, BalancerDown, AddressOnTwoHosts, ClockSkew, RVRegressed, CannotReadClient, APIOverloaded},
			messages:   []string{"NodeStatusUnknown: Kubelet stopped posting node status.", "Entering master disruption mode"},
			references: []string{"kubernetes/kubernetes#28832", "kubernetes/kubernetes#105617", "kubernetes/kubernetes#24200"}},
		{code: NodesNotReady, severity: Warning, needs: []Need{NeedObjects}, find: findNodesNotReady, passing: true,
			causes:   []Code{KubeletCertExpired, KubeletDown, RuntimeDown, KubeletRefuses, NodeDiskFull, HostUnreachable, HostGivenUp, ClockSkew, BalancerDown, APIOverloaded},
			messages: []string{"NodeStatusUnknown: Kubelet stopped posting node status.", "KubeletNotReady: container runtime network not ready"}},
		{code: PhantomPods, severity: Warning, needs: []Need{NeedObjects, NeedPods}, find: findPhantoms, rate: ratePhantoms, passing: true, causes: []Code{RVRegressed},
			references: []string{"kubernetes/kubernetes#131115", "kubernetes/kubernetes#56212"}},
		{code: EndpointsStale, severity: Warning, needs: []Need{NeedObjects, NeedAPIServers}, find: findEndpointsStale, passing: true, causes: []Code{APIDown, APIHangs, APINotReady, APIOverloaded},
			messages:   []string{"dial tcp 10.96.0.1:443: i/o timeout"},
			references: []string{"kubernetes/kubernetes#86812", "kubernetes/kops#9327", "lf-edge/eve#5927"}},
		{code: ClaimsLost, severity: Critical, needs: []Need{NeedObjects}, passing: true,
			find:     objectNames(func(o cluster.APIObjects) cluster.Known[cluster.Names] { return o.LostClaims }, "lost:"),
			messages: []string{"Bound claim has lost its PersistentVolume. Data on the volume is lost!"}, references: []string{"openshift/openshift-docs#33930"}},
		{code: EssentialsMissing, severity: Warning, needs: []Need{NeedObjects}, passing: true,
			find:     objectNames(func(o cluster.APIObjects) cluster.Known[cluster.Names] { return o.Missing }, "has no"),
			messages: []string{"configmaps \"kubeadm-config\" not found", "configmaps \"kubelet-config\" not found", "server misbehaving", "configmaps \"cluster-info\" not found"}},
		{code: NamespaceStuck, severity: Warning, needs: []Need{NeedObjects}, passing: true, causes: []Code{AggregatedAPIDown, ControllersDown},
			find:     objectNames(func(o cluster.APIObjects) cluster.Known[cluster.Names] { return o.Terminating }, "ending:"),
			messages: []string{"NamespaceDeletionDiscoveryFailure", "NamespaceContentRemaining", "NamespaceFinalizersRemaining"}},
		deletedRule(DefinitionDeleted, findDeleted(definitionList()), []string{"the server could not find the requested resource", "no matches for kind", "error: the server doesn't have a resource type"}, "crossplane-contrib/provider-azure#215"),
		deletedRule(NamespaceDeleted, findDeleted(namespaceList()), []string{"namespaces \"shop\" not found"}),
	}
}

// deletedRule is a class of what the newest backup has and the API has not.
func deletedRule(c Code, find func(view) []sighting, messages []string, refs ...string) rule {
	return rule{code: c, severity: Info, needs: []Need{NeedObjects, NeedSnapshots, NeedHazards}, find: find, rate: rateDeleted, passing: true,
		causes: []Code{RestoredAlone, SingleMemberBoot, HistoryRewound, Diverged}, messages: messages, references: refs}
}
