package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Validate judges a configuration without looking at any file that it names.
// The error lists every problem, each with the path of its field; Load adds
// file and line.
func Validate(cfg cluster.Config) error {
	var all []error
	for _, p := range problems(cfg) {
		all = append(all, p)
	}
	return errors.Join(all...)
}

// judge collects problems.
type judge struct {
	cfg cluster.Config
	bad []problem
}

func (j *judge) add(path []any, format string, args ...any) {
	p := problem{path: path, text: fmt.Sprintf(format, args...)}
	if !slices.ContainsFunc(j.bad, func(o problem) bool { return o.Error() == p.Error() }) {
		j.bad = append(j.bad, p)
	}
}

func problems(cfg cluster.Config) []problem {
	j := &judge{cfg: cfg}
	if strings.TrimSpace(cfg.Cluster) == "" {
		j.add([]any{"cluster"}, "a name is missing; it appears in reports")
	}
	j.hosts()
	j.members()
	j.client()
	j.kubernetes()
	for i, s := range cfg.Snapshots {
		j.place([]any{"snapshots", i}, s.Host, s.Path)
	}
	for i, w := range cfg.Witnesses {
		j.place([]any{"witnesses", i}, w.Host, w.Path)
	}
	if cfg.Objectives.RTO < 0 {
		j.add([]any{"objectives", "rto"}, "must not be negative")
	}
	if cfg.Objectives.RPO < 0 {
		j.add([]any{"objectives", "rpo"}, "must not be negative")
	}
	j.vault()
	j.backup()
	return j.bad
}

func (j *judge) hosts() {
	if len(j.cfg.Hosts) == 0 {
		j.add([]any{"hosts"}, "at least one host is needed")
	}
	names, states := map[string]int{}, map[string]string{}
	for i, h := range j.cfg.Hosts {
		path := []any{"hosts", i}
		j.name(at(path, "name"), "host", h.Name, names, i)
		j.way(path, h)
		if h.StateDir != "" {
			j.absolute(at(path, "stateDir"), h.StateDir)
		}
		// The local and the child hosts are one machine.
		state := machineOf(h) + filepath.Clean(h.State())
		if other, taken := states[state]; taken {
			j.add(at(path, "stateDir"), "host %s keeps its lock and its cases in %s too: give each host of one machine its own", other, filepath.Clean(h.State()))
		}
		states[state] = h.Name
	}
}

// name checks a name that becomes part of file names and of etcd's
// name=URL lists.
func (j *judge) name(path []any, what, name string, seen map[string]int, i int) {
	switch {
	case name == "":
		j.add(path, "a %s needs a name", what)
		return
	case name == "." || name == ".." || strings.ContainsAny(name, "/=, \t\n\"'\x00"):
		j.add(path, "%q cannot be a name: it holds one of / = , quotes or blanks", name)
	}
	if first, twice := seen[name]; twice {
		j.add(path, "%s %q is also %ss[%d]: names must differ", what, name, what, first)
		return
	}
	seen[name] = i
}

// absolute tells whether a path can be used; if not, the problem is noted.
func (j *judge) absolute(path []any, value string) bool {
	switch {
	case value == "":
		j.add(path, "a path is missing")
	case !filepath.IsAbs(value):
		j.add(path, "%q must be an absolute path", value)
	case strings.ContainsRune(value, 0):
		j.add(path, "%q holds a zero byte", value)
	case value != filepath.Clean(value):
		j.add(path, "write %q as %q: names are made by adding to it", value, filepath.Clean(value))
	default:
		return true
	}
	return false
}

func (j *judge) place(path []any, host, file string) {
	j.hostExists(path, host)
	j.absolute(at(path, "path"), file)
}

func (j *judge) hostExists(path []any, host string) {
	if host == "" {
		j.add(at(path, "host"), "is missing: the name of one of the hosts")
		return
	}
	if _, ok := j.cfg.Host(host); !ok {
		var names []string
		for _, h := range j.cfg.Hosts {
			names = append(names, h.Name)
		}
		j.add(at(path, "host"), "no host is named %q (there are: %s)", host, strings.Join(names, ", "))
	}
}

// client wants a certificate and its key together, and an authority when a
// member is asked over https: of the files for all hosts, and of a host's own.
func (j *judge) client() {
	https := slices.ContainsFunc(j.cfg.Members, func(m cluster.Member) bool {
		return slices.ContainsFunc(m.ClientURLs, secure)
	})
	for i, h := range j.cfg.Hosts {
		if h.Client != (cluster.TLS{}) {
			j.clientFiles([]any{"hosts", i, "client"}, h.Client, https)
		}
	}
	if j.cfg.Client != (cluster.TLS{}) {
		j.clientFiles([]any{"client"}, j.cfg.Client, https)
	} else if https && slices.ContainsFunc(j.cfg.Members, func(m cluster.Member) bool {
		h, ok := j.cfg.Host(m.Host)
		return !ok || h.Client == (cluster.TLS{})
	}) {
		j.add([]any{"client"}, "the members are asked over https: ca, cert and key are needed")
	}
}

func (j *judge) clientFiles(path []any, c cluster.TLS, https bool) {
	for _, f := range []struct{ name, value string }{{"ca", c.CA}, {"cert", c.Cert}, {"key", c.Key}} {
		if f.value != "" {
			j.absolute(append(slices.Clone(path), f.name), f.value)
		}
	}
	switch {
	case (c.Cert == "") != (c.Key == ""):
		j.add(path, "cert and key belong together: one is missing")
	case c.CA == "":
		j.add(append(slices.Clone(path), "ca"), "is missing: the authority that signed the members' certificates")
	case !https && len(j.cfg.Members) > 0:
		j.add(path, "no member has an https client URL: leave the certificates out, or correct the URLs")
	}
}

func secure(url string) bool {
	return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "unixs://")
}
