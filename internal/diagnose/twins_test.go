package diagnose_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/diagnose/stories"
)

// TestAnAddressForAll: what all masters have on a device that answers no neighbour,
// as kube-vip with BGP and IPVS have it, is no address on two hosts.
func TestAnAddressForAll(t *testing.T) {
	const address = "10.0.0.100"
	for _, quiet := range []bool{false, true} {
		w := stories.Control()
		for _, n := range []string{"m1", "m2", "m3"} {
			w.Node(n).Addresses.Value = append(slices.Clone(w.Node(n).Addresses.Value), address)
			if quiet {
				w.Node(n).Quiet = []string{address}
			}
		}
		d := diagnose.Diagnose(w.Facts)
		if f, found := find(d, diagnose.AddressOnTwoHosts); found == quiet {
			t.Errorf("quiet %t: %s: %v", quiet, d.Scenario, f.Evidence)
		}
	}
}

// TestTwinOutOfReach: an address that one host has, and at which others are
// answered by the hardware of a host that cannot be reached, is on both. What may
// be explained otherwise is no twin.
func TestTwinOutOfReach(t *testing.T) {
	const (
		address = "10.0.0.100"
		third   = "02:00:00:00:00:03"
	)
	world := func() *stories.World {
		w := stories.Control()
		w.Facts.Config.Hosts[2].Address = "root@10.0.0.3"
		for i, n := range []string{"m1", "m2"} { // m2 is its holder
			w.Neighbour(n, address).Hardware = third
			w.Facts.Hosts[i].Node.Addresses.Value = append([]string{}, w.Facts.Hosts[i].Node.Addresses.Value...)
		}
		w.Node("m2").Addresses.Value = append(w.Node("m2").Addresses.Value, address)
		w.Facts.Hosts[2] = cluster.HostFacts{Name: "hm3", Reached: cluster.Unknown[cluster.HostInfo]("no route to host")}
		return w
	}
	for name, x := range map[string]struct {
		change func(*stories.World)
		want   diagnose.Confidence
		says   string
	}{
		"held by both": {func(*stories.World) {}, diagnose.Likely, "[hm2 hm3]"},
		"a machine not known": {func(w *stories.World) {
			w.Neighbour("m1", "10.0.0.3").Hardware, w.Neighbour("m2", "10.0.0.3").Hardware = "02:00:00:00:00:44", "02:00:00:00:00:44"
		}, diagnose.Possible, "[hm2 " + third + "]"},
		"of a while ago":       {func(w *stories.World) { w.Neighbour("m1", address).Seconds = 20 }, "", ""},
		"not confirmed":        {func(w *stories.World) { w.Neighbour("m1", address).Confirmed = false }, "", ""},
		"the holder's own":     {func(w *stories.World) { w.Neighbour("m1", address).Hardware = "02:00:00:00:00:02" }, "", ""},
		"a second card of it":  {func(w *stories.World) { w.Node("m2").Hardware.Value = append(w.Node("m2").Hardware.Value, third) }, "", ""},
		"its own not known":    {func(w *stories.World) { w.Node("m2").Hardware = cluster.Unknown[[]string]("no netlink") }, "", ""},
		"a router for all":     {func(w *stories.World) { w.Neighbour("m1", "10.0.0.2").Hardware = third }, "", ""},
		"on another device":    {func(w *stories.World) { w.Neighbour("m1", address).Device = "eth1" }, "", ""},
		"nobody else has it":   {func(w *stories.World) { w.Node("m2").Addresses.Value = []string{"10.0.0.2"} }, "", ""},
		"not one for clients":  {func(w *stories.World) { w.Neighbour("m1", address).Address = "10.0.0.50" }, "", ""},
		"seen by its holder":   {func(w *stories.World) { w.Node("m1").Neighbours.Value = nil }, "", ""},
		"the table not read":   {func(w *stories.World) { w.Node("m1").Neighbours = cluster.Unknown[[]cluster.Neighbour]("denied") }, "", ""},
		"the observer unasked": {func(w *stories.World) { w.Node("m1").Addresses = cluster.Unknown[[]string]("denied") }, "", ""},
	} {
		w := world()
		x.change(w)
		f, found := find(diagnose.Diagnose(w.Facts), diagnose.AddressOnTwoHosts)
		switch {
		case found != (x.want != ""):
			t.Errorf("%s: found %t: %v", name, found, f.Evidence)
		case found && (f.Confidence != x.want || len(f.Against) == 0 || !strings.Contains(f.Text.String(), x.says)):
			t.Errorf("%s: %s, %q, against %q", name, f.Confidence, f.Text.String(), f.Against)
		}
	}
}
