package fault

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
)

func unitKey() []Key {
	return []Key{{"unit", "", "etcd, kubelet or containerd (etcd where it is a unit, else kubelet)"}}
}

// stopUnit stops a systemd unit.
func stopUnit() Fault {
	return Fault{
		Name: "stop-unit",
		What: "stop a systemd unit",
		Keys: unitKey(),
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			unit := s.Keys["unit"]
			_, err := machine.Exec(ctx, m, "systemctl", "stop", unit)
			return map[string]string{"unit": unit}, err
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			_, err := machine.Exec(ctx, m, "systemctl", "start", "--no-block", notes["unit"])
			return err
		},
	}
}

// maskUnit stops a unit and makes it impossible to start.
func maskUnit() Fault {
	aside := func(s *Scene, m machine.Machine, unit string) (file, saved string) {
		file = s.root(m, filepath.Join("etc/systemd/system", unit+".service"))
		return file, s.root(m, filepath.Join("etc/systemd", unit+".service.lab"))
	}
	return Fault{
		Name: "mask-unit",
		What: "stop a systemd unit and mask it",
		Keys: unitKey(),
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			unit := s.Keys["unit"]
			file, saved := aside(s, m, unit)
			enabled, _ := machine.Exec(ctx, m, "systemctl", "is-enabled", unit)
			notes := map[string]string{"unit": unit, "enabled": strings.TrimSpace(enabled)}
			// systemd does not mask a unit whose file lies in /etc.
			if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
				if err := os.Rename(file, saved); err != nil {
					return nil, err
				}
			}
			if _, err := machine.Exec(ctx, m, "systemctl", "stop", unit); err != nil {
				return notes, err
			}
			_, err := machine.Exec(ctx, m, "systemctl", "mask", unit)
			return notes, err
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, notes map[string]string) error {
			unit := notes["unit"]
			if _, err := machine.Exec(ctx, m, "systemctl", "unmask", unit); err != nil {
				return err
			}
			file, saved := aside(s, m, unit)
			if _, err := os.Stat(saved); err == nil {
				if err := os.Rename(saved, file); err != nil {
					return err
				}
				if _, err := machine.Exec(ctx, m, "systemctl", "daemon-reload"); err != nil {
					return err
				}
			}
			if notes["enabled"] == "enabled" { // masking forgets it
				if _, err := machine.Exec(ctx, m, "systemctl", "enable", unit); err != nil {
					return err
				}
			}
			_, err := machine.Exec(ctx, m, "systemctl", "start", "--no-block", unit)
			return err
		},
	}
}
