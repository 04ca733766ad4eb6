package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// settings are the values of etcd's flags, by name without dashes, as etcd
// itself would see them before its defaults.
type settings map[string]string

// etcd's defaults (server/embed/config.go, server/etcdmain/etcd.go).
const (
	defaultName       = "default"
	defaultPeerURLs   = "http://localhost:2380"
	defaultClientURLs = "http://localhost:2379"
)

// fromFlags reads a command line as Go's flag package does: --f v, --f=v, -f v,
// -f=v. Words before the first flag belong to a program that embeds etcd.
func fromFlags(args []string) settings {
	s := settings{}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			break
		}
		if !strings.HasPrefix(a, "-") {
			continue
		}
		name, value, has := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		switch {
		case has:
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			i++
			value = args[i]
		default:
			value = "true"
		}
		s[name] = value
	}
	return s
}

// envPrefix begins the names of etcd's environment variables.
const envPrefix = "ETCD_"

// envName is etcd's variable for a flag (pkg/flags/flag.go, FlagToEnv).
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// combine gives the settings that hold: a configuration file alone if there is
// one, else flags, else the environment (etcdmain/config.go, parse). read
// opens the configuration file, relative names being completed with dir.
func combine(flags settings, env []string, dir string, read func(string) ([]byte, error)) (settings, error) {
	file := flags["config-file"]
	if file == "" {
		file = lookup(env, envName("config-file"))
	}
	if file != "" {
		b, err := read(absolute(dir, file))
		if err != nil {
			return nil, fmt.Errorf("read etcd's configuration: %w", err)
		}
		s, err := fromFile(b)
		if err != nil {
			return nil, fmt.Errorf("read etcd's configuration %s: %w", file, err)
		}
		return s, nil
	}
	s := settings{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if flag, ok := strings.CutPrefix(name, envPrefix); ok && value != "" {
			s[strings.ToLower(strings.ReplaceAll(flag, "_", "-"))] = value
		}
	}
	for name, value := range flags {
		s[name] = value
	}
	return s, nil
}

// fromFile reads etcd's configuration file (embed.ConfigFromFile): the flags'
// names, but for the two nested blocks of certificates.
func fromFile(b []byte) (settings, error) {
	var fields map[string]any
	if err := yaml.Unmarshal(b, &fields); err != nil {
		return nil, err
	}
	s := settings{}
	for name, value := range fields {
		block, nested := value.(map[string]any)
		switch {
		case nested && name == "client-transport-security":
			s.add("", block)
		case nested && name == "peer-transport-security":
			s.add("peer-", block)
		case nested || value == nil:
		default:
			s[name] = fmt.Sprint(value)
		}
	}
	return s, nil
}

func (s settings) add(prefix string, block map[string]any) {
	for name, value := range block {
		if value != nil {
			s[prefix+name] = fmt.Sprint(value)
		}
	}
}

func absolute(dir, path string) string {
	if path == "" {
		return ""
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func (s settings) name() string {
	if n := s["name"]; n != "" {
		return n
	}
	return defaultName
}

func (s settings) dataDir(dir string) string {
	if d := s["data-dir"]; d != "" {
		return absolute(dir, d)
	}
	return absolute(dir, s.name()+".etcd")
}

// walDir is empty where etcd would put the log below the data dir anyway.
func (s settings) walDir(dir string) string {
	w := absolute(dir, s["wal-dir"])
	if w == filepath.Join(s.dataDir(dir), "member", "wal") {
		return ""
	}
	return w
}

// clientURLs are those under which the member can be asked. The advertised
// ones, unless only listening ones were set (in a file, etcd then advertises a
// default that nobody listens on).
func (s settings) clientURLs() []string {
	if u := urlList(s["advertise-client-urls"]); len(u) > 0 {
		return u
	}
	if u := urlList(s["listen-client-urls"]); len(u) > 0 {
		return u
	}
	return []string{defaultClientURLs}
}

func (s settings) peerURLs() []string {
	if u := urlList(s["initial-advertise-peer-urls"]); len(u) > 0 {
		return u
	}
	return []string{defaultPeerURLs}
}

// urlList splits a list and replaces "all addresses", which nobody can dial,
// by this machine.
func urlList(list string) []string {
	var out []string
	for raw := range strings.SplitSeq(list, ",") {
		raw = strings.TrimSpace(raw)
		if raw == "" {
			continue
		}
		if u, err := url.Parse(raw); err == nil {
			switch u.Hostname() {
			case "0.0.0.0":
				u.Host = "127.0.0.1:" + u.Port()
			case "::":
				u.Host = "[::1]:" + u.Port()
			}
			raw = u.String()
		}
		out = append(out, raw)
	}
	return out
}

// peer is a member as others name it.
type peer struct {
	name string
	urls []string
}

// initialCluster reads etcd's list name=URL,name=URL, in which a name stands
// once for each of its URLs.
func (s settings) initialCluster() []peer {
	var out []peer
	for part := range strings.SplitSeq(s["initial-cluster"], ",") {
		name, u, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		known := false
		for i := range out {
			if out[i].name == name {
				out[i].urls, known = append(out[i].urls, u), true
			}
		}
		if !known {
			out = append(out, peer{name: name, urls: []string{u}})
		}
	}
	return out
}
