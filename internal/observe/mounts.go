package observe

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/salvor-project/salvor/internal/cluster"
)

// mount is one line of the kernel's mount table.
type mount struct{ point, kind, source string }

// mountTable reads /proc/self/mountinfo (proc(5)); the last mount on a point
// is the one that is seen.
func (m machine) mountTable() ([]mount, error) {
	b, err := os.ReadFile(m.at("/proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	var out []mount
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		for i := 6; i+2 < len(f); i++ {
			if f[i] == "-" {
				out = append(out, mount{point: unescape(f[4]), kind: f[i+1], source: unescape(f[i+2])})
				break
			}
		}
	}
	return out, nil
}

// unescape undoes the octal escapes of mountinfo and fstab.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// wanted is a mount point that the machine's configuration names.
type wanted struct{ point, by string }

// wantedMounts reads /etc/fstab (fstab(5)) and the mount units below
// /etc/systemd/system (systemd.mount(5)).
func (m machine) wantedMounts() []wanted {
	var out []wanted
	if b, err := os.ReadFile(m.at("/etc/fstab")); err == nil {
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 3 || strings.HasPrefix(f[0], "#") || f[2] == "swap" || !filepath.IsAbs(f[1]) {
				continue
			}
			out = append(out, wanted{filepath.Clean(unescape(f[1])), "/etc/fstab"})
		}
	}
	units, err := filepath.Glob(m.at("/etc/systemd/system/*.mount"))
	if err != nil {
		return out
	}
	for _, u := range units {
		b, err := os.ReadFile(u)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Where="); ok && filepath.IsAbs(v) {
				out = append(out, wanted{filepath.Clean(v), m.outside(u)})
			}
		}
	}
	return out
}

// required reads RequiresMountsFor of the unit of the member whose folder a
// path is. Other units say nothing of it: the setting only asks for mounts that
// are configured (systemd.unit(5)), and many name /var/lib.
func (m machine) required(path string) []wanted {
	unit := m.unitOf(path)
	if unit == "" {
		return nil
	}
	var out []wanted
	for _, pattern := range []string{"/etc/systemd/system/" + unit, "/etc/systemd/system/" + unit + ".d/*.conf", "/lib/systemd/system/" + unit} {
		files, err := filepath.Glob(m.at(pattern))
		if err != nil {
			continue
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				v, ok := strings.CutPrefix(strings.TrimSpace(line), "RequiresMountsFor=")
				for _, p := range strings.Fields(v) {
					if ok && filepath.IsAbs(p) {
						out = append(out, wanted{filepath.Clean(p), m.outside(f)})
					}
				}
			}
		}
	}
	return out
}

// unitOf is the systemd unit of the member of this machine whose data or WAL
// dir a path is; empty where there is none.
func (m machine) unitOf(path string) string {
	for _, c := range m.cfg.Members {
		if c.Host != m.host || path != c.DataDir && path != c.WALDir || c.Run.StaticPod != "" || c.Run.Process != nil {
			continue
		}
		switch unit := c.Run.Systemd; {
		case unit == "":
			return "etcd.service"
		case !strings.Contains(unit, "."):
			return unit + ".service"
		default:
			return unit
		}
	}
	return ""
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// fileSystem measures the file system of a path and holds it against what
// ought to be mounted there.
func (m machine) fileSystem(role, path string, table []mount) (cluster.FileSystem, error) {
	s, err := space(m.at(path))
	if err != nil {
		return cluster.FileSystem{}, err
	}
	out := cluster.FileSystem{Space: s, Role: role, For: path}
	if info, err := os.Stat(s.Path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			out.Device = uint64(st.Dev)
		}
	}
	out.Path = m.outside(s.Path)
	for _, t := range table {
		if within(path, t.point) && len(t.point) >= len(out.MountPoint) {
			out.MountPoint, out.Type, out.Source = t.point, t.kind, t.source
		}
	}
	if len(table) == 0 {
		return out, nil
	}
	for _, w := range m.wantedMounts() {
		if w.point != "/" && within(path, w.point) && len(w.point) > len(out.MountPoint) {
			out.Expected, out.ExpectedBy = w.point, w.by
		}
	}
	for _, w := range m.required(path) {
		if out.Expected == "" && out.MountPoint == "/" && within(path, w.point) && w.point != "/" {
			out.Expected, out.ExpectedBy = w.point, w.by+" (RequiresMountsFor)"
		}
	}
	return out, nil
}

// fileSystems measures every file system with something on it that matters.
func (m machine) fileSystems() []cluster.Known[cluster.FileSystem] {
	type one struct{ role, path string }
	all := []one{{"root", "/"}, {"kubelet", kubeletDir}, {"runtime", "/var/lib/containerd"}, {"logs", "/var/log"}, {"kubernetes", kubeDir}}
	for _, c := range m.cfg.Members {
		if c.Host == m.host {
			all = append(all, one{"etcd-data", c.DataDir})
			if c.WALDir != "" {
				all = append(all, one{"etcd-wal", c.WALDir})
			}
		}
	}
	for _, p := range m.cfg.Snapshots {
		if p.Host == m.host {
			all = append(all, one{"snapshots", p.Path})
		}
	}
	table, err := m.mountTable()
	if err != nil {
		table = nil // a file system is then told without its mount point
	}
	var out []cluster.Known[cluster.FileSystem]
	for _, o := range all {
		if _, err := os.Stat(m.at(o.path)); errors.Is(err, fs.ErrNotExist) && o.role != "etcd-data" && o.role != "etcd-wal" && o.role != "snapshots" {
			continue
		}
		f, err := m.fileSystem(o.role, o.path, table)
		if err != nil {
			out = append(out, cluster.Unknown[cluster.FileSystem]("%s: %v", o.path, err))
			continue
		}
		out = append(out, cluster.Is(f))
	}
	return out
}

// latePlaces are the places of snapshots when they could not be read in time.
func (m machine) latePlaces() []cluster.BackupPlace {
	var out []cluster.BackupPlace
	for _, p := range m.cfg.Snapshots {
		if p.Host == m.host {
			out = append(out, cluster.BackupPlace{Path: p.Path, Files: cluster.Unknown[int](late), Parts: cluster.Unknown[[]string](late)})
		}
	}
	return out
}

// places tells what the places of snapshots hold.
func (m machine) places(ctx context.Context) []cluster.BackupPlace {
	var out []cluster.BackupPlace
	for _, p := range m.cfg.Snapshots {
		if p.Host != m.host {
			continue
		}
		b := cluster.BackupPlace{Path: p.Path, Parts: cluster.Unknown[[]string]("it is no folder that can be read")}
		info, err := os.Stat(m.at(p.Path))
		switch {
		case err != nil:
			b.Files = cluster.Unknown[int]("%v", err)
		case !info.IsDir():
			b.Files = cluster.Is(1)
		default:
			if _, err := os.ReadDir(m.at(p.Path)); err != nil {
				b.Files = cluster.Unknown[int]("%v", err)
			} else {
				b.Files = cluster.Is(len(files(m.at(p.Path))))
				b.Parts = got(ctx, func() ([]string, error) { return m.parts(ctx, m.at(p.Path)) })
			}
		}
		out = append(out, b)
	}
	return out
}
