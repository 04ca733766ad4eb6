package observe

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
)

// probeBudget bounds one way to an API server, all layers together.
const probeBudget = 5 * time.Second

// apiServers tries the machine's own API server, as its manifest describes it,
// and every address that its kubeconfigs name.
func (m machine) apiServers(ctx context.Context, k cluster.Known[cluster.KubernetesFacts]) []cluster.APIServer {
	var out []cluster.APIServer
	direct := map[string]bool{}
	for _, f := range k.Value.Manifests.Value {
		if !f.Pod.OK || !strings.HasPrefix(f.Pod.Value.Name, "kube-apiserver") {
			continue
		}
		port, ok := f.Pod.Value.Flag("secure-port")
		if !ok {
			port = "6443"
		}
		address, ok := f.Pod.Value.Flag("advertise-address")
		if !ok {
			address = "127.0.0.1"
		}
		u := "https://" + net.JoinHostPort(address, port)
		if !direct[u] {
			direct[u], direct["https://"+net.JoinHostPort("127.0.0.1", port)] = true, true
			out = append(out, cluster.APIServer{URL: u, Direct: true, Named: f.Path})
		}
	}
	if n, ok := m.cfg.Node(m.host); ok && n.API != "" && len(out) == 0 {
		direct[n.API] = true
		out = append(out, cluster.APIServer{URL: n.API, Direct: true, Named: "salvor.yaml"})
	}
	seen := map[string]bool{}
	if u := strings.TrimSuffix(m.cfg.Kubernetes.LoadBalancer, "/"); u != "" && !direct[u] {
		seen[u] = true
		out = append(out, cluster.APIServer{URL: u, Named: "salvor.yaml"})
	}
	for _, c := range k.Value.Configs {
		u := strings.TrimSuffix(c.Server.Value, "/")
		if !c.Server.OK || direct[u] || seen[u] {
			continue
		}
		seen[u] = true
		out = append(out, cluster.APIServer{URL: u, Named: c.Path})
	}
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() { m.probe(ctx, &out[i]) })
	}
	wg.Wait()
	return out
}

func (m machine) probe(ctx context.Context, a *cluster.APIServer) {
	if !m.real() && !m.asks {
		a.Layer, a.Why = "", "these are the files of a machine that does not run"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeBudget)
	defer cancel()
	p := kube.Probe(ctx, a.URL)
	fillAPI(a, p)
	a.Certificate.Value.Stranger = p.Served != nil && m.strange(p.Served)
	a.At = time.Now().UTC()
}

// strange tells whether the machine's own authority certainly did not issue a
// certificate: those of all kubeadm clusters have the same name.
func (m machine) strange(c *x509.Certificate) bool {
	ca, err := m.read(m.authority())
	if err != nil {
		return false
	}
	issued, err := pki.Issued(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), ca)
	return err == nil && !issued
}

func fillAPI(a *cluster.APIServer, p kube.Probed) {
	a.Layer = cluster.LayerNone
	switch {
	case p.HTTP:
		a.Layer = cluster.LayerHTTP
	case p.TLS:
		a.Layer = cluster.LayerTLS
	case p.TCP:
		a.Layer = cluster.LayerTCP
	}
	if p.Err != nil {
		a.Why = p.Err.Error()
	}
	a.Certificate = cluster.Unknown[cluster.Certificate]("none was shown")
	if p.Served != nil {
		a.Certificate = cluster.Is(pki.Describe(p.Served, "served:"+a.URL, "apiserver"))
	}
	a.Live, a.Ready = apiHealth(p.Live, p.LiveErr), apiHealth(p.Ready, p.ReadyErr)
	a.Version, a.Refused = p.Version, p.Refused
}

func apiHealth(h *kube.Health, err error) cluster.Known[cluster.APIHealth] {
	switch {
	case h != nil:
		return cluster.Is(cluster.APIHealth{OK: h.OK(), Status: h.Status, Failed: h.Failed, Passed: h.Passed})
	case err != nil:
		return cluster.Unknown[cluster.APIHealth]("%v", err)
	}
	return cluster.Unknown[cluster.APIHealth]("it was not reached")
}
