package fault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"github.com/salvor-project/salvor/lab/machine"
)

// manifests is the kubelet's folder of static pods.
const manifests = "/etc/kubernetes/manifests"

func podKey() []Key {
	return []Key{{"pod", "etcd", "etcd, kube-apiserver, kube-controller-manager or kube-scheduler"}}
}

func (s *Scene) manifest(m machine.Machine) string {
	return s.root(m, filepath.Join(manifests, s.Keys["pod"]+".yaml"))
}

// returnManifest heals all faults that kept a manifest.
func returnManifest(_ context.Context, _ *Scene, _ machine.Machine, notes map[string]string) error {
	return giveBack(notes["kept"], notes["path"])
}

// breakManifest writes half of a manifest in place.
func breakManifest() Fault {
	return Fault{
		Name: "break-manifest",
		What: "cut a static pod's manifest in half, in place",
		Keys: podKey(),
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := s.manifest(m)
			kept, err := s.keep(m, path)
			if err != nil {
				return nil, err
			}
			info, err := os.Stat(path)
			if err != nil {
				return nil, err
			}
			// Half a manifest can still be read; an open quote cannot.
			if err := os.Truncate(path, info.Size()/2); err != nil {
				return nil, err
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			_, err = f.WriteString("\n  - \"")
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			return map[string]string{"kept": kept, "path": path}, err
		},
		Heal: returnManifest,
	}
}

// deleteManifest removes a manifest.
func deleteManifest() Fault {
	return Fault{
		Name: "delete-manifest",
		What: "remove a static pod's manifest",
		Keys: podKey(),
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := s.manifest(m)
			kept, err := s.keep(m, path)
			if err != nil {
				return nil, err
			}
			return map[string]string{"kept": kept, "path": path}, os.Remove(path)
		},
		Heal: returnManifest,
	}
}

// backupManifest leaves a second copy where the kubelet reads it too.
func backupManifest() Fault {
	return Fault{
		Name: "backup-manifest-in-place",
		What: "copy a static pod's manifest to NAME.yaml.bak in the same folder, which the kubelet reads too",
		Keys: podKey(),
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := s.manifest(m)
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			return map[string]string{"path": path + ".bak"}, os.WriteFile(path+".bak", data, 0o600)
		},
		Heal: func(_ context.Context, _ *Scene, _ machine.Machine, notes map[string]string) error {
			if err := os.Remove(notes["path"]); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return nil
		},
	}
}

// badFlag gives a static pod a flag that its program does not know.
func badFlag() Fault {
	return Fault{
		Name: "bad-flag",
		What: "add a flag to a static pod's command that its program does not know",
		Keys: append(podKey(), Key{"flag", "--insecure-port=0", "the flag"}),
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return s.addFlag(m, s.Keys["pod"], s.Keys["flag"])
		},
		Heal: returnManifest,
	}
}

// addFlag adds a flag to the command of a static pod, which is one word a line
// as kubeadm writes it; a manifest that was written anew may be indented otherwise.
func (s *Scene) addFlag(m machine.Machine, pod, flag string) (map[string]string, error) {
	word := regexp.MustCompile(`(?m)^( *- )` + regexp.QuoteMeta(pod) + `$`)
	return s.edit(m, s.root(m, filepath.Join(manifests, pod+".yaml")), func(text string) string {
		return word.ReplaceAllString(text, "${0}\n${1}"+flag)
	})
}
