// Package fault breaks a lab in the ways that real clusters break. Each fault
// is in a file of its own.
package fault

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
)

// Fault is one way to break a machine.
type Fault struct {
	Name string
	What string   // what it does, one line
	Keys []Key    // what may be chosen
	Site bool     // it needs no machine: it breaks what all share
	Lost string   // why it cannot be healed; "" if it can
	Do   Doer     // breaks
	Heal HealFunc // undoes it; nil if Lost
}

// Key is a choice with its default.
type Key struct{ Name, Default, What string }

// Doer breaks one machine and tells what healing needs to know.
type Doer func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error)

// HealFunc undoes what a Doer did.
type HealFunc func(ctx context.Context, s *Scene, m machine.Machine, notes map[string]string) error

// Scene is what a fault works on.
type Scene struct {
	Site  machine.Site
	Lab   *state.Lab
	Named []machine.Machine // all machines that are to be broken
	Keys  map[string]string // choices, with defaults filled in
}

// All is the registry, in the order in which it is listed.
func All() []Fault {
	return []Fault{
		wipeDataDir(), powerCut(), partition(), freeze(), stopUnit(), maskUnit(),
		tearWAL(), flipWAL(), flipDB(), truncateDB(), fillDisk(), readOnly(), expireCerts(),
		swapKeys(), loseEncryptionKey(), raiseAlarm(), refuseKubelet(),
		cutVIP(), breakManifest(), deleteManifest(), backupManifest(), badFlag(), corruptContainerd(), removeImage(),
		misleadBalancer(), takeAddress(), removeFile(), trustOther(), changeKey(), takeRights(), badSetting(), hideDataDir(),
	}
}

// Find gives the fault of that name, or of which it is the beginning.
func Find(name string) (Fault, error) {
	var found []Fault
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
		if strings.HasPrefix(f.Name, name) {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		return Fault{}, fmt.Errorf("no fault %q, or more than one: see \"break --list\"", name)
	}
	return found[0], nil
}

// Choose checks choices of the form KEY=VALUE and fills in the defaults.
func (f Fault) Choose(lab *state.Lab, words []string) (map[string]string, error) {
	chosen := map[string]string{}
	for _, k := range f.Keys {
		chosen[k.Name] = k.Default
		if k.Name == "unit" && lab.Layout == "external" && k.Default == "" {
			chosen[k.Name] = "etcd"
		} else if k.Name == "unit" && k.Default == "" {
			chosen[k.Name] = "kubelet"
		}
	}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if _, ok := chosen[name]; !ok {
			return nil, fmt.Errorf("%s has no choice %q: see \"break --list\"", f.Name, name)
		}
		chosen[name] = value
	}
	return chosen, nil
}

// etcdDir is etcd's data directory in both layouts.
const etcdDir = "/var/lib/etcd"

// root is the path of a machine's file on this box.
func (s *Scene) root(m machine.Machine, path string) string {
	return filepath.Join(s.Site.Root(m), path)
}

// isNamed tells whether a machine is one of those to be broken.
func (s *Scene) isNamed(m machine.Machine) bool {
	return slices.ContainsFunc(s.Named, func(n machine.Machine) bool { return n.Name == m.Name })
}

// still runs do while no process of that name can act, and kills those
// processes afterwards: their supervisor starts them over what do left. On a
// machine without power only do is run.
func still(ctx context.Context, m machine.Machine, process string, do func() error) error {
	pid, err := machine.Init(ctx, m)
	if err != nil {
		return err
	}
	if pid == 0 {
		return do()
	}
	signal(ctx, m, "STOP", process)
	err = do()
	signal(ctx, m, "KILL", process)
	return err
}

// signal sends a signal to all processes of a name; it tells whether there
// were any.
func signal(ctx context.Context, m machine.Machine, signal, process string) bool {
	process = process[:min(len(process), 15)] // all that the kernel remembers of a name
	_, err := machine.Exec(ctx, m, "pkill", "-"+signal, "-x", process)
	return err == nil
}

// keep copies a machine's file to a place that heal finds, whose path it gives.
func (s *Scene) keep(m machine.Machine, path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	dir := s.Site.Kept(m)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+"-")
	if err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return "", err
	}
	return f.Name(), f.Close()
}

// giveBack puts a kept file back by rename.
func giveBack(kept, path string) error {
	data, err := os.ReadFile(kept)
	if err != nil {
		return err
	}
	return replace(path, data)
}

// replace writes a file by rename; the rest of it lies beside the folder, where
// no kubelet reads it.
func replace(path string, data []byte) error {
	part := filepath.Join(filepath.Dir(filepath.Dir(path)), "."+filepath.Base(path)+".lab")
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}
