package config

import (
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

func (j *judge) members() {
	if len(j.cfg.Members) == 0 {
		j.add([]any{"members"}, "at least one etcd member is needed")
	}
	names := map[string]int{}
	clients, peers := map[string]string{}, map[string]string{}
	for i, m := range j.cfg.Members {
		path := []any{"members", i}
		j.name(at(path, "name"), "member", m.Name, names, i)
		j.hostExists(path, m.Host)
		j.urls(at(path, "clientURLs"), m.Name, m.ClientURLs, clients)
		j.urls(at(path, "peerURLs"), m.Name, m.PeerURLs, peers)
		j.run(at(path, "run"), m.Host, m.Run)
		c := m.Certificates
		for _, f := range []struct{ name, value string }{
			{"server", c.Server}, {"peer", c.Peer}, {"ca", c.CA}, {"peerCA", c.PeerCA},
		} {
			if f.value != "" {
				j.absolute(at(path, "certificates", f.name), f.value)
			}
		}
	}
	j.folders()
}

// folders looks for folders that lie in one another: a data dir is set aside
// as a whole and would take the other along.
func (j *judge) folders() {
	type folder struct {
		path                []any
		machine, dir, owner string
	}
	var all []folder
	for i, m := range j.cfg.Members {
		path := []any{"members", i}
		h, _ := j.cfg.Host(m.Host)
		machine := machineOf(h)
		if j.absolute(at(path, "dataDir"), m.DataDir) {
			if filepath.Clean(m.DataDir) == "/" {
				j.add(at(path, "dataDir"), "cannot be the root folder")
				continue
			}
			all = append(all, folder{at(path, "dataDir"), machine, filepath.Clean(m.DataDir), "the data dir of member " + m.Name})
		}
		if m.WALDir != "" && j.absolute(at(path, "walDir"), m.WALDir) {
			wal := filepath.Clean(m.WALDir)
			if wal == filepath.Clean(m.DataDir) || wal == filepath.Join(m.DataDir, "member", "wal") {
				j.add(at(path, "walDir"), "leave it out: without it the log lies in member/wal below the data dir")
			} else {
				all = append(all, folder{at(path, "walDir"), machine, wal, "the log of member " + m.Name})
			}
		}
	}
	for i, h := range j.cfg.Hosts {
		if filepath.IsAbs(h.State()) {
			all = append(all, folder{[]any{"hosts", i, "stateDir"}, machineOf(h), filepath.Clean(h.State()), "the state folder of host " + h.Name})
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			aState, bState := a.path[0] == "hosts", b.path[0] == "hosts"
			switch {
			case a.machine != b.machine:
			case aState && bState: // judged with the hosts
			case a.dir == b.dir:
				j.add(a.path, "%s is also %s", a.dir, b.owner)
			case within(a.dir, b.dir) && !bState:
				j.add(a.path, "%s lies inside %s, which is renamed as a whole", a.dir, b.owner)
			case within(b.dir, a.dir) && !aState:
				j.add(b.path, "%s lies inside %s, which is renamed as a whole", b.dir, a.owner)
			}
		}
	}
}

func within(dir, parent string) bool {
	return strings.HasPrefix(dir, strings.TrimSuffix(parent, "/")+"/")
}

// urls checks the syntax that etcd itself demands (client/pkg/types/urls.go)
// and that no URL has two owners.
func (j *judge) urls(path []any, member string, list []string, owners map[string]string) {
	if len(list) == 0 {
		j.add(path, "at least one URL is needed")
	}
	for i, raw := range list {
		if why := wrongURL(raw); why != "" {
			j.add(at(path, i), "%q: %s", raw, why)
			continue
		}
		if owner, taken := owners[raw]; taken {
			j.add(at(path, i), "%s is already a URL of member %s", raw, owner)
		}
		owners[raw] = member
	}
}

// wrongURL says what is wrong with a member's URL, "" when nothing is.
func wrongURL(raw string) string {
	if raw != strings.TrimSpace(raw) {
		return "has blanks around it"
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "is no URL"
	}
	switch u.Scheme {
	case "http", "https":
	case "unix", "unixs":
		if u.Host+u.Path == "" {
			return "names no socket"
		}
		return ""
	default:
		return "must begin with http:// or https://"
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Hostname() == "":
		return "names no host"
	case err != nil || port == 0:
		return "needs a port, as in https://10.0.0.11:2379"
	case u.User != nil:
		return "must not hold a user or a password"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return "must end after the port"
	}
	return ""
}

func (j *judge) run(path []any, host string, run cluster.Supervisor) {
	ways := 0
	for _, set := range []bool{run.Systemd != "", run.StaticPod != "", run.Process != nil} {
		if set {
			ways++
		}
	}
	switch {
	case ways == 0:
		j.add(path, "one of systemd (a unit), staticPod (a manifest) and process (a command) is needed: it says who starts and stops the member")
	case ways > 1:
		j.add(path, "systemd, staticPod and process exclude each other: one of them starts and stops the member")
	case run.Systemd != "":
		j.unit(at(path, "systemd"), run.Systemd)
	case run.StaticPod != "":
		j.manifest(at(path, "staticPod"), run.StaticPod)
		if _, ok := j.cfg.Node(host); !ok {
			j.add(at(path, "staticPod"), "host %s has no line in kubernetes.nodes: its kubelet and its container runtime run this pod", host)
		}
	default:
		j.process(at(path, "process"), *run.Process)
	}
}

func (j *judge) unit(path []any, value string) {
	unit := strings.TrimSuffix(value, ".service")
	if unit == "" || strings.HasPrefix(unit, "-") || strings.ContainsAny(unit, "/ \t\n*?[") || strings.HasSuffix(unit, "@") {
		j.add(path, "%q is no service unit: write it like etcd.service or etcd@main.service", value)
	}
}

func (j *judge) process(path []any, p cluster.Process) {
	if len(p.Command) == 0 {
		j.add(at(path, "command"), "is empty: the program and its arguments are needed")
	} else {
		j.absolute(at(path, "command", 0), p.Command[0])
	}
	for i, a := range p.Command {
		if i > 0 && dangerous(strings.TrimLeft(a, "-"), strings.HasPrefix(a, "-")) {
			j.add(at(path, "command", i), "--force-new-cluster would throw all other members away at every start: take it out")
		}
	}
	for i, e := range p.Env {
		name, value, ok := strings.Cut(e, "=")
		switch {
		case !ok || name == "" || strings.ContainsAny(name, " \t"):
			j.add(at(path, "env", i), "%q must be NAME=VALUE", name)
		case name == "ETCD_FORCE_NEW_CLUSTER" && !falsy(value):
			j.add(at(path, "env", i), "ETCD_FORCE_NEW_CLUSTER would throw all other members away at every start: take it out")
		}
	}
	if p.Dir != "" {
		j.absolute(at(path, "dir"), p.Dir)
	}
	if p.Log != "" {
		j.absolute(at(path, "log"), p.Log)
	}
}

func dangerous(flag string, isFlag bool) bool {
	name, value, has := strings.Cut(flag, "=")
	return isFlag && name == "force-new-cluster" && (!has || !falsy(value))
}

func falsy(s string) bool {
	v, err := strconv.ParseBool(s)
	return s == "" || err == nil && !v
}
