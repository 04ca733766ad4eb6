package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// SSHConfig is the file for "ssh -F" that reaches all machines by name.
func (s Site) SSHConfig() string { return filepath.Join(s.Dir, "ssh", "config") }

// Keys makes the operator's key and each machine's host key, lets the operator
// in as root and as ops (who may sudo), and writes known_hosts and config.
func (s Site) Keys(ctx context.Context, all []Machine) error {
	dir := filepath.Join(s.Dir, "ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key := filepath.Join(dir, "id_ed25519")
	if err := newKey(ctx, key, "operator of the lab"); err != nil {
		return err
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return err
	}
	known, config := "", ""
	for _, m := range all {
		host, err := s.let(ctx, m, string(public))
		if err != nil {
			return fmt.Errorf("give keys to %s: %w", m.Name, err)
		}
		known += fmt.Sprintf("%s,%s %s\n", m.Name, m.Addr, host)
		config += fmt.Sprintf("Host %s %s\n\tHostName %s\n\tHostKeyAlias %s\n", m.Name, m.Addr, m.Addr, m.Name)
	}
	config += fmt.Sprintf("Host *\n\tUser root\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile none\n\tStrictHostKeyChecking yes\n\tConnectTimeout 5\n\tLogLevel ERROR\n",
		key, filepath.Join(dir, "known_hosts"))
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known), 0o600); err != nil {
		return err
	}
	return os.WriteFile(s.SSHConfig(), []byte(config), 0o600)
}

// let gives a machine its host key and lets the operator in. It returns type
// and key as known_hosts wants them.
func (s Site) let(ctx context.Context, m Machine, public string) (string, error) {
	path := filepath.Join(s.Root(m), "etc", "ssh", "ssh_host_ed25519_key")
	if err := newKey(ctx, path, "root@"+m.Name); err != nil {
		return "", err
	}
	if err := s.Write(m, "root/.ssh/authorized_keys", public, 0o600); err != nil {
		return "", err
	}
	if err := s.Write(m, "home/ops/.ssh/authorized_keys", public, 0o600); err != nil {
		return "", err
	}
	if err := proc.Run(ctx, "chroot", s.Root(m), "chown", "-R", "ops:ops", "/home/ops/.ssh"); err != nil {
		return "", err
	}
	host, err := os.ReadFile(path + ".pub")
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(host))
	return strings.Join(fields[:min(2, len(fields))], " "), nil
}

func newKey(ctx context.Context, path, comment string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return proc.Run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
}
