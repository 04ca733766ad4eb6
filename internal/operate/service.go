package operate

import (
	"context"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/plan"
)

// ServiceWanted is what a control plane ought to give to its clients.
type ServiceWanted struct {
	Nodes      []string `json:"nodes"`
	APIServers []string `json:"apiServers"`
	// Balancer is the load balancer's URL; empty when there is none.
	Balancer string `json:"balancer,omitempty"`
	// Before is when the recovery began: what was broken by then is not its
	// doing.
	Before time.Time `json:"before"`
}

// Service is what it gives them, as one of its machines sees it.
type Service struct {
	Nodes     cluster.Known[JudgedNodes]     `json:"nodes"`
	Endpoints cluster.Known[JudgedEndpoints] `json:"endpoints"`
	Balancer  cluster.Known[Balanced]        `json:"balancer"`
}

// balancerGlance is how long a look at the load balancer may take that waits
// for nothing to change.
const balancerGlance = 5 * time.Second

// LookService judges the service once, through this machine's own API server.
// It changes nothing and waits for nothing.
func LookService(ctx context.Context, env Env, w ServiceWanted) (Service, error) {
	c, err := env.api()
	if err != nil {
		return Service{}, err
	}
	defer c.Close()
	var s Service
	list, now, err := c.Nodes(ctx)
	s.Nodes = cluster.From(judgeNodes(list, w.Nodes, now.Add(-leaseLimit), w.Before), err)
	s.Endpoints = cluster.From(lookEndpoints(ctx, c, w.APIServers))
	if w.Balancer == "" {
		s.Balancer = cluster.Unknown[Balanced]("there is none")
		return s, nil
	}
	s.Balancer = cluster.From(env.balance(ctx, plan.AwaitBalancer{URL: w.Balancer, APIServers: w.APIServers}, balancerGlance))
	return s, nil
}
