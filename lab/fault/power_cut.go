package fault

import (
	"context"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
)

// powerCut kills everything in a machine at once.
func powerCut() Fault {
	return Fault{
		Name: "power-cut",
		What: "take the power away: every process dies at once (what was written stays, synced or not)",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return nil, s.Site.Cut(ctx, m)
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			if err := s.Site.Boot(ctx, m); err != nil {
				return err
			}
			return machine.Ready(ctx, m, time.Minute)
		},
	}
}
