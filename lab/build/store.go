package build

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/lab/proc"
)

// Store is a containerd store with the lab's images imported and unpacked.
// Machines get hard links of it: only containerd's own databases are copied.
func (b *Builder) Store(ctx context.Context, etcd string) (string, error) {
	images, err := b.images(ctx, etcd)
	if err != nil {
		return "", err
	}
	parts := []string{Containerd}
	for _, m := range images {
		parts = append(parts, m.name)
		parts = append(parts, slices.Sorted(maps.Values(m.files))...)
	}
	path := filepath.Join(b.Cache, "lab", "store-"+key(parts...))
	err = b.once(ctx, path, "containerd's store with its images", func(ctx context.Context, part string) error {
		return b.fillStore(ctx, part, images)
	})
	return path, err
}

// fillStore runs a containerd over a new store, on this machine, and imports.
func (b *Builder) fillStore(ctx context.Context, store string, images []image) error {
	work, err := os.MkdirTemp(filepath.Dir(store), "import-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	daemon, err := b.Program(ctx, "containerd")
	if err != nil {
		return err
	}
	ctr, err := b.Program(ctx, "ctr")
	if err != nil {
		return err
	}
	config := filepath.Join(work, "config.toml")
	text := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\ndisabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime']\n[grpc]\n  address = %q\n[ttrpc]\n  address = %q\n",
		store, filepath.Join(work, "state"), filepath.Join(work, "sock"), filepath.Join(work, "sock.ttrpc"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, daemon, "--config", config, "--log-level", "warn")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	logs, err := os.Create(store + ".log")
	if err != nil {
		return err
	}
	defer logs.Close()
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		return err
	}
	err = b.importAll(ctx, ctr, work, images)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait() // it says "terminated"; what it did was checked by ctr
	if err != nil {
		return fmt.Errorf("import images (containerd's log: %s.log): %w", store, err)
	}
	return nil
}

func (b *Builder) importAll(ctx context.Context, ctr, work string, images []image) error {
	base := []string{ctr, "-a", filepath.Join(work, "sock"), "-n", "k8s.io"}
	limit := time.Now().Add(30 * time.Second)
	for proc.Run(ctx, append(base, "version")...) != nil {
		if time.Now().After(limit) || ctx.Err() != nil {
			return fmt.Errorf("wait for containerd: no answer in 30 s")
		}
		time.Sleep(200 * time.Millisecond)
	}
	for _, m := range images {
		file := filepath.Join(work, "image.tar")
		if err := m.save(file); err != nil {
			return err
		}
		if err := proc.Run(ctx, append(base, "images", "import", "--local", "--label", "io.cri-containerd.image=managed", file)...); err != nil {
			return err
		}
	}
	return nil
}
