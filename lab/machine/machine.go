// Package machine makes the lab's machines: each a Debian with its own systemd
// and sshd in a container of systemd-nspawn, on a disk and in a network of its
// own, that can lose its power and be switched on again.
package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// The roles of machines.
const (
	ControlPlane = "control-plane"
	Worker       = "worker"
)

// prefix marks everything on this box that belongs to the lab.
const prefix = "salvor-"

// Machine is one machine of the lab.
type Machine struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Index int    `json:"index"` // counts from 1; address and pod network follow from it
	Addr  string `json:"addr"`
}

// New describes machine number index.
func New(name, role string, index int) Machine {
	return Machine{Name: name, Role: role, Index: index, Addr: fmt.Sprintf("%s%d", network, 10+index)}
}

// Pods is the machine's pod network.
func (m Machine) Pods() string { return fmt.Sprintf("10.244.%d.0/24", m.Index) }

// namespace is the network namespace's name, and what systemd-nspawn calls
// the machine.
func (m Machine) namespace() string { return prefix + m.Name }

// Port is the machine's port on the lab's bridge.
func (m Machine) Port() string { return "sv-" + m.Name }

// Site is the folder where a lab's machines lie.
type Site struct{ Dir string }

func (s Site) folder(m Machine) string { return filepath.Join(s.Dir, "machines", m.Name) }

// Root is where the machine's root file system is mounted on this box.
func (s Site) Root(m Machine) string { return filepath.Join(s.folder(m), "root") }

// Disk is the mount point of the machine's disk: the writable layer of Root.
func (s Site) Disk(m Machine) string { return filepath.Join(s.folder(m), "disk") }

// Image is the file that holds the machine's disk.
func (s Site) Image(m Machine) string { return filepath.Join(s.folder(m), "disk.img") }

// Containerd is the folder that the machine sees as /var/lib/containerd.
func (s Site) Containerd(m Machine) string { return filepath.Join(s.folder(m), "containerd") }

// Console is the file that holds what the machine printed while it booted.
func (s Site) Console(m Machine) string { return filepath.Join(s.folder(m), "console.log") }

// Make creates a machine that is switched off: a disk of size bytes over the
// shared root, and its own copy of containerd's store.
func (s Site) Make(ctx context.Context, m Machine, root, store string, size int64) error {
	for _, dir := range []string{s.Root(m), s.Disk(m)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	disk, err := os.OpenFile(s.Image(m), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make disk of %s: %w", m.Name, err)
	}
	err = disk.Truncate(size)
	if cerr := disk.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("make disk of %s: %w", m.Name, err)
	}
	if err := proc.Run(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-L", m.Name, s.Image(m)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.folder(m), "base"), []byte(root), 0o600); err != nil {
		return err
	}
	if err := copyStore(ctx, store, s.Containerd(m)); err != nil {
		return fmt.Errorf("copy containerd's store for %s: %w", m.Name, err)
	}
	return s.Mount(ctx, m)
}

// copyStore links what never changes in a containerd store and copies its
// databases.
func copyStore(ctx context.Context, from, to string) error {
	if err := proc.Run(ctx, "cp", "-a", "--link", from, to); err != nil {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		return proc.Run(ctx, "cp", "-a", from, to) // another file system
	}
	return filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "snapshots" || d.Name() == "blobs"):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	})
}

// Mount mounts a machine's disk and root; it is no error that they are.
func (s Site) Mount(ctx context.Context, m Machine) error {
	mounted, err := mounts(s.folder(m))
	if err != nil {
		return err
	}
	has := strings.Join(mounted, "\n") + "\n"
	if !strings.Contains(has, s.Disk(m)+"\n") {
		// As distributions mount it: an error of the disk makes it read only.
		if err := proc.Run(ctx, "mount", "-o", "loop,errors=remount-ro", s.Image(m), s.Disk(m)); err != nil {
			return err
		}
	}
	if strings.Contains(has, s.Root(m)+"\n") {
		return nil
	}
	base, err := os.ReadFile(filepath.Join(s.folder(m), "base"))
	if err != nil {
		return err
	}
	upper, work := filepath.Join(s.Disk(m), "upper"), filepath.Join(s.Disk(m), "work")
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return proc.Run(ctx, "mount", "-t", "overlay", "-o", fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", base, upper, work), prefix+m.Name, s.Root(m))
}

// Unmount takes root and disk of a machine that is off away again.
func (s Site) Unmount(ctx context.Context, m Machine) error { return unmountBelow(ctx, s.folder(m)) }

// Write puts a file into a machine, running or not.
func (s Site) Write(m Machine, path, text string, mode os.FileMode) error {
	at := filepath.Join(s.Root(m), path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	part := at + ".part"
	if err := os.WriteFile(part, []byte(text), mode); err != nil {
		return err
	}
	if err := os.Chmod(part, mode); err != nil {
		return err
	}
	return os.Rename(part, at)
}

// Identify gives a machine its name, its neighbours' names, and a machine ID
// that stays.
func (s Site) Identify(m Machine, all []Machine, balancer string) error {
	sum := sha256.Sum256([]byte(prefix + m.Name))
	hosts := "127.0.0.1 localhost\n" + balancer + " lb\n"
	for _, other := range all {
		hosts += other.Addr + " " + other.Name + "\n"
	}
	routes := "#!/bin/sh\n"
	for _, other := range all {
		if other.Name != m.Name {
			routes += fmt.Sprintf("ip route replace %s via %s\n", other.Pods(), other.Addr)
		}
	}
	for _, f := range []struct {
		path, text string
		mode       os.FileMode
	}{
		{"etc/hostname", m.Name + "\n", 0o644},
		{"etc/hosts", hosts, 0o644},
		{"etc/machine-id", hex.EncodeToString(sum[:16]) + "\n", 0o444},
		{"etc/lab-routes", routes, 0o755},
		// The machines share this box's kernel: what it says of another one's
		// disk must not stand in the journal of all.
		{"etc/systemd/journald.conf.d/lab.conf", "[Journal]\nReadKMsg=no\n", 0o644},
	} {
		if err := s.Write(m, f.path, f.text, f.mode); err != nil {
			return fmt.Errorf("write %s of %s: %w", f.path, m.Name, err)
		}
	}
	return nil
}

// Kept is a folder on this box for what faults set aside of a machine.
func (s Site) Kept(m Machine) string { return filepath.Join(s.folder(m), "kept") }
