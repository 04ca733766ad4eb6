package observe

import (
	"net"
	"slices"
	"testing"
)

// TestQuietAddresses: an address on lo or on a dummy device is everybody's only where
// the machine does not answer for it on the network that it is of.
func TestQuietAddresses(t *testing.T) {
	at := func(cidr string) *net.IPNet {
		ip, n, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: n.Mask}
	}
	lo := func(cidr string) device {
		return device{name: "lo", mute: true, own: []*net.IPNet{at("127.0.0.1/8"), at(cidr)}}
	}
	eth := device{name: "eth0", own: []*net.IPNet{at("10.0.0.1/24")}}
	strict := eth
	strict.ignores = true
	for _, c := range []struct {
		name    string
		devices []device
		quiet   []string
	}{
		{"of another network, for BGP", []device{lo("10.9.9.9/32"), eth}, []string{"10.9.9.9"}},
		{"of this network, and it answers", []device{lo("10.0.0.100/32"), eth}, nil},
		{"of this network, and it does not answer", []device{lo("10.0.0.100/32"), strict}, []string{"10.0.0.100"}},
		{"a real device's", []device{{name: "eth0", own: []*net.IPNet{at("10.0.0.1/24"), at("10.0.0.100/32")}}}, nil},
		{"a service's, of IPVS", []device{eth, {name: "kube-ipvs0", mute: true, own: []*net.IPNet{at("10.96.0.1/32")}}}, []string{"10.96.0.1"}},
	} {
		all, quiet := ownAddresses(c.devices)
		if !slices.Equal(quiet, c.quiet) || slices.Contains(all, "127.0.0.1") || !slices.Contains(all, "10.0.0.1") {
			t.Errorf("%s: %v, quiet %v", c.name, all, quiet)
		}
	}
}

// TestOwnDevices: this machine's own can be asked, and loopback is mute.
func TestOwnDevices(t *testing.T) {
	list, err := devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.name == "lo" && (!d.mute || len(d.own) == 0) {
			t.Errorf("%+v", d)
		}
	}
	if len(list) == 0 {
		t.Error("no device")
	}
}
