package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/proc"
)

// The lab's network. It exists only on this box: a bridge with a port for
// each machine, and no way out of it.
const (
	network = "10.77.0."
	bridge  = "salvor0"
	Gateway = network + "1"  // this box, where the operator sits
	Virtual = network + "10" // the load balancer
)

// Balancer is the load balancer's place in the network. It is no machine, only
// a network namespace.
func Balancer() Machine { return Machine{Name: "lb", Addr: Virtual} }

// Connect makes the bridge, and a network namespace on it for each machine.
func Connect(ctx context.Context, all []Machine) error {
	if _, err := os.Stat("/sys/class/net/" + bridge); err != nil {
		for _, args := range [][]string{
			{"link", "add", bridge, "type", "bridge"},
			{"addr", "add", Gateway + "/24", "dev", bridge},
			{"link", "set", bridge, "up"},
		} {
			if err := proc.Run(ctx, append([]string{"ip"}, args...)...); err != nil {
				return err
			}
		}
	}
	for _, m := range all {
		if err := connect(ctx, m); err != nil {
			return fmt.Errorf("connect %s: %w", m.Name, err)
		}
	}
	return nil
}

func connect(ctx context.Context, m Machine) error {
	if _, err := os.Stat(filepath.Join("/run/netns", m.namespace())); err == nil {
		return nil
	}
	ns := m.namespace()
	for _, args := range [][]string{
		{"netns", "add", ns},
		{"link", "add", m.Port(), "type", "veth", "peer", "name", "eth0", "netns", ns},
		{"link", "set", m.Port(), "master", bridge, "up"},
		{"-n", ns, "link", "set", "lo", "up"},
		{"-n", ns, "addr", "add", m.Addr + "/24", "dev", "eth0"},
		{"-n", ns, "link", "set", "eth0", "up"},
		{"-n", ns, "route", "add", "default", "via", Gateway},
	} {
		if err := proc.Run(ctx, append([]string{"ip"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// reconnect gives a machine that is off a fresh network: a real one forgets
// its addresses and rules with its power. Blocks stay: they are the bridge's.
func reconnect(ctx context.Context, m Machine) error {
	_ = proc.Run(ctx, "ip", "link", "delete", m.Port())
	if _, err := os.Stat(filepath.Join("/run/netns", m.namespace())); err == nil {
		if err := proc.Run(ctx, "ip", "netns", "delete", m.namespace()); err != nil {
			return err
		}
	}
	return connect(ctx, m)
}

// Inside is a command line that runs another in the machine's network. Unlike
// "ip netns exec" it makes no mount namespace, whose copies of the machines'
// mounts would keep their disks busy.
func Inside(m Machine, args ...string) []string {
	return append([]string{"nsenter", "--net=/run/netns/" + m.namespace()}, args...)
}

// Link switches a machine's port on the bridge on or off.
func Link(ctx context.Context, m Machine, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return proc.Run(ctx, "ip", "link", "set", m.Port(), state)
}

// Block drops what goes from one machine to another, in this direction only.
func Block(ctx context.Context, from, to Machine) error {
	rule := []string{"-i", from.Port(), "-o", to.Port(), "-j", "DROP"}
	_ = proc.Run(ctx, append([]string{"ebtables", "-D", "FORWARD"}, rule...)...) // never twice
	return proc.Run(ctx, append([]string{"ebtables", "-A", "FORWARD"}, rule...)...)
}

// Unblock takes a Block back; it is no error that there is none.
func Unblock(ctx context.Context, from, to Machine) {
	_ = proc.Run(ctx, "ebtables", "-D", "FORWARD", "-i", from.Port(), "-o", to.Port(), "-j", "DROP")
}

// disconnect removes all that Connect and Block made, of any lab.
func disconnect(ctx context.Context) error {
	if out, err := (proc.Cmd{Args: []string{"ebtables", "-L", "FORWARD"}}).Output(ctx); err == nil {
		for _, line := range strings.Split(string(out), "\n") {
			if fields := strings.Fields(line); strings.HasPrefix(line, "-i sv-") {
				_ = proc.Run(ctx, append([]string{"ebtables", "-D", "FORWARD"}, fields...)...)
			}
		}
	}
	spaces, err := namespaces(ctx)
	if err != nil {
		return err
	}
	for _, name := range spaces {
		if err := proc.Run(ctx, "ip", "netns", "delete", name); err != nil {
			return err
		}
	}
	ports, err := filepath.Glob("/sys/class/net/sv-*")
	if err != nil {
		return err
	}
	for _, port := range ports { // those without a peer; a deleted namespace takes its port along, a little later
		_ = proc.Run(ctx, "ip", "link", "delete", filepath.Base(port))
	}
	if _, err := os.Stat("/sys/class/net/" + bridge); err == nil {
		return proc.Run(ctx, "ip", "link", "delete", bridge)
	}
	return nil
}

// namespaces are the lab's network namespaces.
func namespaces(ctx context.Context) ([]string, error) {
	out, err := proc.Cmd{Args: []string{"ip", "-j", "netns", "list"}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	if len(strings.TrimSpace(string(out))) == 0 {
		return nil, nil
	}
	var all []struct{ Name string }
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("read list of network namespaces: %w", err)
	}
	var ours []string
	for _, ns := range all {
		if strings.HasPrefix(ns.Name, prefix) {
			ours = append(ours, ns.Name)
		}
	}
	return ours, nil
}
