package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
)

// corruptContainerd writes over containerd's own database.
func corruptContainerd() Fault {
	return Fault{
		Name: "corrupt-containerd-meta",
		What: "write rubbish over containerd's metadata and kill it: it comes back without CRI, what runs goes on",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := filepath.Join(s.Site.Containerd(m), "io.containerd.metadata.v1.bolt", "meta.db")
			var kept string
			err := still(ctx, m, "containerd", func() (err error) {
				if kept, err = s.keep(m, path); err != nil {
					return err
				}
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					return err
				}
				// Both metas of the bbolt file: neither says where the tree begins.
				_, err = f.WriteAt([]byte(strings.Repeat("rubbish!", 1024)), 0)
				return errors.Join(err, f.Close())
			})
			return map[string]string{"kept": kept, "path": path}, err
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			if err := giveBack(notes["kept"], notes["path"]); err != nil {
				return err
			}
			signal(ctx, m, "KILL", "containerd")
			_, err := machine.Exec(ctx, m, "systemctl", "restart", "--no-block", "containerd")
			return err
		},
	}
}

// removeImage removes an image that the machine cannot pull again.
func removeImage() Fault {
	const archive = "/root/removed-image.tar"
	return Fault{
		Name: "remove-image",
		What: "remove a container image; nothing can be pulled here, so its pod cannot start again",
		Keys: []Key{{"image", "kube-apiserver", "a part of its name"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			out, err := machine.Exec(ctx, m, "ctr", "-n", "k8s.io", "images", "list", "-q")
			if err != nil {
				return nil, err
			}
			var named, same []string
			for _, ref := range strings.Fields(out) {
				if strings.Contains(ref, "/"+s.Keys["image"]+":") {
					named = append(named, ref)
				}
			}
			if len(named) == 0 {
				return nil, fmt.Errorf("remove-image: %s has no image %q", m.Name, s.Keys["image"])
			}
			export := append([]string{"ctr", "-n", "k8s.io", "images", "export", "--local", archive}, named...)
			if _, err := machine.Exec(ctx, m, export...); err != nil {
				return nil, err
			}
			// The kubelet knows an image also by its digest; both names go.
			out, err = machine.Exec(ctx, m, "sh", "-c", `ctr -n k8s.io images list | awk -v n="$1" '$1==n{d=$3} {r[NR]=$1; g[NR]=$3} END{for(i in r) if(g[i]==d) print r[i]}'`, "sh", named[0])
			if err != nil {
				return nil, err
			}
			same = strings.Fields(out)
			remove := append([]string{"ctr", "-n", "k8s.io", "images", "remove", "--sync"}, same...)
			_, err = machine.Exec(ctx, m, remove...)
			return nil, err
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			if _, err := machine.Exec(ctx, m, "ctr", "-n", "k8s.io", "images", "import", "--local", archive); err != nil {
				return err
			}
			return os.Remove(s.root(m, archive))
		},
	}
}
