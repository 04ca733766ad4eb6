package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// way checks how a host is reached.
func (j *judge) way(path []any, h cluster.Host) {
	switch h.Via {
	case cluster.ViaSSH:
		j.ssh(path, h)
		return
	case cluster.ViaLocal, cluster.ViaChild:
	case "":
		j.add(at(path, "via"), "is missing: ssh reaches another machine, local works in this process, child in a child process on this machine")
	default:
		j.add(at(path, "via"), "%q is no way to reach a host: ssh, local or child", h.Via)
		return
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"address", h.Address != ""}, {"jump", len(h.Jump) > 0}, {"identities", len(h.Identities) > 0},
		{"knownHosts", h.KnownHosts != ""}, {"sudo", h.Sudo},
	} {
		if f.set {
			j.add(at(path, f.name), "is for hosts with via: ssh only")
		}
	}
}

func (j *judge) ssh(path []any, h cluster.Host) {
	if h.Address == "" {
		j.add(at(path, "address"), "is missing: [user@]host[:port] of the machine's sshd")
	} else {
		j.address(at(path, "address"), h.Address)
	}
	for i, a := range h.Jump {
		j.address(at(path, "jump", i), a)
	}
	for i, f := range h.Identities {
		j.ownFile(at(path, "identities", i), f)
	}
	if h.KnownHosts != "" {
		j.ownFile(at(path, "knownHosts"), h.KnownHosts)
	}
}

func (j *judge) address(path []any, value string) {
	if _, err := cluster.ParseSSHAddress(value); err != nil {
		j.add(path, "%s", err)
	}
}

// ownFile checks a path of the coordinator's machine.
func (j *judge) ownFile(path []any, value string) {
	full := value
	if rest, ok := strings.CutPrefix(value, "~/"); ok {
		full = "/" + rest
	}
	switch {
	case strings.HasSuffix(value, ".pub"):
		j.add(path, "%q is a public key: name the private one beside it", value)
	case !filepath.IsAbs(full):
		j.add(path, "%q must be an absolute path, or begin with ~/", value)
	default:
		j.absolute(path, full)
	}
}

// machineOf tells machines apart, as far as the configuration shows.
func machineOf(h cluster.Host) string {
	if h.Via != cluster.ViaSSH {
		return ""
	}
	a, err := cluster.ParseSSHAddress(h.Address)
	if err != nil {
		return h.Name + ":"
	}
	return fmt.Sprintf("%s %s:%d:", strings.Join(h.Jump, " "), a.Host, a.Port)
}
