package fault

import (
	"context"
	"fmt"

	"github.com/salvor-project/salvor/lab/layout"
	"github.com/salvor-project/salvor/lab/machine"
)

// cutVIP kills the load balancer.
func cutVIP() Fault {
	return Fault{
		Name: "cut-vip",
		What: "take the API's virtual address away",
		Keys: []Key{{"how", "kill", "kill (HAProxy: connections are refused) or link (its network: packets are lost)"}},
		Site: true,
		Do: func(ctx context.Context, s *Scene, lb machine.Machine) (map[string]string, error) {
			switch s.Keys["how"] {
			case "kill":
				return nil, layout.StopBalancer()
			case "link":
				return nil, machine.Link(ctx, lb, false)
			}
			return nil, fmt.Errorf("cut-vip: no way how=%s", s.Keys["how"])
		},
		Heal: func(ctx context.Context, s *Scene, lb machine.Machine, _ map[string]string) error {
			if err := machine.Link(ctx, lb, true); err != nil {
				return err
			}
			return layout.StartBalancer(ctx, s.Lab)
		},
	}
}
