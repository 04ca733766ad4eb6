package observe

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
	"github.com/salvor-project/salvor/internal/kube"
)

// objectsBudget bounds all questions to an API server's objects together;
// endingLong is how long a namespace may be ending before it is told.
const (
	objectsBudget = 4 * time.Second
	endingLong    = 5 * time.Minute
)

// runningPods asks the container runtime for its pods. A machine without
// Kubernetes is not asked.
func (m machine) runningPods(ctx context.Context) cluster.Known[[]cluster.RunningPod] {
	if is, err := m.present(); err != nil || !is || !m.real() {
		return cluster.Known[[]cluster.RunningPod]{}
	}
	socket, _ := m.runtimeSocket()
	c, err := cri.Dial(ctx, socket)
	if err != nil {
		return cluster.Unknown[[]cluster.RunningPod]("%v", err)
	}
	defer c.Close()
	all, err := c.Pods(ctx)
	if err != nil {
		return cluster.Unknown[[]cluster.RunningPod]("%v", err)
	}
	out := []cluster.RunningPod{}
	for _, p := range all {
		if !p.Static && p.UID != "" {
			out = append(out, cluster.RunningPod{Namespace: p.Namespace, Name: p.Name, UID: p.UID, Created: p.Created.UTC()})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Namespace+"/"+out[i].Name < out[j].Namespace+"/"+out[j].Name })
	return cluster.Is(out)
}

