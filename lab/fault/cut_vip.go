package fault

import (
	"context"

	"github.com/salvor-project/salvor/lab/layout"
	"github.com/salvor-project/salvor/lab/machine"
)

// cutVIP kills the load balancer.
func cutVIP() Fault {
	return Fault{
		Name: "cut-vip",
		What: "kill HAProxy: the API's virtual address answers nobody",
		Site: true,
		Do: func(context.Context, *Scene, machine.Machine) (map[string]string, error) {
			return nil, layout.StopBalancer()
		},
		Heal: func(ctx context.Context, s *Scene, _ machine.Machine, _ map[string]string) error {
			return layout.StartBalancer(ctx, s.Lab)
		},
	}
}
