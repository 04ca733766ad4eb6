package fault

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
)

// refuseKubelet makes the kubelet refuse to start.
func refuseKubelet() Fault {
	const swaps = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swapfile                               file\t\t2097148\t\t0\t\t-2\n"
	return Fault{
		Name: "refuse-kubelet",
		What: "give the kubelet a reason not to start, and restart it",
		Keys: []Key{{"for", "flag", "flag (one that it does not know), cgroup (v1, which it refuses) or swap (which is on)"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := s.root(m, "var/lib/kubelet/config.yaml")
			var edit func(text string) string
			switch s.Keys["for"] {
			case "flag":
				path = s.root(m, "var/lib/kubelet/kubeadm-flags.env")
				edit = func(text string) string {
					return strings.Replace(text, `KUBELET_KUBEADM_ARGS="`, `KUBELET_KUBEADM_ARGS="--network-plugin=cni `, 1)
				}
			case "cgroup":
				edit = func(text string) string { return strings.Replace(text, "failCgroupV1: false", "failCgroupV1: true", 1) }
			case "swap":
				edit = func(text string) string { return strings.Replace(text, "failSwapOn: false", "failSwapOn: true", 1) }
			default:
				return nil, fmt.Errorf("refuse-kubelet: no reason for=%s", s.Keys["for"])
			}
			notes, err := s.edit(m, path, edit)
			if err != nil {
				return notes, err
			}
			if s.Keys["for"] == "swap" {
				notes["swap"] = "yes"
				if err := os.WriteFile(s.root(m, "var/lib/lab-swaps"), []byte(swaps), 0o644); err != nil {
					return notes, err
				}
				if _, err := machine.Exec(ctx, m, "mount", "--bind", "/var/lib/lab-swaps", "/proc/swaps"); err != nil {
					return notes, err
				}
			}
			return notes, again(ctx, m, "kubelet")
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			if notes["swap"] != "" {
				if _, err := machine.Exec(ctx, m, "umount", "/proc/swaps"); err != nil {
					return err
				}
			}
			if err := giveBack(notes["kept"], notes["path"]); err != nil {
				return err
			}
			return again(ctx, m, "kubelet")
		},
	}
}

// edit changes a file of a machine and keeps what it was.
func (s *Scene) edit(m machine.Machine, path string, change func(string) string) (map[string]string, error) {
	kept, err := s.keep(m, path)
	if err != nil {
		return nil, err
	}
	notes := map[string]string{"kept": kept, "path": path}
	data, err := os.ReadFile(kept)
	if err != nil {
		return notes, err
	}
	text := change(string(data))
	if text == string(data) {
		return notes, fmt.Errorf("edit %s: it does not say what was expected", path)
	}
	return notes, replace(path, []byte(text))
}
