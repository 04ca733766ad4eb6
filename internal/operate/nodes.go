package operate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/plan"
)

const (
	// nodesLimit is how long nodes may take: a kubelet renews its lease every
	// 10 s, and one that was started anew says after some seconds how it is.
	nodesLimit = 120 * time.Second
	// oldNode is how long a node must have been out of service before it counts
	// as one that was so before, and oldNodeLimit how long it is waited for
	// nevertheless.
	oldNode      = 2 * time.Minute
	oldNodeLimit = 30 * time.Second
	// leaseLimit is how old a lease may be (KubeletConfiguration,
	// nodeLeaseDurationSeconds).
	leaseLimit = 40 * time.Second
)

// NodesReady is the result of AwaitNodes.
type NodesReady struct {
	Nodes     []string `json:"nodes"`
	Endpoints []string `json:"endpoints"`
	// Unready are nodes that are not Ready and were not so before either, each
	// with the reason.
	Unready []string `json:"unready,omitempty"`
}

func (env Env) awaitNodes(ctx context.Context, a plan.AwaitNodes, progress Progress) (any, error) {
	c, err := env.api()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var out NodesReady
	var begin time.Time // by the API server's clock
	local := time.Now()
	err = until(ctx, nodesLimit, func(ctx context.Context) error {
		list, now, err := c.Nodes(ctx)
		if err != nil {
			return err
		}
		if begin.IsZero() {
			begin = now
		}
		// A lease may be some seconds old: that clock counts whole ones.
		j := judgeNodes(list, a.Nodes, begin.Add(-time.Second), begin.Add(-oldNode))
		out.Nodes, out.Unready = j.Ready, j.Before
		if len(j.Missing) > 0 || len(j.Before) > 0 && time.Since(local) < oldNodeLimit {
			progress(int64(len(j.Ready)), int64(len(a.Nodes)), "nodes")
			return errors.New(strings.Join(slices.Concat(j.Missing, j.Before), "; "))
		}
		e, err := lookEndpoints(ctx, c, a.URLs)
		if err != nil {
			return err
		}
		out.Endpoints = e.Addresses
		if len(a.URLs) == 0 && len(e.Addresses) != a.APIServers {
			return fmt.Errorf("the service \"kubernetes\" has the endpoints %s, and there are %d API servers", strings.Join(e.Addresses, ", "), a.APIServers)
		}
		return e.wrong()
	})
	if err != nil {
		return nil, fmt.Errorf("await nodes: %w", err)
	}
	return out, nil
}

// JudgedNodes are nodes as their API server shows them.
type JudgedNodes struct {
	Ready []string `json:"ready,omitempty"`
	// Before are those that are out of service and were so before, Missing those
	// that are so since, each with the reason.
	Before  []string `json:"before,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// judgeNodes tells which nodes are Ready with a lease that was renewed since a
// time, and what is wrong with the others. One that has not been Ready since
// before the other time, or that the cluster does not know, is not the
// recovery's doing, as long as any node is Ready.
func judgeNodes(list []kube.Node, want []string, since, before time.Time) JudgedNodes {
	byName := map[string]kube.Node{}
	for _, n := range list {
		byName[n.Name] = n
	}
	var j JudgedNodes
	for _, name := range want {
		n, ok := byName[name]
		switch {
		case !ok:
			j.Before = append(j.Before, name+" is no node of this cluster")
		case !n.Ready && !n.Changed.IsZero() && n.Changed.Before(before):
			j.Before = append(j.Before, fmt.Sprintf("%s is not Ready since %s (%s)", name, n.Changed.UTC().Format(time.RFC3339), n.Why))
		case !n.Ready:
			j.Missing = append(j.Missing, fmt.Sprintf("%s is not Ready (%s)", name, n.Why))
		case n.Renewed.Before(since):
			j.Missing = append(j.Missing, fmt.Sprintf("%s has not renewed its lease since %s", name, n.Renewed.UTC().Format(time.RFC3339)))
		default:
			j.Ready = append(j.Ready, name)
		}
	}
	if len(j.Ready) == 0 {
		j.Missing, j.Before = append(j.Missing, j.Before...), nil
	}
	return j
}

// JudgedEndpoints is what stands behind the service "kubernetes".
type JudgedEndpoints struct {
	Addresses []string `json:"addresses,omitempty"`
	// Missing are the API servers to which no endpoint leads, Stale the
	// endpoints at which nobody answers.
	Missing []string `json:"missing,omitempty"`
	Stale   []string `json:"stale,omitempty"`
}

func (e JudgedEndpoints) wrong() error {
	switch {
	case len(e.Missing) > 0:
		return fmt.Errorf("the service \"kubernetes\" has the endpoints %s; none leads to %s", strings.Join(e.Addresses, ", "), strings.Join(e.Missing, ", "))
	case len(e.Stale) > 0:
		return fmt.Errorf("the service \"kubernetes\" has endpoints at which nobody answers: %s", strings.Join(e.Stale, ", "))
	}
	return nil
}

// lookEndpoints holds the endpoints of the service "kubernetes" against the API
// servers at these URLs. They need not have the same address: an API server
// that advertises another one is known by the certificate that it shows there.
// An endpoint that answers is no fault, whosever it is.
func lookEndpoints(ctx context.Context, c *kube.Client, urls []string) (JudgedEndpoints, error) {
	found, err := c.Endpoints(ctx)
	if err != nil {
		return JudgedEndpoints{}, err
	}
	var e JudgedEndpoints
	at := slices.Clone(urls)
	for _, f := range found {
		host, _, err := net.SplitHostPort(f)
		if err != nil {
			host = f
		}
		e.Addresses = append(e.Addresses, host)
		at = append(at, "https://"+f)
	}
	digests := make([]string, len(at))
	var wg sync.WaitGroup
	for i := range at {
		wg.Go(func() { digests[i], _ = shown(ctx, at[i]) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return e, err
	}
	behind := digests[len(urls):]
	for i, raw := range urls {
		u, err := url.Parse(raw)
		named := err == nil && slices.Contains(e.Addresses, u.Hostname())
		if known := digests[i] != "" && slices.Contains(behind, digests[i]); !named && !known {
			e.Missing = append(e.Missing, raw)
		}
	}
	for i, digest := range behind {
		if digest == "" {
			e.Stale = append(e.Stale, found[i])
		}
	}
	return e, nil
}
