package observe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

// maxTries bounds how often a load balancer is asked: each answer may be
// another API server's.
const maxTries = 5

// Outside asks the load balancer and every API server that the configuration
// names from this machine, the coordinator's, layer by layer and all at the same
// time. Without credentials: it only looks. What has no answer when ctx ends
// says so.
func Outside(ctx context.Context, cfg cluster.Config) []cluster.APIServer {
	var ways []cluster.APIServer
	for _, n := range cfg.Kubernetes.Nodes {
		if n.API != "" && reachable(cfg, n) {
			ways = append(ways, cluster.APIServer{URL: strings.TrimSuffix(n.API, "/"), Direct: true, Named: "salvor.yaml"})
		}
	}
	if u := strings.TrimSuffix(cfg.Kubernetes.LoadBalancer, "/"); u != "" {
		for range min(len(cfg.APIServers())+1, maxTries) {
			ways = append(ways, cluster.APIServer{URL: u, Named: "salvor.yaml"})
		}
	}
	return probeOutside(ctx, ways)
}

// reachable tells whether an API server's address means its machine here, too: a
// loopback address of another machine does not.
func reachable(cfg cluster.Config, n cluster.Node) bool {
	return !cfg.Distant(n.Host) || !strings.Contains(n.API, "//127.") && !strings.Contains(n.API, "//localhost") && !strings.Contains(n.API, "//[::1]")
}

// OutsideNamed asks the addresses that are no API server's own and that only
// kubeconfigs on the machines name.
func OutsideNamed(ctx context.Context, f cluster.Facts) []cluster.APIServer {
	seen := map[string]bool{}
	for _, a := range f.Outside {
		seen[a.URL] = true
	}
	for _, h := range f.Hosts {
		for _, a := range h.Node.APIServers {
			if a.Direct {
				seen[a.URL] = true
			}
		}
	}
	var ways []cluster.APIServer
	for _, h := range f.Hosts {
		for _, a := range h.Node.APIServers {
			local := strings.Contains(a.URL, "//127.") || strings.Contains(a.URL, "//localhost") || strings.Contains(a.URL, "//[::1]")
			if !seen[a.URL] && !(local && f.Config.Distant(h.Name)) && a.URL != "" {
				seen[a.URL] = true
				ways = append(ways, cluster.APIServer{URL: a.URL, Named: h.Name + ":" + a.Named})
			}
		}
	}
	return probeOutside(ctx, ways)
}

// probeOutside asks all ways at the same time and tells equal answers once.
func probeOutside(ctx context.Context, ways []cluster.APIServer) []cluster.APIServer {
	ctx, cancel := context.WithTimeout(ctx, probeBudget)
	defer cancel()
	var wg sync.WaitGroup
	for i, a := range ways {
		wg.Go(func() {
			missed := a
			missed.Why, missed.At = late, time.Now().UTC()
			ways[i] = inTime(ctx, missed, func() cluster.APIServer {
				fillAPI(&a, kube.Probe(ctx, a.URL))
				a.At = time.Now().UTC()
				return a
			})
		})
	}
	wg.Wait()
	var out []cluster.APIServer
	told := map[string]bool{}
	for _, a := range ways {
		same := fmt.Sprint(a.URL, a.Layer, a.Certificate.Value.SHA256, a.Ready.OK, a.Ready.Value.Status, a.Ready.Value.Failed)
		if !told[same] {
			told[same] = true
			out = append(out, a)
		}
	}
	return out
}
