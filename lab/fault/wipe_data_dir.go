package fault

import (
	"context"
	"os"
	"path/filepath"

	"github.com/salvor-project/salvor/lab/machine"
)

// wipeDataDir is a lost disk that was replaced by an empty one.
func wipeDataDir() Fault {
	return Fault{
		Name: "wipe-data-dir",
		What: "empty etcd's data directory and kill etcd; its supervisor starts it over nothing",
		Keys: []Key{{"dir", etcdDir, "the directory"}},
		Lost: "the data is gone; recover the member",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return nil, still(ctx, m, "etcd", func() error {
				dir := s.root(m, s.Keys["dir"])
				entries, err := os.ReadDir(dir)
				if err != nil {
					return err
				}
				for _, e := range entries {
					if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}
