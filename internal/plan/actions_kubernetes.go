package plan

import (
	"strings"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/say"
)

// The kinds of actions on what stands on etcd.
const (
	KindFenceComponent   Kind = "fence-component"
	KindReleaseComponent Kind = "release-component"
	KindAwaitAPI         Kind = "await-api"
	KindRestartKubelet   Kind = "restart-kubelet"
	KindAwaitNodes       Kind = "await-nodes"
	KindAwaitBalancer    Kind = "await-balancer"
)

// FenceComponent stops a process of the control plane on the step's host and
// makes sure that nothing starts it again, not even a restart of the machine. It
// is done when process, port and sandbox are gone. Fencing what does not run is
// a success.
type FenceComponent struct {
	Role cluster.Role `json:"role"`
}

// ReleaseComponent lets a process of the control plane on the step's host run
// again and waits until it does. Releasing what runs is a success.
type ReleaseComponent struct {
	Role cluster.Role `json:"role"`
}

// AwaitAPI waits until the API server of the step's host says that it is
// ready.
type AwaitAPI struct {
	// Canary, when set, is the case whose name a small ConfigMap in kube-system
	// carries that is written through this API server, read back and removed
	// again: the proof that the API accepts writes.
	Canary string `json:"canary,omitempty"`
}

// RestartKubelet starts the kubelet of the step's host anew and waits until it
// is well; pods run on meanwhile.
type RestartKubelet struct{}

// AwaitNodes waits, through the API server of the step's host, until these
// nodes are Ready with leases that were renewed since, and until the endpoints
// of the service "kubernetes" lead to these API servers and nowhere that nobody
// answers. Nodes that were out of service long before are waited for only for a
// while.
type AwaitNodes struct {
	Nodes      []string `json:"nodes"`
	APIServers int      `json:"apiServers"`
	// URLs are those of the API servers; without them they are only counted.
	URLs []string `json:"urls,omitempty"`
}

// AwaitBalancer waits, from the step's host, until the load balancer answers
// and has led to every one of these API servers, which it is told by the
// certificates that they serve. Of one that ends TLS itself only the answer is
// wanted.
type AwaitBalancer struct {
	URL        string   `json:"url"`
	APIServers []string `json:"apiServers"`
}

// Kind implements Action.
func (FenceComponent) Kind() Kind { return KindFenceComponent }

// Risk implements Action.
func (FenceComponent) Risk() Risk { return RiskLow }

// Text implements Action.
func (a FenceComponent) Text() say.Text { return say.New("action."+string(a.Kind()), a.Role) }

func (FenceComponent) action() {}

// Kind implements Action.
func (ReleaseComponent) Kind() Kind { return KindReleaseComponent }

// Risk implements Action.
func (ReleaseComponent) Risk() Risk { return RiskLow }

// Text implements Action.
func (a ReleaseComponent) Text() say.Text { return say.New("action."+string(a.Kind()), a.Role) }

func (ReleaseComponent) action() {}

// Kind implements Action.
func (AwaitAPI) Kind() Kind { return KindAwaitAPI }

// Risk implements Action.
func (AwaitAPI) Risk() Risk { return RiskNone }

// Text implements Action.
func (a AwaitAPI) Text() say.Text {
	if a.Canary != "" {
		return say.New("action.await-api-write")
	}
	return say.New("action." + string(a.Kind()))
}

func (AwaitAPI) action() {}

// Kind implements Action.
func (RestartKubelet) Kind() Kind { return KindRestartKubelet }

// Risk implements Action.
func (RestartKubelet) Risk() Risk { return RiskLow }

// Text implements Action.
func (a RestartKubelet) Text() say.Text { return say.New("action." + string(a.Kind())) }

func (RestartKubelet) action() {}

// Kind implements Action.
func (AwaitNodes) Kind() Kind { return KindAwaitNodes }

// Risk implements Action.
func (AwaitNodes) Risk() Risk { return RiskNone }

// Text implements Action.
func (a AwaitNodes) Text() say.Text {
	return say.New("action."+string(a.Kind()), strings.Join(a.Nodes, ", "))
}

func (AwaitNodes) action() {}

// Kind implements Action.
func (AwaitBalancer) Kind() Kind { return KindAwaitBalancer }

// Risk implements Action.
func (AwaitBalancer) Risk() Risk { return RiskNone }

// Text implements Action.
func (a AwaitBalancer) Text() say.Text {
	return say.New("action."+string(a.Kind()), a.URL, len(a.APIServers))
}

func (AwaitBalancer) action() {}
