package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// etcdName is what the server's program is called: etcd, etcd-3.5.21, etcd3.6.
func etcdName(program string) bool {
	return regexp.MustCompile(`^etcd([-_.]?(v?[0-9][0-9A-Za-z._-]*|server|events))?$`).MatchString(filepath.Base(program))
}

// notServers are programs whose command lines hold etcd's flags without being
// an etcd: clients, and those that start another program.
func notServers() []string {
	return []string{
		"etcdctl", "etcdutl", "sudo", "su", "doas", "env", "nohup", "setsid", "timeout", "strace", "runuser", "setpriv", "nice", "ionice",
		"sh", "bash", "dash", "zsh", "systemd-run", "docker", "podman", "nerdctl", "ctr", "crictl", "kubectl", "ssh", "go", "dlv", "gdb",
		"tmux", "tmux: server", "screen", "vi", "vim", "less", "grep", "watch",
	}
}

// serverFlags belong to etcd's server and to nothing else that runs long.
func serverFlags() []string {
	return []string{
		"listen-peer-urls", "initial-advertise-peer-urls", "initial-cluster", "initial-cluster-state", "advertise-client-urls",
		"listen-client-urls", "name", "initial-cluster-token", "wal-dir",
	}
}

// how sure it is that a command line is an etcd server.
type sureness int

const (
	notEtcd sureness = iota
	// maybeEtcd has the flags under another name: a program that embeds etcd,
	// to be confirmed by its open files.
	maybeEtcd
	surelyEtcd
)

func recognise(argv []string, exe string) sureness {
	if len(argv) == 0 || slices.Contains(notServers(), filepath.Base(argv[0])) {
		return notEtcd
	}
	if etcdName(argv[0]) || exe != "" && etcdName(exe) {
		if len(argv) > 1 && slices.Contains([]string{"gateway", "grpc-proxy", "--version", "-version", "--help", "-h"}, argv[1]) {
			return notEtcd
		}
		return surelyEtcd
	}
	flags := fromFlags(argv[1:])
	if _, ok := flags["config-file"]; ok {
		return maybeEtcd
	}
	_, data := flags["data-dir"]
	for _, f := range serverFlags() {
		if _, ok := flags[f]; ok && data {
			return maybeEtcd
		}
	}
	return notEtcd
}

// looksLikeFile tells whether settings that came from a configuration file
// are etcd's: --config-file is a flag of many programs.
func (s settings) looksLikeFile() bool {
	n := 0
	for _, f := range append(serverFlags(), "data-dir") {
		if _, ok := s[f]; ok {
			n++
		}
	}
	return n >= 2
}

// secret tells whether an environment variable or a flag may hold one. etcd's
// own secrets are those of the discovery service, which is asked only when a
// cluster is born.
func secret(name, value string) bool {
	name = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	for _, mark := range []string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "CREDENTIAL", "DISCOVERY_USER", "DISCOVERY_TOKEN", "API_KEY"} {
		if strings.Contains(name, mark) {
			return true
		}
	}
	return regexp.MustCompile(`://[^/@,]*:[^/@,]*@`).MatchString(value)
}

// neededEnv picks what etcd was told through its environment, and what tunes
// or locates it; nothing else is written to a file.
func neededEnv(env []string) (kept, left []string) {
	for _, e := range env {
		name, value, ok := strings.Cut(e, "=")
		switch {
		case !ok || value == "":
		case !strings.HasPrefix(name, envPrefix) && !slices.Contains([]string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"}, name):
		case secret(name, value), name == "ETCD_FORCE_NEW_CLUSTER":
			left = append(left, name)
		default:
			kept = append(kept, e)
		}
	}
	slices.Sort(kept)
	return kept, left
}

// safeCommand leaves out secrets and --force-new-cluster, each with its value.
func safeCommand(argv []string) (kept, left []string) {
	for i := 0; i < len(argv); i++ {
		a := argv[i]
		name, value, has := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		flag := i > 0 && strings.HasPrefix(a, "-")
		separate := flag && !has && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "-")
		if separate {
			value = argv[i+1]
		}
		switch {
		case flag && name == "force-new-cluster":
			left = append(left, "--"+name)
		case flag && secret(name, value):
			left = append(left, "--"+name)
			if separate {
				i++
			}
		default:
			kept = append(kept, a)
		}
	}
	return kept, left
}
