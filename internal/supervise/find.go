package supervise

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// process is one entry of the process table; what costs more to learn is
// asked for by its number when it is needed.
type process struct {
	pid, parent int
	since       time.Time
	// command is empty for a kernel thread.
	command []string
}

// fileID names a file whatever path leads to it.
type fileID struct{ dev, ino uint64 }

// Find tells whether a process runs the member, whoever started it: one that
// holds files in <data dir>/member open for writing, or else one whose command
// line or environment names exactly this data dir, or that is the member's own
// command. It changes nothing. Where the process table does not say enough (a
// foreign etcd whose files may not be looked at), that is an error, not "no".
func Find(ctx context.Context, m cluster.Member) (cluster.ProcessFacts, error) {
	facts, err := find(m)
	if m.Run.Systemd == "" {
		return facts, err
	}
	unit, uerr := show(ctx, m.Run.Systemd)
	if err != nil || uerr != nil {
		return facts, errors.Join(err, uerr)
	}
	facts.Unit = unit.active
	return facts, nil
}

// find looks at the process table only.
func find(m cluster.Member) (cluster.ProcessFacts, error) {
	all, err := findAll(m)
	if err != nil || len(all) == 0 {
		return cluster.ProcessFacts{}, err
	}
	return all[0], nil
}

// findAll gives every process of the member, the one that counts first; there
// is more than one where a wrapper is called like the member.
func findAll(m cluster.Member) ([]cluster.ProcessFacts, error) {
	table, err := processes()
	if err != nil {
		return nil, fmt.Errorf("find process of %s: %w", m.Name, err)
	}
	matched, err := newMarks(m).match(table)
	if err != nil {
		return nil, fmt.Errorf("find process of %s: %w", m.Name, err)
	}
	var all []cluster.ProcessFacts
	for _, p := range matched {
		all = append(all, cluster.ProcessFacts{Running: true, PID: p.pid, Since: p.since, Command: p.command})
	}
	return all, nil
}

// marks are what a member's process can be known by.
type marks struct {
	// dirs are the data dir as configured and as the kernel names it.
	dirs []string
	// db is the db file, for a process that sees it under another path: in a
	// container, or after a folder above it was renamed.
	db      fileID
	command []string
}

func newMarks(m cluster.Member) marks {
	k := marks{dirs: []string{filepath.Clean(m.DataDir)}}
	if real := resolve(m.DataDir); real != k.dirs[0] {
		k.dirs = append(k.dirs, real)
	}
	k.db, _ = identify(filepath.Join(m.DataDir, "member", "snap", "db"))
	if m.Run.Process != nil {
		k.command, _ = withoutFlags(m.Run.Process.Command)
	}
	return k
}

// resolve follows symbolic links in the part of a path that exists.
func resolve(path string) string {
	path = filepath.Clean(path)
	rest := ""
	for p := path; ; p = filepath.Dir(p) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, rest)
		}
		if p == filepath.Dir(p) {
			return path
		}
		rest = filepath.Join(filepath.Base(p), rest)
	}
}

// match finds the member's processes: who writes its files before who only
// looks like it.
func (k marks) match(table []process) ([]process, error) {
	hidden := 0
	var holders, named []process
	for _, p := range table {
		writes, err := writesAny(p.pid, k.holds)
		switch {
		case writes:
			holders = append(holders, p)
		case k.named(p):
			named = append(named, p)
		case err != nil && len(p.command) > 0 && filepath.Base(p.command[0]) == "etcd":
			hidden = p.pid
		}
	}
	all := append(holders, named...)
	if len(all) == 0 && hidden != 0 {
		return nil, fmt.Errorf("process %d is an etcd whose files may not be looked at: run salvor as root or as its user", hidden)
	}
	return all, nil
}

// holds tells whether a path that a process has open is the member's. The
// folder "member" ends the comparison, so that /var/lib/etcd is not taken for
// /var/lib/etcd-2. Only what may be the db is looked at more closely.
func (k marks) holds(path string, id func() (fileID, error)) bool {
	for _, d := range k.dirs {
		if strings.HasPrefix(path, filepath.Join(d, "member")+"/") {
			return true
		}
	}
	if k.db.ino == 0 || filepath.Base(path) != "db" {
		return false
	}
	f, err := id()
	return err == nil && f == k.db
}

// notMembers are programs that name a data dir without being a member.
func notMembers() []string {
	return []string{"etcdutl", "etcdctl", "sudo", "su", "env", "nohup", "setsid", "timeout", "strace", "runuser", "setpriv", "sh", "bash", "dash"}
}

// named tells whether a process is called as the member would be.
func (k marks) named(p process) bool {
	if len(p.command) == 0 || slices.Contains(notMembers(), filepath.Base(p.command[0])) {
		return false
	}
	if len(p.command) > 1 && p.command[1] == "snapshot" {
		return false // a restore by salvor itself takes --data-dir too
	}
	if own, _ := withoutFlags(p.command); len(k.command) > 0 && slices.Equal(own, k.command) {
		return true
	}
	dir, ok := flagValue(p.command[1:], "data-dir")
	if !ok && filepath.Base(p.command[0]) == "etcd" { // many a script sources etcd's environment
		dir, ok = environment(p.pid, "ETCD_DATA_DIR")
	}
	if !ok {
		return false
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(workingDir(p.pid), dir)
	}
	return slices.Contains(k.dirs, filepath.Clean(dir)) || slices.Contains(k.dirs, resolve(dir))
}

// flagValue finds the last value of a flag in any form that Go's flag package
// takes: --f v, --f=v, -f v, -f=v.
func flagValue(args []string, name string) (value string, found bool) {
	for i, a := range args {
		f, v, has := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		switch {
		case !strings.HasPrefix(a, "-") || f != name:
		case has:
			value, found = v, true
		case i+1 < len(args):
			value, found = args[i+1], true
		}
	}
	return value, found
}
