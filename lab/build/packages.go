package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// Packages installs what is missing on this machine of Debian's packages.
func (b *Builder) Packages(ctx context.Context) error {
	need := [][2]string{ // a program and the package that holds it
		{"debootstrap", "debootstrap"}, {"systemd-nspawn", "systemd-container"}, {"ip", "iproute2"},
		{"haproxy", "haproxy"}, {"ebtables", "iptables"}, {"ssh", "openssh-client"},
		{"nsenter", "util-linux"}, {"losetup", "mount"}, {"mkfs.ext4", "e2fsprogs"},
	}
	var missing []string
	for _, n := range need {
		if _, err := exec.LookPath(n[0]); err != nil {
			missing = append(missing, n[1])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s, and apt-get to install them: the lab needs Debian 12 or its like", strings.Join(missing, ", "))
	}
	done := b.Tell.Step("install %s", strings.Join(missing, ", "))
	defer done()
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	install := proc.Cmd{Args: append([]string{"apt-get", "install", "-y", "-q", "--no-install-recommends"}, missing...), Env: env}
	if _, err := install.Output(ctx); err == nil {
		return nil
	}
	if err := proc.Run(ctx, "apt-get", "update", "-q"); err != nil {
		return fmt.Errorf("update the package lists: %w", err)
	}
	if _, err := install.Output(ctx); err != nil {
		return fmt.Errorf("install packages: %w", err)
	}
	return nil
}

// Privileged says whether the lab may work here at all: on Linux, as root.
func Privileged() error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New("the lab makes machines, networks and mounts: it must be run by root on Linux")
	}
	return nil
}
