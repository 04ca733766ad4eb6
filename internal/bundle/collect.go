package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strings"
	"syscall"
)

// Options say what to collect.
type Options struct {
	Host string // its name in salvor.yaml
	// Root is put before every path; empty but in tests.
	Root string
	// Files are more files and folders, from salvor.yaml.
	Files []string
	// Commands are the command lines of members, whose flags name files.
	Commands []string
	// Units are systemd units beside those of the usual names.
	Units []string
}

// Add names what runs a process: the manifest of a static pod or a unit, either
// of which may be empty.
func (o *Options) Add(manifest, unit string) {
	if manifest != "" {
		o.Commands = append(o.Commands, "config-file="+manifest)
	}
	if unit != "" {
		o.Units = append(o.Units, unit)
	}
}

const (
	kubernetesDir = "/etc/kubernetes"
	// maxFile and maxAll bound what is taken, in bytes: a bundle is keys and
	// texts.
	maxFile = 4 << 20
	maxAll  = 32 << 20
	// maxHops is how far files are followed that files name.
	maxHops = 4
)

// places are files, folders and patterns where control planes of the usual
// kinds keep what belongs to them.
func places(own []string) []string {
	units := []string{"etcd*", "kube*", "containerd*", "docker*", "crio*", "k3s*", "rke2*", "k0s*", "keepalived*", "haproxy*"}
	list := []string{
		kubernetesDir, "/etc/etcd", "/etc/etcd.env", "/etc/ssl/etcd", "/etc/default/etcd*", "/etc/default/kube*", "/etc/sysconfig/etcd*",
		"/etc/sysconfig/kube*", "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env", "/var/lib/kubelet/pki",
		"/etc/containerd", "/etc/crictl.yaml", "/etc/crio", "/etc/docker/daemon.json", "/etc/cni/net.d", "/etc/hosts",
		"/etc/haproxy", "/etc/keepalived", "/etc/kube-lb",
		// k3s and RKE2: without the server's token their data cannot be opened.
		"/etc/rancher", "/var/lib/rancher/k3s/server/token", "/var/lib/rancher/k3s/server/tls", "/var/lib/rancher/k3s/server/cred",
		"/var/lib/rancher/rke2/server/token", "/var/lib/rancher/rke2/server/tls", "/var/lib/rancher/rke2/server/cred",
		"/etc/k0s", "/var/lib/k0s/pki",
	}
	for _, dir := range []string{"/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"} {
		for _, u := range units {
			list = append(list, dir+u+".service", dir+u+".service.d")
		}
		for _, u := range own {
			u = strings.TrimSuffix(u, ".service") + ".service"
			list = append(list, dir+u, dir+u+".d")
		}
	}
	return list
}

// collector gathers one machine's files.
type collector struct {
	o     Options
	host  Host
	seen  map[string]bool
	bytes int64

	reference, mustBe *regexp.Regexp
}

// Collect reads what belongs to the control plane on this machine. What cannot
// be read is named, never an error.
func Collect(o Options) Host {
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	c := &collector{o: o, seen: map[string]bool{}, reference: regexp.MustCompile(reference), mustBe: regexp.MustCompile(mustBe), host: Host{Name: o.Host, Hostname: name, OS: runtime.GOOS + "/" + runtime.GOARCH, Files: []File{}}}
	for _, p := range append(places(o.Units), o.Files...) {
		matches, err := filepath.Glob(c.at(p))
		if err != nil || (len(matches) == 0 && slices.Contains(o.Files, p)) {
			c.miss(p, "it does not exist")
		}
		for _, m := range matches {
			c.walk(m)
		}
	}
	for _, command := range o.Commands {
		c.follow("salvor.yaml", command)
	}
	for hop, from := 0, 0; hop < maxHops && from < len(c.host.Files); hop++ {
		to := len(c.host.Files)
		for _, f := range c.host.Files[from:to] {
			if names(f) {
				c.follow(f.Path, string(f.Data))
			}
		}
		from = to
	}
	c.images()
	sort.Slice(c.host.Files, func(i, j int) bool { return c.host.Files[i].Path < c.host.Files[j].Path })
	return c.host
}

func (c *collector) at(p string) string { return filepath.Join(c.o.Root, p) }

func (c *collector) path(full string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(full, c.o.Root), "/")
}

// walk takes a file, or a folder with all below it.
func (c *collector) walk(full string) {
	_ = filepath.WalkDir(full, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			c.miss(c.path(p), reason(err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if name := d.Name(); name == "tmp" || name == ".git" { // kubeadm keeps old data dirs in tmp
				return fs.SkipDir
			}
			return nil
		}
		c.take(p, d)
		return nil
	})
}