// objects asks an API server from this machine for what decides whether the
// cluster works although its API answers. A machine without credentials is not
// asked.
func (m machine) objects(ctx context.Context, k cluster.Known[cluster.KubernetesFacts], apis []cluster.APIServer) cluster.Known[cluster.APIObjects] {
	conf, control := m.credentialFile(k.Value)
	if conf == "" || !m.real() && !m.asks {
		return cluster.Known[cluster.APIObjects]{}
	}
	server := bestServer(apis)
	if server == "" {
		return cluster.Unknown[cluster.APIObjects]("no API server answers from here")
	}
	c, err := kube.Open(m.at(conf), server)
	if err != nil {
		return cluster.Unknown[cluster.APIObjects]("%v", err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, objectsBudget)
	defer cancel()
	return cluster.Is(m.askObjects(ctx, c, server, control))
}

// bestServer is the API server to ask: one that says how it is, before one that wants
// to know who asks, before one that has turned a question away; and the server
// itself before a balancer.
func bestServer(apis []cluster.APIServer) string {
	server, best := "", 0
	for _, a := range apis {
		rank := 0
		switch {
		case a.Layer != cluster.LayerHTTP:
		case a.Ready.OK:
			rank = 6
		case a.Refused == http.StatusTooManyRequests:
			rank = 2
		case a.Refused != 0:
			rank = 4
		}
		if rank > 0 && a.Direct {
			rank++
		}
		if rank > best {
			server, best = a.URL, rank
		}
	}
	return server
}

// credentialFile picks a kubeconfig of this machine: an administrator's on a
// control plane, the kubelet's own elsewhere.
func (m machine) credentialFile(k cluster.KubernetesFacts) (path string, control bool) {
	if n, ok := m.cfg.Node(m.host); ok && n.Kubeconfig != "" {
		return n.Kubeconfig, true
	}
	for _, name := range []string{"super-admin.conf", "admin.conf", "kubelet.conf"} {
		for _, c := range k.Configs {
			if c.Server.OK && c.Path == filepath.Join(kubeDir, name) {
				return c.Path, name != "kubelet.conf"
			}
		}
	}
	return "", false
}

// askObjects asks everything at the same time.
func (m machine) askObjects(ctx context.Context, c *kube.Client, server string, control bool) cluster.APIObjects {
	o := cluster.APIObjects{URL: server}
	var wg sync.WaitGroup
	names := func(into *cluster.Known[cluster.Names], ask func(context.Context) ([]string, error)) {
		wg.Go(func() {
			*into = got(ctx, func() (cluster.Names, error) {
				list, err := ask(ctx)
				return namesOf(list), err
			})
		})
	}
	wg.Go(func() { o.Pods = got(ctx, func() ([]string, error) { return c.PodsOn(ctx, m.nodeName()) }) })
	if control {
		wg.Go(func() { o.Nodes = got(ctx, func() ([]cluster.NodeState, error) { return nodeStates(ctx, c) }) })
		wg.Go(func() { o.Endpoints = got(ctx, func() ([]string, error) { return endpoints(ctx, c) }) })
		wg.Go(func() { o.Closed = got(ctx, func() ([]cluster.Webhook, error) { return closedHooks(ctx, c) }) })
		wg.Go(func() {
			o.Leases = got(ctx, func() ([]cluster.LeaseState, error) { return leases(ctx, c) })
			o.LeasesAt = time.Now().UTC()
		})
		wg.Go(func() { o.Namespaces, o.System = namespaces(ctx, c) })
		wg.Go(func() { o.Definitions = got(ctx, func() ([]string, error) { return c.Definitions(ctx) }) })
		wg.Go(func() { o.Hooks = got(ctx, func() ([]string, error) { return c.HookNames(ctx) }) })
		if m.byKubeadm() {
			names(&o.Missing, func(ctx context.Context) ([]string, error) { return missing(ctx, c) })
		}
		names(&o.LostClaims, c.LostClaims)
		names(&o.Unavailable, c.Unavailable)
		names(&o.Terminating, func(ctx context.Context) ([]string, error) { return c.Terminating(ctx, time.Now().Add(-endingLong)) })
	}
	wg.Wait()
	return o
}

// namespaces are all that an API server has, and the identity of its cluster.
func namespaces(ctx context.Context, c *kube.Client) (cluster.Known[[]string], cluster.Known[string]) {
	type answer struct {
		names  []string
		system string
	}
	a := got(ctx, func() (answer, error) {
		names, system, err := c.Namespaces(ctx)
		return answer{names, system}, err
	})
	switch {
	case !a.OK:
		return cluster.Unknown[[]string]("%s", a.Why), cluster.Unknown[string]("%s", a.Why)
	case a.Value.system == "":
		return cluster.Is(a.Value.names), cluster.Unknown[string]("it has no namespace kube-system")
	}
	return cluster.Is(a.Value.names), cluster.Is(a.Value.system)
}

// nodeName is what this machine's node is called in Kubernetes.
func (m machine) nodeName() string {
	if n, ok := m.cfg.Node(m.host); ok {
		return n.NodeName()
	}
	return m.host
}

func namesOf(list []string) cluster.Names {
	var n cluster.Names
	sort.Strings(list)
	for _, s := range list {
		n.Add(s)
	}
	return n
}

// endpoints are the addresses behind the service "kubernetes", each once and
// without its port.
func endpoints(ctx context.Context, c *kube.Client) ([]string, error) {
	list, err := c.Endpoints(ctx)
	out := []string{}
	for _, e := range list {
		host, _, splits := net.SplitHostPort(e)
		if splits != nil {
			host = e
		}
		if !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out, err
}

func nodeStates(ctx context.Context, c *kube.Client) ([]cluster.NodeState, error) {
	list, _, err := c.Nodes(ctx)
	out := []cluster.NodeState{}
	for _, n := range list {
		s := cluster.NodeState{Name: n.Name, Ready: n.Ready, Renewed: n.Renewed.UTC()}
		if !n.Ready {
			s.Why = n.Why
		}
		out = append(out, s)
	}
	return out, err
}

func closedHooks(ctx context.Context, c *kube.Client) ([]cluster.Webhook, error) {
	all, err := c.ClosedHooks(ctx)
	out := []cluster.Webhook{}
	for _, h := range all {
		out = append(out, cluster.Webhook{Object: h.Object, Name: h.Name, Service: h.Namespace + "/" + h.Service, Hits: h.Hits, Backend: h.Ready, Conditions: h.Conditions})
	}
	slices.SortFunc(out, func(a, b cluster.Webhook) int { return strings.Compare(a.Object+a.Name, b.Object+b.Name) })
	return out, err
}

// leases are those of the controllers of the control plane.
func leases(ctx context.Context, c *kube.Client) ([]cluster.LeaseState, error) {
	out := []cluster.LeaseState{}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		l, ok, err := c.ElectionLease(ctx, name)
		if err != nil {
			return out, err
		}
		if ok {
			out = append(out, cluster.LeaseState{Name: name, Holder: l.Holder, Renewed: l.Renewed.UTC()})
		}
	}
	return out, nil
}

// byKubeadm tells a machine that kubeadm has made a node, or kubespray with it.
func (m machine) byKubeadm() bool {
	_, err := os.Stat(m.at(kubeletDir + "/kubeadm-flags.env"))
	return err == nil
}

// missing names what kubeadm puts into kube-system, nothing else brings back, and
// the next join, upgrade, or pod needs.
func missing(ctx context.Context, c *kube.Client) ([]string, error) {
	const core = "/api/v1/namespaces/kube-system/"
	list, err := c.MissingObjects(ctx, []string{core + "configmaps/kubeadm-config", core + "configmaps/kubelet-config", core + "services/kube-dns",
		"/api/v1/namespaces/kube-public/configmaps/cluster-info"})
	for i, p := range list {
		list[i] = strings.TrimPrefix(p, "/api/v1/namespaces/")
	}
	return list, err
}
