package fault

import (
	"context"
	"fmt"

	"github.com/salvor-project/salvor/lab/machine"
)

// freeze stops a process that stays there and answers nobody.
func freeze() Fault {
	return Fault{
		Name: "freeze",
		What: "stop a process with SIGSTOP: it is there and answers nobody",
		Keys: []Key{{"process", "etcd", "its name"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			name := s.Keys["process"]
			if !signal(ctx, m, "STOP", name) {
				return nil, fmt.Errorf("freeze: no process %q on %s", name, m.Name)
			}
			return map[string]string{"process": name}, nil
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			signal(ctx, m, "CONT", notes["process"])
			return nil
		},
	}
}
