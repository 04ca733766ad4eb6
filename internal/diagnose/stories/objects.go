package stories

import (
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// objectFixtures are classes that the API itself tells while it serves.
func objectFixtures() []Fixture {
	each := func(c diagnose.Code, change func(*cluster.APIObjects)) Fixture {
		return Fixture{c, func(w *World) { w.EachObjects(change) }}
	}
	gone := func(o *cluster.APIObjects, names ...string) {
		for i, n := range o.Nodes.Value {
			for _, name := range names {
				if n.Name == name {
					o.Nodes.Value[i].Ready, o.Nodes.Value[i].Why = false, "NodeStatusUnknown: Kubelet stopped posting node status."
				}
			}
		}
	}
	two := cluster.Is(cluster.Names{Count: 2, First: []string{"a", "b"}})
	return []Fixture{
		each(diagnose.NodesDown, func(o *cluster.APIObjects) { gone(o, "hm1", "hm2", "worker-1") }),
		each(diagnose.NodesNotReady, func(o *cluster.APIObjects) { gone(o, "worker-1") }),
		each(diagnose.ClaimsLost, func(o *cluster.APIObjects) { o.LostClaims = two }),
		each(diagnose.EssentialsMissing, func(o *cluster.APIObjects) { o.Missing = two }),
		each(diagnose.NamespaceDeleted, func(o *cluster.APIObjects) { o.Namespaces = cluster.Is([]string{"default", "kube-system"}) }),
		each(diagnose.DefinitionDeleted, func(o *cluster.APIObjects) { o.Definitions = cluster.Is([]string{}) }),
		each(diagnose.NamespaceStuck, func(o *cluster.APIObjects) { o.Terminating = two }),
		each(diagnose.AggregatedAPIDown, func(o *cluster.APIObjects) { o.Unavailable = two }),
		each(diagnose.HookBackendDown, func(o *cluster.APIObjects) { o.Closed.Value[0].Backend = false }),
		each(diagnose.EndpointsStale, func(o *cluster.APIObjects) { o.Endpoints.Value = append(o.Endpoints.Value, "10.9.9.9") }),
		each(diagnose.EndpointsStale, func(o *cluster.APIObjects) { o.Endpoints.Value = o.Endpoints.Value[:2] }),
		{diagnose.LeadersDisagree, func(w *World) { w.Objects("m3").Leases.Value[0].Holder = "hm3_c" }},
		{diagnose.LeadersDisagree, func(w *World) { w.Objects("m3").Leases.Value[1].Renewed = at().Add(-time.Hour) }},
		each(diagnose.LeaseUnrenewed, func(o *cluster.APIObjects) { o.Leases.Value[0].Renewed = at().Add(-5 * time.Minute) }),
		{diagnose.PhantomPods, func(w *World) {
			w.Node("m2").Pods.Value = append(w.Node("m2").Pods.Value, cluster.RunningPod{Namespace: "default", Name: "ghost", UID: "22222222-x", Created: at().Add(-time.Hour)})
		}},
	}
}

// balancerFixtures are classes that only the coordinator's own look shows.
func balancerFixtures() []Fixture {
	cut := func(a *cluster.APIServer) {
		a.Layer, a.Why = cluster.LayerNone, "i/o timeout"
		a.Live, a.Ready = cluster.Unknown[cluster.APIHealth]("not reached"), cluster.Unknown[cluster.APIHealth]("not reached")
		a.Certificate = cluster.Unknown[cluster.Certificate]("none was shown")
	}
	return []Fixture{
		{diagnose.BalancerNotFromUs, func(w *World) { cut(w.Outer()) }},
		{diagnose.BalancerDown, func(w *World) { // no machine knows the address; the coordinator asks it
			for _, n := range []string{"m1", "m2", "m3"} {
				w.Node(n).APIServers = w.Node(n).APIServers[:1]
			}
			cut(w.Outer())
		}},
		{diagnose.BalancerUnready, func(w *World) {
			w.Outer().Ready = cluster.Is(cluster.APIHealth{Status: 500, Failed: []string{"informer-sync"}})
		}},
		{diagnose.BalancerOther, func(w *World) { w.Outer().Certificate.Value.Issuer = "CN=another" }},
	}
}
