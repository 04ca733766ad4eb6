package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/cri"
)

// Component is one process of a control plane on this machine that can be held
// back and let go: a static pod or a systemd unit.
type Component struct {
	// Name is what people read: "kube-apiserver of cp-1".
	Name string
	// Program is the process's name.
	Program string
	Run     cluster.Component
	Node    cluster.Node
	// URLs are where it accepts connections while it runs.
	URLs []string
	// Member is the etcd member that it is, nil for Kubernetes's own.
	Member *cluster.Member
}

// OfNode describes a node's component.
func OfNode(n cluster.Node, r cluster.Role) Component {
	c := Component{Name: string(r) + " of " + n.Host, Program: string(r), Run: n.Component(r), Node: n}
	if r == cluster.RoleAPIServer && n.API != "" {
		c.URLs = []string{n.API}
	}
	return c
}

// OfMember describes an etcd member that is a static pod.
func OfMember(m cluster.Member, n cluster.Node) Component {
	return Component{Name: "etcd member " + m.Name, Program: "etcd", Run: cluster.Component{StaticPod: m.Run.StaticPod}, Node: n,
		URLs: append(append([]string{}, m.ClientURLs...), m.PeerURLs...), Member: &m}
}

// process finds the component's process, whoever started it. A process of the
// same program in a network of its own is somebody else's: a second scheduler, or
// the API server of a cluster that runs inside this one.
func (c Component) process() (cluster.ProcessFacts, error) {
	if c.Member != nil {
		return find(*c.Member)
	}
	table, err := processes()
	if err != nil {
		return cluster.ProcessFacts{}, fmt.Errorf("find process of %s: %w", c.Name, err)
	}
	var named []process
	for _, p := range table {
		if len(p.command) > 0 && filepath.Base(p.command[0]) == c.Program && onHostNetwork(p.pid) {
			named = append(named, p)
		}
	}
	own := c.command()
	if exact := slices.DeleteFunc(slices.Clone(named), func(p process) bool { return !slices.Equal(p.command, own) }); len(exact) > 0 {
		named = exact
	}
	if len(named) == 0 {
		return cluster.ProcessFacts{}, nil
	}
	return cluster.ProcessFacts{Running: true, PID: named[0].pid, Since: named[0].since, Command: named[0].command}, nil
}

// command is what the manifest says that the process is called: another
// cluster's, in containers of its own, may run on this machine, too.
func (c Component) command() []string {
	if c.Run.StaticPod == "" {
		return nil
	}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		return nil
	}
	for _, path := range []string{s.live(), s.parked()} {
		if b, err := readManifest(path); err == nil {
			return commandOf(b)
		}
	}
	return nil
}

// pod is the component's pod as the container runtime knows it. The name is
// the manifest's, wherever that lies; a manifest that cannot be read leaves the
// program's name, which kubeadm and kubespray use.
func (c Component) pod(s shelf) cri.Pod {
	p := c.podName(s)
	return cri.Pod{Namespace: p.namespace, Name: p.name + "-" + strings.ToLower(c.Node.NodeName())}
}

func (c Component) podName(s shelf) podName {
	for _, path := range []string{s.live(), s.parked()} {
		if b, err := readManifest(path); err == nil {
			if p, err := namePod(b); err == nil {
				return p
			}
		}
	}
	return podName{"kube-system", c.Program}
}

// Place is where a component's manifest lies.
type Place string

// The places of a manifest.
const (
	// PlaceLive: in the kubelet's folder.
	PlaceLive Place = "live"
	// PlaceParked: taken out of it, by this program.
	PlaceParked Place = "parked"
	// PlaceNone: in neither; it was never there, or somebody deleted it.
	PlaceNone Place = "none"
	// PlaceUnit: it is a systemd unit, and has none.
	PlaceUnit Place = "unit"
	// PlaceFenced: it is a systemd unit that this program keeps from being started.
	PlaceFenced Place = "fenced"
)

// Place tells where the manifest lies.
func (c Component) Place() (Place, error) {
	if c.Run.StaticPod == "" {
		if fenced(c.Run.Systemd) != "" {
			return PlaceFenced, nil
		}
		return PlaceUnit, nil
	}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		return "", err
	}
	switch {
	case exists(s.live()):
		return PlaceLive, nil
	case exists(s.parked()):
		return PlaceParked, nil
	}
	return PlaceNone, nil
}

// Traces are what there is of a component on its machine.
type Traces struct {
	Process cluster.ProcessFacts
	// Port is an address that accepts connections although it ought not to.
	Port string
	// Sandbox tells that the runtime has a container or a ready sandbox of it.
	Sandbox cluster.Known[bool]
	// Unit is the state of its systemd unit.
	Unit string
}

// Gone tells that nothing is left of the component. A runtime that does not
// answer proves nothing: then process and port decide.
func (t Traces) Gone() bool {
	return !t.Process.Running && t.Port == "" && !t.Sandbox.Value && t.Unit != "active" && t.Unit != "activating"
}

func (t Traces) String() string {
	var left []string
	if t.Process.Running {
		left = append(left, fmt.Sprintf("process %d runs", t.Process.PID))
	}
	if t.Port != "" {
		left = append(left, t.Port+" accepts connections")
	}
	if t.Sandbox.Value {
		left = append(left, "the container runtime still has its sandbox")
	}
	if t.Unit == "active" || t.Unit == "activating" {
		left = append(left, "its unit is "+t.Unit)
	}
	if len(left) == 0 {
		return "nothing is left of it"
	}
	return strings.Join(left, ", ")
}

// Traces looks for what there is of the component; it changes nothing.
func (c Component) Traces(ctx context.Context) (Traces, error) {
	var t Traces
	var err error
	if t.Process, err = c.process(); err != nil {
		return t, err
	}
	if port := listens(ctx, c.URLs); port != "" {
		t.Port = port
	}
	if c.Run.StaticPod == "" {
		u, err := show(ctx, c.Run.Systemd)
		t.Unit = u.active
		return t, err
	}
	s, err := newShelf(c.Run.StaticPod)
	if err != nil {
		return t, err
	}
	t.Sandbox = sandboxOf(ctx, c.Node.Socket(), c.pod(s))
	if t.Sandbox.OK && !t.Sandbox.Value && c.Member == nil {
		// The runtime knows what it runs. A process of that name is another
		// cluster's; the port tells of an API server that nobody looks after.
		t.Process = cluster.ProcessFacts{}
	}
	return t, nil
}

func sandboxOf(ctx context.Context, socket string, p cri.Pod) cluster.Known[bool] {
	runtime, err := cri.Dial(ctx, socket)
	if err != nil {
		return cluster.Unknown[bool]("%v", err)
	}
	defer runtime.Close()
	return cluster.From(runtime.Runs(ctx, p))
}

// listens gives the first of the URLs' addresses that accepts a connection.
func listens(ctx context.Context, urls []string) string {
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			continue
		}
		address := u.Host
		if u.Port() == "" {
			address = net.JoinHostPort(u.Hostname(), "443")
		}
		dialer := net.Dialer{Timeout: time.Second}
		if conn, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
	}
	return ""
}

// ErrNoManifest is returned where neither the kubelet's folder nor the one
// beside it holds the manifest of what is to be started.
var ErrNoManifest = errors.New("its manifest is nowhere")
