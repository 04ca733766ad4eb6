package fault

import (
	"context"
	"fmt"
	"strconv"

	"github.com/salvor-project/salvor/lab/layout"
	"github.com/salvor-project/salvor/lab/machine"
)

// misleadBalancer gives the load balancer a configuration that somebody got
// wrong.
func misleadBalancer() Fault {
	return Fault{
		Name: "mislead-balancer",
		What: "restart the load balancer without health checks, and before another port of the machines",
		Keys: []Key{{"port", "6443", "6443 (the API servers), 10250 (the kubelets) or another"}},
		Site: true,
		Do: func(ctx context.Context, s *Scene, _ machine.Machine) (map[string]string, error) {
			port, err := strconv.Atoi(s.Keys["port"])
			if err != nil {
				return nil, fmt.Errorf("mislead-balancer: port=%s is no port", s.Keys["port"])
			}
			return nil, layout.MisleadBalancer(ctx, s.Lab, port)
		},
		Heal: func(ctx context.Context, s *Scene, _ machine.Machine, _ map[string]string) error {
			if err := layout.StopBalancer(); err != nil {
				return err
			}
			return layout.StartBalancer(ctx, s.Lab)
		},
	}
}
