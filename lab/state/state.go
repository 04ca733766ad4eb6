// Package state remembers what a lab consists of and what was broken in it, in
// a folder outside the tree.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
)

// DirEnv names the environment variable that puts the lab into another folder.
const DirEnv = "SALVOR_LAB_DIR"

// Dir is the lab's folder.
func Dir() string {
	if dir := os.Getenv(DirEnv); dir != "" {
		return dir
	}
	return "/var/lib/salvor-lab"
}

// Lab is what runs.
type Lab struct {
	Layout     string            `json:"layout"`
	Kubernetes string            `json:"kubernetes"`
	Etcd       string            `json:"etcd"`
	Made       time.Time         `json:"made"`
	Complete   bool              `json:"complete"` // up came to its end
	Machines   []machine.Machine `json:"machines"`
	Faults     []Applied         `json:"faults,omitempty"`
}

// Applied is a fault that was not healed yet.
type Applied struct {
	Fault string            `json:"fault"`
	Host  string            `json:"host"`
	At    time.Time         `json:"at"`
	Notes map[string]string `json:"notes,omitempty"` // what healing needs to know
}

// ErrNone means that there is no lab.
var ErrNone = errors.New("there is no lab: run \"go run ./lab up\"")

// Site is the lab's folder of machines.
func Site() machine.Site { return machine.Site{Dir: Dir()} }

// Kubeconfig is the operator's, through the load balancer.
func Kubeconfig() string { return filepath.Join(Dir(), "admin.conf") }

// Load reads the lab; ErrNone if there is none.
func Load() (*Lab, error) {
	data, err := os.ReadFile(filepath.Join(Dir(), "lab.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	var lab Lab
	if err := json.Unmarshal(data, &lab); err != nil {
		return nil, fmt.Errorf("read the lab's state: %w (\"go run ./lab down\" cleans up without it)", err)
	}
	return &lab, nil
}

// Save writes the lab's state, whole or not at all.
func (l *Lab) Save() error {
	if err := os.MkdirAll(Dir(), 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(Dir(), "lab.json")
	if err := os.WriteFile(path+".part", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// Lock lets one command at a time change the lab.
func Lock() (unlock func(), err error) {
	path := Dir() + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock the lab: another command is changing it: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// Find gives a machine by its name or address.
func (l *Lab) Find(name string) (machine.Machine, error) {
	for _, m := range l.Machines {
		if m.Name == name || m.Addr == name {
			return m, nil
		}
	}
	return machine.Machine{}, fmt.Errorf("the lab has no machine %q", name)
}

// ControlPlanes are the machines that run etcd and the API servers.
func (l *Lab) ControlPlanes() []machine.Machine {
	var all []machine.Machine
	for _, m := range l.Machines {
		if m.Role == machine.ControlPlane {
			all = append(all, m)
		}
	}
	return all
}
