package observe

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// device is a network interface with its addresses.
type device struct {
	name string
	// mute devices ask nobody for addresses and answer nobody: loopback, and those
	// with IFF_NOARP (netdevice(7)), such as kube-ipvs0.
	mute bool
	own  []*net.IPNet
	// ignores tells a device that answers for its own addresses alone (arp_ignore
	// of the kernel's Documentation/networking/ip-sysctl.rst).
	ignores bool
}

// ownAddresses gives a machine's addresses, and those of them for which it does not
// answer its neighbours: they are on a mute device, and no other device of the
// machine would speak for them. With BGP, IPVS or direct routing many machines have
// the same.
func ownAddresses(devices []device) (all, quiet []string) {
	all = []string{}
	for _, d := range devices {
		for _, ip := range d.own {
			a := ip.IP.String()
			if ip.IP.IsLoopback() || slices.Contains(all, a) {
				continue
			}
			all = append(all, a)
			if d.mute && !slices.ContainsFunc(devices, func(o device) bool { return o.speaksFor(ip.IP) }) {
				quiet = append(quiet, a)
			}
		}
	}
	return all, quiet
}

// speaksFor tells a device whose neighbours take an address for one of their own
// network, and which answers them whatever device the address is on.
func (d device) speaksFor(ip net.IP) bool {
	return !d.mute && !d.ignores && slices.ContainsFunc(d.own, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// devices are the machine's own.
func devices() ([]device, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	ignoresAll := setting("/proc/sys/net/ipv4/conf/all/arp_ignore") > 0
	var out []device
	for _, i := range list {
		d := device{name: i.Name, mute: i.Flags&net.FlagLoopback != 0 || setting(filepath.Join("/sys/class/net", i.Name, "flags"))&0x80 != 0,
			ignores: ignoresAll || setting(filepath.Join("/proc/sys/net/ipv4/conf", i.Name, "arp_ignore")) > 0}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok {
				d.own = append(d.own, ip)
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// setting reads a number of the kernel's; 0 when it cannot be read.
func setting(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 0, 64)
	return n
}

// addresses are the machine's own, and those of them that are quiet.
func (m machine) addresses() (cluster.Known[[]string], []string) {
	list, err := devices()
	if err != nil {
		return cluster.Unknown[[]string]("%v", err), nil
	}
	all, quiet := ownAddresses(list)
	return cluster.Is(all), quiet
}
