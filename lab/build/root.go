package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// suite is the Debian release of the machines; include its packages.
const (
	suite   = "bookworm"
	include = "systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,procps,ca-certificates,runc,conntrack," +
		"iptables,nftables,ethtool,socat,mount,util-linux,kmod,containernetworking-plugins,e2fsprogs"
)

// system is the bare root file system, made by debootstrap.
func (b *Builder) system(ctx context.Context) (string, error) {
	path := filepath.Join(b.Cache, "lab", "system-"+key(suite, include))
	err := b.once(ctx, path, "root file system (debootstrap)", func(ctx context.Context, part string) error {
		err := proc.Run(ctx, "nice", "-n", "10", "debootstrap", "--variant=minbase", "--include="+include, suite, part) // from debootstrap's own default mirror
		if err != nil {
			return err
		}
		return os.RemoveAll(filepath.Join(part, "var", "cache", "apt", "archives"))
	})
	return path, err
}

// Root is the root file system that all machines share, read only, under
// their own files: Debian, containerd, the kubelet, kubeadm, and the units
// that start them.
func (b *Builder) Root(ctx context.Context) (string, error) {
	system, err := b.system(ctx)
	if err != nil {
		return "", err
	}
	var from []string
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "kubelet", "kubeadm", "kubectl"} {
		path, err := b.Program(ctx, name)
		if err != nil {
			return "", err
		}
		from = append(from, path)
	}
	content := files()
	parts := append([]string{system}, from...)
	for _, f := range content {
		parts = append(parts, f.path, f.text)
	}
	path := filepath.Join(b.Cache, "lab", "root-"+key(parts...))
	err = b.once(ctx, path, "root of the machines", func(ctx context.Context, part string) error {
		if err := proc.Run(ctx, "cp", "-a", system, part); err != nil {
			return err
		}
		for _, program := range from {
			if err := copyFile(program, filepath.Join(part, "usr", "bin", filepath.Base(program)), 0o755); err != nil {
				return err
			}
		}
		for _, f := range content {
			if err := write(filepath.Join(part, f.path), f.text); err != nil {
				return err
			}
		}
		return settle(ctx, part)
	})
	return path, err
}

// settle makes a root file system one that many machines can have: no host
// keys, a user with sudo, and the lab's units enabled.
func settle(ctx context.Context, root string) error {
	keys, err := filepath.Glob(filepath.Join(root, "etc", "ssh", "ssh_host_*"))
	if err != nil {
		return err
	}
	for _, path := range keys {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"useradd", "--create-home", "--shell", "/bin/bash", "ops"},
		{"systemctl", "enable", "ssh.service", "lab-machine.service", "containerd.service", "kubelet.service"},
		{"systemctl", "mask", "systemd-resolved.service", "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer",
			"console-getty.service", "getty@tty1.service"},
	} {
		if err := proc.Run(ctx, append([]string{"chroot", root}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file.
func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return out.Close()
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	switch {
	case strings.HasPrefix(text, "#!"):
		mode = 0o755
	case strings.Contains(path, "sudoers.d"):
		mode = 0o440
	}
	return os.WriteFile(path, []byte(text), mode)
}
