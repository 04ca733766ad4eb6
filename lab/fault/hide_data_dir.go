package fault

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
)

// hideDataDir is a volume that was not mounted: its mount point is empty, and
// etcd is started over that.
func hideDataDir() Fault {
	const volume, line = "/srv/etcd-volume", "/srv/etcd-volume /var/lib/etcd none bind,nofail 0 0\n"
	return Fault{
		Name: "hide-data-dir",
		What: "leave the volume of etcd's data dir unmounted, as fstab has it, and kill etcd; its supervisor starts it over the empty mount point",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			dir, fstab := s.root(m, etcdDir), s.root(m, "etc/fstab")
			table, err := os.ReadFile(fstab)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			return map[string]string{}, still(ctx, m, "etcd", func() error {
				if err := os.Rename(dir, s.root(m, volume)); err != nil {
					return err
				}
				return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(fstab, append(table, line...), 0o644))
			})
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			dir, fstab := s.root(m, etcdDir), s.root(m, "etc/fstab")
			table, err := os.ReadFile(fstab)
			if err != nil {
				return err
			}
			return still(ctx, m, "etcd", func() error {
				if err := os.RemoveAll(dir); err != nil {
					return err
				}
				return errors.Join(os.Rename(s.root(m, volume), dir), os.WriteFile(fstab, []byte(strings.ReplaceAll(string(table), line, "")), 0o644))
			})
		},
	}
}
