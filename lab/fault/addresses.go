package fault

import (
	"context"

	"github.com/salvor-project/salvor/lab/machine"
)

// takeAddress gives machines an address that is not theirs.
func takeAddress() Fault {
	return Fault{
		Name: "take-address",
		What: "give the named machines an address of others (on lo: nobody else hears of it), as two masters of a virtual address have it",
		Keys: []Key{{"address", machine.Virtual, "the address"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			address := s.Keys["address"] + "/32"
			_, err := machine.Exec(ctx, m, "ip", "address", "add", address, "dev", "lo")
			return map[string]string{"address": address}, err
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			_, err := machine.Exec(ctx, m, "ip", "address", "del", notes["address"], "dev", "lo")
			return err
		},
	}
}
