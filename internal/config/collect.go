package config

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/datadir"
)

// collect finds the members that units and processes tell of.
func (d *discovery) collect() error {
	services, err := units(d.o.Root, d.host)
	if err != nil {
		return err
	}
	table, err := processes(d.o.Proc)
	if err != nil {
		return err
	}
	running := map[string]bool{}
	for _, p := range table {
		sure := recognise(p.command, p.exe)
		if sure == notEtcd {
			continue
		}
		m, ok := d.fromProcess(p, sure)
		switch u, isUnit := services[p.unit]; {
		case !ok:
		case p.container:
			d.foreign = append(d.foreign, p)
		case isUnit && u.runsEtcd():
			running[u.name] = true
			m.run, m.source = cluster.Supervisor{Systemd: u.name}, "unit "+u.name
			d.members = append(d.members, m)
		default:
			d.asProcess(m, p)
			d.members = append(d.members, m)
		}
	}
	d.dropStarters(table)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		u := services[name]
		switch {
		case running[name]:
		case u.masked && strings.Contains(name, "etcd"):
			d.warn("unit %s is masked (linked to /dev/null): nothing can start it before `systemctl unmask`", name)
		case u.isEtcd():
			d.fromUnit(u)
		case regexp.MustCompile(`^etcd[0-9]*(@.*|-events)?\.service$`).MatchString(name):
			d.warn("unit %s starts %q: what member that is cannot be read from it while it does not run", name, strings.Join(u.command, " "))
		}
	}
	return nil
}

// dropStarters keeps, of several processes that name one data dir, the one
// that uses it: the others started it.
func (d *discovery) dropStarters(table []process) {
	user := map[string]int{}
	for _, m := range d.members {
		i := slices.IndexFunc(table, func(p process) bool { return p.pid == m.pid })
		if i < 0 {
			continue
		}
		if yes, _ := table[i].uses(m.dataDir, m.wal); yes || user[m.dataDir] == 0 {
			user[m.dataDir] = m.pid
		}
	}
	d.members = slices.DeleteFunc(d.members, func(m *member) bool { return user[m.dataDir] != m.pid })
}

// fromProcess reads a running etcd's settings. ok is false when the process
// turns out to be something else.
func (d *discovery) fromProcess(p process, sure sureness) (*member, bool) {
	flags := fromFlags(p.command[1:])
	env := p.env
	if sure == maybeEtcd {
		env = nil // only etcd's own main reads it
	}
	set, err := combine(flags, env, p.dir, os.ReadFile)
	if err != nil {
		if sure == surelyEtcd {
			d.warn("process %d (%s) is an etcd, but %s: run salvor init as root, or as its user", p.pid, p.command[0], err)
		}
		return nil, false
	}
	if sure == maybeEtcd && flags["config-file"] != "" {
		if !set.looksLikeFile() {
			return nil, false
		}
		// A program that embeds etcd decides itself which flags go beside the
		// file; of those that name the member, the flag wins.
		for _, f := range []string{"name", "data-dir", "wal-dir"} {
			if v := flags[f]; v != "" {
				set[f] = v
			}
		}
	}
	m := d.newMember(set, p.dir, "")
	m.pid, m.source = p.pid, "process"
	if sure == maybeEtcd {
		yes, known := p.uses(m.dataDir, m.wal)
		if !known {
			d.warn("process %d (%s) has the flags of an etcd; its files may not be looked at: run salvor init as root", p.pid, p.command[0])
		}
		return m, yes
	}
	if p.dir == "" && (set["data-dir"] == "" || !filepath.IsAbs(set["data-dir"])) {
		d.ask("%s: its data dir is relative to a folder that may not be looked at (process %d): run salvor init as root", m.name, p.pid)
	}
	if !p.envKnown {
		d.warn("%s: the environment of process %d may not be read; ETCD_ variables in it are not known: run salvor init as root", m.name, p.pid)
	}
	return m, true
}

func (d *discovery) newMember(set settings, dir, root string) *member {
	if dir == "" {
		dir = "/"
	}
	return &member{
		name: set.name(), set: set, dir: dir, root: root, dataDir: set.dataDir(dir), wal: set.walDir(dir),
		client: set.clientURLs(), peer: set.peerURLs(),
	}
}

