package observe

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/cluster"
)

// ticks is how many a second the kernel counts in what it tells programs
// (USER_HZ, 100 on every platform that Linux runs on).
const ticks = 100

// neighbourTable reads the kernel's neighbour table over netlink: unlike
// /proc/net/arp it tells whether an entry is valid now, and since when, and has
// IPv6 (rtnetlink(7); linux/neighbour.h: struct ndmsg, nda_cacheinfo).
func neighbourTable() ([]cluster.Neighbour, error) {
	b, err := syscall.NetlinkRIB(syscall.RTM_GETNEIGH, syscall.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("read neighbour table", err)
	}
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, os.NewSyscallError("read neighbour table", err)
	}
	devices := map[int]string{}
	if all, err := net.Interfaces(); err == nil {
		for _, i := range all {
			devices[i.Index] = i.Name
		}
	}
	var out []cluster.Neighbour
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWNEIGH {
			continue
		}
		if n, index, ok := parseNeighbour(m.Data); ok {
			if n.Device = devices[index]; n.Device == "" {
				n.Device = fmt.Sprint(index)
			}
			out = append(out, n)
		}
	}
	return out, nil
}

// parseNeighbour reads one entry: struct ndmsg and its attributes. Entries that
// were never answered, have failed, or have no hardware address are left out.
func parseNeighbour(b []byte) (n cluster.Neighbour, index int, ok bool) {
	if len(b) < unix.SizeofNdMsg {
		return n, 0, false
	}
	index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	state := binary.NativeEndian.Uint16(b[8:])
	const valid = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT
	if state&valid == 0 {
		return n, 0, false
	}
	n.Confirmed = state&unix.NUD_REACHABLE != 0
	for rest := b[unix.SizeofNdMsg:]; len(rest) >= unix.SizeofRtAttr; {
		size, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
		if size < unix.SizeofRtAttr || size > len(rest) {
			break
		}
		switch value := rest[unix.SizeofRtAttr:size]; kind {
		case unix.NDA_DST:
			if a, valid := netip.AddrFromSlice(value); valid {
				n.Address = a.Unmap().String()
			}
		case unix.NDA_LLADDR:
			n.Hardware = net.HardwareAddr(value).String()
		case unix.NDA_CACHEINFO:
			if len(value) >= 4 {
				n.Seconds = float64(binary.NativeEndian.Uint32(value)) / ticks
			}
		}
		rest = rest[min(len(rest), (size+3)&^3):]
	}
	return n, index, n.Address != "" && n.Hardware != "" && n.Hardware != "00:00:00:00:00:00"
}
