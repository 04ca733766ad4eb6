package cluster

import "time"

// RunningPod is one pod that a machine's container runtime runs for the API;
// static pods are left out.
type RunningPod struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       string    `json:"uid"`
	Created   time.Time `json:"created,omitzero"`
}

// APIObjects is what an API server says of a few objects that decide whether a
// cluster works although its API answers. Each part is unknown by itself.
type APIObjects struct {
	// URL is the API server that was asked.
	URL string `json:"url"`
	// Nodes are all nodes; asked on machines of the control plane.
	Nodes Known[[]NodeState] `json:"nodes,omitzero"`
	// Endpoints are the addresses behind the service "kubernetes".
	Endpoints Known[[]string] `json:"endpoints,omitzero"`
	// LostClaims are persistent volume claims whose volume is gone.
	LostClaims Known[Names] `json:"lostClaims,omitzero"`
	// Terminating are namespaces that have been ending for longer than a few
	// minutes, with what they wait for.
	Terminating Known[Names] `json:"terminating,omitzero"`
	// Unavailable are aggregated APIs that do not answer, with the reason.
	Unavailable Known[Names] `json:"unavailable,omitzero"`
	// Closed are admission webhooks that fail closed, with whether their
	// backend is ready.
	Closed Known[[]Webhook] `json:"closed,omitzero"`
	// Hooks are the names of all admission webhooks, whatever they are asked for.
	Hooks Known[[]string] `json:"hooks,omitzero"`
	// Pods are the uids of the pods that the API has on this machine's node.
	Pods Known[[]string] `json:"pods,omitzero"`
	// Missing are objects of kube-system and kube-public that kubeadm made and that
	// are not there; not asked where kubeadm did not make the machine.
	Missing Known[Names] `json:"missing,omitzero"`
	// Namespaces and Definitions (custom resource definitions) are the names of
	// all that the API has, in order, those that are being deleted included;
	// unknown where there are more than MaxListed. System is the uid of namespace
	// kube-system: the cluster's identity.
	Namespaces  Known[[]string] `json:"namespaces,omitzero"`
	Definitions Known[[]string] `json:"definitions,omitzero"`
	System      Known[string]   `json:"system,omitzero"`
	// Leases are those by which the controllers of the control plane agree who
	// of them works, as this API server gives them; those that do not exist are
	// left out. LeasesAt is when they were there, by the asking machine's clock.
	Leases   Known[[]LeaseState] `json:"leases,omitzero"`
	LeasesAt time.Time           `json:"leasesAt,omitzero"`
}

// LeaseState is one lease of an election.
type LeaseState struct {
	// Name is that of the component, "kube-controller-manager".
	Name   string `json:"name"`
	Holder string `json:"holder"`
	// Renewed is when the holder last said that it lives, by its own clock.
	Renewed time.Time `json:"renewed,omitzero"`
}

// NodeState is one node as the API has it.
type NodeState struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	// Why is the reason when it is not ready.
	Why string `json:"why,omitempty"`
	// Renewed is when its kubelet last renewed its lease; zero when never.
	Renewed time.Time `json:"renewed,omitzero"`
}
