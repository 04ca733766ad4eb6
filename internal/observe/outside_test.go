package observe

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// TestOutside asks, as the coordinator does, a load balancer that leads to two
// API servers in turn, of which one is not ready, each API server itself, and
// one that hangs; and an address that only a machine's kubeconfig names.
func TestOutside(t *testing.T) {
	t.Parallel()
	var turn atomic.Int32
	serve := func(ready func() bool) string {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/version":
				_, _ = w.Write([]byte(`{"gitVersion":"v1.36.3"}`))
			case ready():
				_, _ = w.Write([]byte("[+]ping ok\n"))
			default:
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte("[+]ping ok\n[-]etcd failed: reason withheld\n"))
			}
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	well, ill := serve(func() bool { return true }), serve(func() bool { return false })
	balancer := serve(func() bool { return turn.Add(1)%4 < 2 })
	hangs := "https://" + listen(t, 0)
	cfg := cluster.Config{Kubernetes: cluster.ControlPlane{LoadBalancer: balancer + "/"}}
	for i, u := range []string{well, ill, hangs} {
		name := string(rune('a' + i))
		cfg.Hosts = append(cfg.Hosts, cluster.Host{Name: name, Via: cluster.ViaLocal})
		cfg.Kubernetes.Nodes = append(cfg.Kubernetes.Nodes, cluster.Node{Host: name, API: u, APIServer: cluster.Component{StaticPod: "/m.yaml"}})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	began := time.Now()
	f := cluster.Facts{Config: cfg, Outside: Outside(ctx, cfg)}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	seen := map[string][]cluster.APIServer{}
	for _, a := range f.Outside {
		seen[a.URL] = append(seen[a.URL], a)
		if a.At.IsZero() {
			t.Errorf("%s: when is not told", a.URL)
		}
	}
	if a := seen[well][0]; !a.Direct || a.Layer != cluster.LayerHTTP || !a.Ready.Value.OK || a.Version != "v1.36.3" || !a.Certificate.OK {
		t.Errorf("the one that is well: %+v", a)
	}
	if a := seen[ill][0]; a.Ready.Value.OK || strings.Join(a.Ready.Value.Failed, "") != "etcd" {
		t.Errorf("the one that is ill: %+v", a)
	}
	if a := seen[hangs][0]; a.Layer != cluster.LayerTCP || a.Why == "" {
		t.Errorf("the one that hangs: %+v", a)
	}
	states := map[bool]bool{}
	for _, a := range seen[balancer] {
		states[a.Ready.Value.OK] = true
		if a.Direct || a.Layer != cluster.LayerHTTP {
			t.Errorf("the load balancer: %+v", a)
		}
	}
	if len(states) != 2 {
		t.Errorf("the load balancer leads to one that is not ready, too: %+v", seen[balancer])
	}
	// What nobody had time for is unknown, and says so.
	gone, end := context.WithCancel(t.Context())
	end()
	for _, a := range Outside(gone, cfg) {
		if a.Layer == cluster.LayerHTTP || a.Why == "" {
			t.Errorf("without time: %+v", a)
		}
	}
	f.Hosts = []cluster.HostFacts{{Name: "a", Node: cluster.NodeFacts{APIServers: []cluster.APIServer{{URL: ill, Direct: true}, {URL: balancer, Named: "admin.conf"},
		{URL: "https://127.0.0.1:1", Named: "kubelet.conf"}}}}}
	if named := OutsideNamed(t.Context(), f); len(named) != 1 || named[0].Layer != cluster.LayerNone || named[0].Named != "a:kubelet.conf" {
		t.Errorf("named by a machine: %+v", named)
	}
}
