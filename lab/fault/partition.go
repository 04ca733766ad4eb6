package fault

import (
	"context"
	"fmt"

	"github.com/salvor-project/salvor/lab/machine"
)

// partition separates the named machines from all others.
func partition() Fault {
	return Fault{
		Name: "partition",
		What: "drop all packets between the named machines and the others, load balancer included; the operator still reaches both",
		Keys: []Key{
			{"direction", "both", "both, in (the named hear nothing) or out (the named are not heard)"},
			{"lb", "yes", "no leaves the way to the load balancer open"},
		},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			direction := s.Keys["direction"]
			if direction != "both" && direction != "in" && direction != "out" {
				return nil, fmt.Errorf("partition: no direction %q", direction)
			}
			for _, other := range s.others(s.Keys["lb"] != "no") {
				if direction != "in" {
					if err := machine.Block(ctx, m, other); err != nil {
						return nil, err
					}
				}
				if direction != "out" {
					if err := machine.Block(ctx, other, m); err != nil {
						return nil, err
					}
				}
			}
			return nil, nil
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			for _, other := range append([]machine.Machine{machine.Balancer()}, s.Lab.Machines...) {
				machine.Unblock(ctx, m, other)
				machine.Unblock(ctx, other, m)
			}
			return nil
		},
	}
}

// others are the machines on the far side.
func (s *Scene) others(balancer bool) []machine.Machine {
	var all []machine.Machine
	if balancer {
		all = append(all, machine.Balancer())
	}
	for _, m := range s.Lab.Machines {
		if !s.isNamed(m) {
			all = append(all, m)
		}
	}
	return all
}
