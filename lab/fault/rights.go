package fault

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
)

// takeRights runs etcd as a user to whom its files do not belong.
func takeRights() Fault {
	return Fault{
		Name: "take-rights",
		What: "run etcd as nobody: it may not read its data",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			if s.Lab.Layout != "external" {
				return s.edit(m, s.root(m, filepath.Join(manifests, "etcd.yaml")), func(text string) string {
					return strings.Replace(text, "\n  securityContext:\n", "\n  securityContext:\n    runAsUser: 65534\n", 1) // kubeadm's pods have one
				})
			}
			dropIn := s.root(m, "etc/systemd/system/etcd.service.d/lab.conf")
			notes := map[string]string{"dropIn": dropIn}
			if err := os.MkdirAll(filepath.Dir(dropIn), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(dropIn, []byte("[Service]\nUser=nobody\n"), 0o644); err != nil {
				return notes, err
			}
			return notes, restartUnit(ctx, m, "etcd")
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			if notes["dropIn"] == "" {
				return giveBack(notes["kept"], notes["path"])
			}
			if err := os.RemoveAll(filepath.Dir(notes["dropIn"])); err != nil {
				return err
			}
			return restartUnit(ctx, m, "etcd")
		},
	}
}

// restartUnit has systemd read its units anew and restart one.
func restartUnit(ctx context.Context, m machine.Machine, unit string) error {
	if _, err := machine.Exec(ctx, m, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	_, err := machine.Exec(ctx, m, "systemctl", "restart", "--no-block", unit)
	return err
}

// badSetting gives etcd's environment file a value that it does not accept.
func badSetting() Fault {
	return Fault{
		Name: "bad-setting",
		What: "change a value of etcd's environment file (external) so that etcd does not accept it, and restart it",
		Keys: []Key{{"line", "ETCD_HEARTBEAT_INTERVAL=250ms", "the line; it takes the place of the one of that name"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			name, _, _ := strings.Cut(s.Keys["line"], "=")
			notes, err := s.edit(m, s.root(m, "etc/etcd.env"), func(text string) string {
				var out []string
				for _, line := range strings.Split(text, "\n") {
					if strings.HasPrefix(line, name+"=") {
						line = s.Keys["line"]
					}
					out = append(out, line)
				}
				return strings.Join(out, "\n")
			})
			if err != nil {
				return notes, err
			}
			return notes, restartUnit(ctx, m, "etcd")
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			if err := giveBack(notes["kept"], notes["path"]); err != nil {
				return err
			}
			return restartUnit(ctx, m, "etcd")
		},
	}
}