// take reads one file.
func (c *collector) take(full string, d fs.DirEntry) {
	p := c.path(full)
	if c.seen[p] {
		return
	}
	c.seen[p] = true
	info, err := d.Info()
	if err != nil {
		c.miss(p, reason(err))
		return
	}
	f := File{Path: p, Mode: info.Mode().Perm(), Modified: info.ModTime().UTC()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = int(st.Uid), int(st.Gid)
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		c.link(full, f)
		return
	case !info.Mode().IsRegular():
		return
	case info.Size() > maxFile || c.bytes+info.Size() > maxAll:
		c.host.Missing = append(c.host.Missing, note(MissingTooLarge, "host", c.o.Host, "path", p))
		return
	}
	if f.Data, err = os.ReadFile(full); err != nil {
		c.miss(p, reason(err))
		return
	}
	c.bytes += int64(len(f.Data))
	c.host.Files = append(c.host.Files, f)
}

// link notes where a link leads, and takes what it leads to.
func (c *collector) link(full string, f File) {
	to, err := os.Readlink(full)
	if err != nil {
		c.miss(f.Path, reason(err))
		return
	}
	f.Link = to
	c.host.Files = append(c.host.Files, f)
	if to == "/dev/null" { // a masked unit
		return
	}
	if !path.IsAbs(to) {
		to = path.Join(path.Dir(f.Path), to)
	}
	if info, err := os.Lstat(c.at(to)); err != nil {
		c.miss(f.Path, "it is a link to "+to+", which cannot be read")
	} else if !info.IsDir() {
		c.take(c.at(to), fs.FileInfoToDirEntry(info))
	}
}

func (c *collector) miss(p, why string) {
	for _, n := range c.host.Missing {
		if n.Args["path"] == p {
			return
		}
	}
	c.host.Missing = append(c.host.Missing, note(MissingFile, "host", c.o.Host, "path", p, "why", why))
}

func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "it may not be read: run as root"
	}
	return err.Error()
}

// names tells whether a file's text names others that belong to it.
func names(f File) bool {
	if f.Link != "" || len(f.Data) > 256<<10 {
		return false
	}
	switch path.Ext(f.Path) {
	case ".yaml", ".yml", ".conf", ".env", ".service", ".json", ".toml", ".kubeconfig", ".config":
		return true
	}
	return strings.Contains(f.Path, "/default/") || strings.Contains(f.Path, "/sysconfig/")
}

// reference is an absolute path behind a flag, a YAML field or a variable.
const reference = `(?m)(?:--)?([A-Za-z][A-Za-z0-9_.-]*)[=:]\s*["']?(/[A-Za-z0-9._@+/-]+)`

// mustBe are the words before it that say that such a file has to be there.
const mustBe = `(?i)(cert|key|ca|authority)[-_]?file$|-config$|^kubeconfig$|kubeconfig$|^(client-certificate|client-key|certificate-authority|config-file)$|[-_](certfile|keyfile|cafile)$|-policy-file$|-config-file$|clientCAFile$|EnvironmentFile$`

// follow takes the files that a text names.
func (c *collector) follow(from, text string) {
	for _, m := range c.reference.FindAllStringSubmatch(text, -1) {
		word, p := m[1], path.Clean(m[2])
		must := c.mustBe.MatchString(word) && !strings.Contains(word, "bootstrap") // that one is gone after a join
		if !must && !belongs(p) || strings.HasPrefix(p, "/proc/") || strings.HasPrefix(p, "/dev/") || c.seen[p] {
			continue
		}
		info, err := os.Stat(c.at(p))
		switch {
		case err != nil && must:
			c.miss(p, reason(err)+", and "+from+" names it ("+word+")")
		case err == nil && info.Mode().IsRegular():
			c.walk(c.at(p))
		}
	}
}

// belongs tells by its name whether a file that is merely mentioned is taken.
func belongs(p string) bool {
	switch path.Ext(p) {
	case ".crt", ".key", ".pem", ".pub", ".kubeconfig":
		return true
	case ".yaml", ".yml", ".conf", ".env", ".json":
		return strings.HasPrefix(p, "/etc/")
	}
	return false
}

// images lists what static pods run.
func (c *collector) images() {
	image := regexp.MustCompile(`(?m)^\s*-?\s*image:\s*["']?([^\s"'#]+)`)
	for _, f := range c.host.Files {
		if path.Ext(f.Path) != ".yaml" || !strings.Contains(f.Path, "/manifests/") {
			continue
		}
		for _, m := range image.FindAllSubmatch(f.Data, -1) {
			if !slices.Contains(c.host.Images, string(m[1])) {
				c.host.Images = append(c.host.Images, string(m[1]))
			}
		}
	}
	sort.Strings(c.host.Images)
}