// asProcess notes how Salvor can start the process again.
func (d *discovery) asProcess(m *member, p process) {
	program, err := p.program()
	if err != nil {
		d.ask("%s: run.process.command: process %d was started as %q, and %s: with which program is it to be started?", m.name, p.pid, p.command[0], err)
	}
	command, leftFlags := safeCommand(p.command)
	command = append([]string{program}, command[1:]...)
	env, leftEnv := neededEnv(p.env)
	if left := append(leftFlags, leftEnv...); len(left) > 0 {
		d.warn("%s: left out of its command and environment, as a secret or a danger: %s", m.name, strings.Join(left, ", "))
	}
	if program == "" {
		command = nil
	}
	m.run = cluster.Supervisor{Process: &cluster.Process{Command: command, Env: env, Dir: p.dir, User: p.user(), Log: p.log()}}
	if p.unit != "" {
		d.warn("%s: process %d lies in systemd's %s, which is no etcd unit; if that starts it again when it is stopped, name the unit in run.systemd",
			m.name, p.pid, p.unit)
	}
}

// fromUnit reads the settings of a unit that does not run.
func (d *discovery) fromUnit(u unit) {
	set, err := combine(fromFlags(u.command[1:]), u.env, u.dir, func(path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(d.o.Root, path))
	})
	if err != nil {
		d.ask("unit %s starts an etcd, but %s", u.name, err)
		return
	}
	m := d.newMember(set, u.dir, d.o.Root)
	m.run, m.source = cluster.Supervisor{Systemd: u.name}, "unit "+u.name
	for _, f := range u.missing {
		d.warn("unit %s: environment file %s: what it sets is not known, and systemd will not start the unit without it", u.name, f)
	}
	if i := slices.IndexFunc(d.members, func(o *member) bool { return o.pid != 0 && o.dataDir == m.dataDir }); i >= 0 {
		d.warn("unit %s is configured for %s, but process %d runs on it outside of the unit: taken as a process; if the unit is to run it, set run.systemd",
			u.name, m.dataDir, d.members[i].pid)
		return
	}
	d.members = append(d.members, m)
}

// namedDirs adds the data dirs that were named and that nothing else told of.
func (d *discovery) namedDirs(ctx context.Context) error {
	for _, dir := range d.o.DataDirs {
		if slices.ContainsFunc(d.members, func(m *member) bool { return sameFolder(filepath.Join(m.root, m.dataDir), dir) }) {
			continue
		}
		disk, err := datadir.Glance(ctx, dir, "")
		if err != nil {
			return err
		}
		if disk.State != cluster.DirData {
			return fmt.Errorf("%s is no data dir of an etcd member: it is %s", dir, disk.State)
		}
		m := &member{name: filepath.Base(dir), set: settings{}, dir: "/", dataDir: dir, disk: disk, source: "data dir"}
		d.identify(m)
		d.ask("%s: run: nothing on this machine tells how the member of %s is started: name a systemd unit, or a process with its command", m.name, dir)
		d.members = append(d.members, m)
	}
	return nil
}

// identify takes a member's name and URLs from its own db.
func (d *discovery) identify(m *member) {
	if !m.disk.DB.OK {
		d.ask("%s: name, clientURLs and peerURLs: its db could not be read (%s)", m.dataDir, m.disk.DB.Why)
		return
	}
	list := m.disk.DB.Value.Members
	i := slices.IndexFunc(list, func(e cluster.MemberEntry) bool {
		return m.disk.MemberID.OK && e.ID == m.disk.MemberID.Value || !m.disk.MemberID.OK && len(list) == 1
	})
	if i < 0 {
		var names []string
		for _, e := range list {
			names = append(names, e.Name)
		}
		d.ask("%s: which member is it? Its log does not say, or its db does not know it; the db names %s", m.dataDir, strings.Join(names, ", "))
		return
	}
	if list[i].Name != "" {
		m.name = list[i].Name
	}
	m.client, m.peer = list[i].ClientURLs, list[i].PeerURLs
	if len(m.client) == 0 {
		d.ask("%s: clientURLs: its db does not know them", m.name)
	}
}

func sameFolder(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}
