package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
)

// seenNow is how long ago, in seconds, a neighbour may have proved its address and
// still be held for its holder: Salvor's own probes make it prove it.
const seenNow = 5.0

// findTwins finds an address that two hosts have: a virtual address with two
// masters. Addresses of a host's own bridges are no one's business. A machine that
// cannot be reached has it, too, where others are answered by its hardware.
func findTwins(v view) []sighting {
	var order []string
	consider := func(a string) {
		if !slices.Contains(order, a) && v.isEndpoint(a) {
			order = append(order, a)
		}
	}
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK {
			continue
		}
		for _, a := range h.Node.Addresses.Value {
			consider(a)
		}
	}
	for _, h := range v.facts.Hosts {
		for _, n := range h.Node.Neighbours.Value {
			consider(n.Address)
		}
	}
	var out []sighting
	for _, a := range order {
		names, evidence := v.holders(a), []string{}
		if len(names) > 0 {
			evidence = append(evidence, fmt.Sprintf("%s is an address of %v", a, names))
		}
		for _, c := range v.claims(a, names) {
			if !slices.Contains(names, c.name) {
				names = append(slices.Clip(names), c.name)
			}
			evidence = append(evidence, c.line)
		}
		if len(names) > 1 {
			out = append(out, sighting{a, []any{fmt.Sprint(names)}, evidence})
		}
	}
	return out
}

// claim is hardware that answers for an address and is of no reached host: the name
// of a host that is not reached or, of an unknown machine, the hardware's address.
type claim struct{ name, line string }

// claims are those that answered for an address a moment ago. The hardware of a
// reached host is none: that host says itself what it has. What an observer sees
// counts where it sees others as they are, and not a router that answers for all.
func (v view) claims(address string, holders []string) []claim {
	var out []claim
	for _, h := range v.facts.Hosts {
		if !h.Reached.OK || !h.Node.Addresses.OK || slices.Contains(holders, h.Name) {
			continue
		}
		for _, n := range h.Node.Neighbours.Value {
			if n.Address != address || !n.Confirmed || n.Seconds > seenNow || !v.seesTrue(h, n.Device) || v.hardwareKnown(n.Hardware, holders) {
				continue
			}
			name := n.Hardware
			if away, ok := v.unreachedWith(n.Hardware); ok {
				name = away
			}
			out = append(out, claim{name, fmt.Sprintf("%s reaches %s at the hardware %s (%s), proved %.1f s before", h.Name, address, n.Hardware, n.Device, n.Seconds)})
		}
	}
	return out
}

// hardwareKnown tells hardware that certainly is, or may be, of a reached host: of a
// holder whose own is not known, nothing is certain.
func (v view) hardwareKnown(hardware string, holders []string) bool {
	return slices.ContainsFunc(v.facts.Hosts, func(h cluster.HostFacts) bool {
		own := h.Node.Hardware
		return h.Reached.OK && slices.Contains(own.Value, hardware) || h.Reached.OK && !own.OK && (len(holders) == 0 || slices.Contains(holders, h.Name))
	})
}

// seesTrue tells that a host sees another at that one's own hardware over a device:
// there nobody answers in the place of all.
func (v view) seesTrue(h cluster.HostFacts, device string) bool {
	return slices.ContainsFunc(h.Node.Neighbours.Value, func(n cluster.Neighbour) bool {
		return n.Device == device && slices.ContainsFunc(v.facts.Hosts, func(o cluster.HostFacts) bool {
			return o.Name != h.Name && o.Reached.OK && slices.Contains(o.Node.Addresses.Value, n.Address) && slices.Contains(o.Node.Hardware.Value, n.Hardware)
		})
	})
}

// unreachedWith is the host out of reach at whose own address others see the
// hardware.
func (v view) unreachedWith(hardware string) (string, bool) {
	for _, h := range v.facts.Hosts {
		if h.Reached.OK {
			continue
		}
		own := v.addressesFor(h.Name)
		for _, o := range v.facts.Hosts {
			for _, n := range o.Node.Neighbours.Value {
				if n.Hardware == hardware && slices.Contains(own, n.Address) {
					return h.Name, true
				}
			}
		}
	}
	return "", false
}

// addressesFor are the addresses by which the configuration names a host.
func (v view) addressesFor(host string) []string {
	var out []string
	if h, ok := v.facts.Config.Host(host); ok {
		if a, err := cluster.ParseSSHAddress(h.Address); err == nil {
			out = append(out, a.Host)
		}
	}
	for _, m := range v.facts.Config.Members {
		if m.Host == host {
			for _, u := range slices.Concat(m.PeerURLs, m.ClientURLs) {
				out = append(out, urlHost(u))
			}
		}
	}
	if n, ok := v.facts.Config.Node(host); ok {
		out = append(out, urlHost(n.API))
	}
	return slices.DeleteFunc(out, func(a string) bool { return a == "" || loopback(a) })
}

// rateTwins is certain of what two hosts say of themselves. What others see of a
// third may be an address that has just moved.
func rateTwins(v view, s sighting) (Confidence, []string) {
	if n := len(v.holders(s.subject)); n > 1 {
		return Certain, nil
	}
	against := []string{"an address that moved to another machine within the last seconds looks the same: look again in a minute"}
	for _, c := range v.claims(s.subject, v.holders(s.subject)) {
		if strings.Contains(c.name, ":") {
			return Possible, append(against, "whose hardware "+c.name+" is, is not known")
		}
	}
	return Likely, against
}

// holders are the reached hosts that have an address and answer for it.
func (v view) holders(address string) []string {
	var out []string
	for _, h := range v.facts.Hosts {
		if h.Reached.OK && slices.Contains(h.Node.Addresses.Value, address) && !slices.Contains(h.Node.Quiet, address) {
			out = append(out, h.Name)
		}
	}
	return out
}
