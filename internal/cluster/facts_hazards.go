package cluster

// Hazards is what in a candidate's data would hurt after it was put back: read
// from the stored objects before anything is restored. Lists hold the first
// MaxHazardNames names that were found; the counts are complete.
type Hazards struct {
	// Objects is the number of stored objects that were read.
	Objects int64 `json:"objects"`
	// System is the uid of namespace kube-system: the cluster's identity in
	// Kubernetes. Empty when the data has no such namespace.
	System string `json:"system,omitempty"`
	// Webhooks are admission webhooks that refuse when they cannot be asked,
	// and whose backend is a service of the cluster itself.
	Webhooks []Webhook `json:"webhooks,omitempty"`
	// Encrypted are the keys with which values are encrypted.
	Encrypted []EncryptedWith `json:"encrypted,omitempty"`
	// Authority is the digest of the cluster's CA that the data holds
	// (ConfigMap kube-root-ca.crt in kube-system).
	Authority Known[string] `json:"authority"`
	// TokensSigned tells whether stored service account tokens verify with the
	// public key at hand; not OK when there is none of either.
	TokensSigned Known[bool] `json:"tokensSigned"`
	// MasterLeases are the addresses of API servers that the data names.
	MasterLeases []string `json:"masterLeases,omitempty"`
	// Nodes are the nodes that the data names.
	Nodes []string `json:"nodes,omitempty"`
	// Namespaces and Definitions (custom resource definitions) are the names of
	// all that the data has and that were not being deleted, in order; unknown
	// where there are more than MaxListed.
	Namespaces  Known[[]string] `json:"namespaces,omitzero"`
	Definitions Known[[]string] `json:"definitions,omitzero"`
	// Volumes are persistent volumes with reclaim policy Delete that are
	// released or failed, or whose claim is gone: a controller would delete
	// what they stand for.
	Volumes Names `json:"volumes,omitzero"`
	// DeletePolicy counts all persistent volumes with that policy.
	DeletePolicy int64 `json:"deletePolicy,omitempty"`
	// Jobs are unfinished jobs, CronJobs unsuspended ones.
	Jobs     Names `json:"jobs,omitzero"`
	CronJobs Names `json:"cronJobs,omitzero"`
	// Gone are stored group versions that the API server at hand no longer
	// serves, with the release that removed them.
	Gone Names `json:"gone,omitzero"`
	// Deleting are objects with a deletion timestamp.
	Deleting Names `json:"deleting,omitzero"`
	// Dangling are objects all of whose owners are missing from the data: the
	// garbage collector would delete them.
	Dangling Names `json:"dangling,omitzero"`
	// Policies are admission policies that deny everything they match because
	// the data does not have the kind of their parameters.
	Policies Names `json:"policies,omitzero"`
	// Aggregated are APIs that another server in the cluster serves, with a
	// service that has no ready endpoint in the data; Converters custom resource
	// definitions whose conversion webhook is such a service.
	Aggregated Names `json:"aggregated,omitzero"`
	Converters Names `json:"converters,omitzero"`
	// Unserved are custom resource definitions with objects stored in a version
	// that they do not have any more.
	Unserved Names `json:"unserved,omitzero"`
	// Attachments are volumes attached to nodes that are not in the data, or
	// attachments of volumes that are not.
	Attachments Names `json:"attachments,omitzero"`
	// GitOps are objects that put the cluster into a state which is written
	// down elsewhere, and do so by themselves.
	GitOps Names `json:"gitOps,omitzero"`
	// Autoscalers may change the number of pods as soon as they run.
	Autoscalers Names `json:"autoscalers,omitzero"`
	// External are services with an address or load balancer outside of the
	// cluster.
	External Names `json:"external,omitzero"`
	// Leases are held in the name of machines that are not in the data, or
	// renewed later than the machine's clock says.
	Leases Names `json:"leases,omitzero"`
	// Stores are places beside this etcd that hold state of the cluster: what
	// names them, and which.
	Stores []string `json:"stores,omitempty"`
	// Admins are who has the role cluster-admin, as "Group/NAME" or
	// "User/NAME".
	Admins []string `json:"admins,omitempty"`
	// DataPlane is what on the nodes lives on a view of the API and has to be
	// looked after, in the order in which it is restarted.
	DataPlane []string `json:"dataPlane,omitempty"`
	// Pods are, by node, the first eight signs of the uid of each pod that the
	// data has there; nodes that the configuration does not name are left out.
	Pods map[string][]string `json:"pods,omitempty"`
	// Missing are the objects without which no cluster of Kubernetes stands.
	Missing []string `json:"missing,omitempty"`
	// Unreadable are objects that could not be decoded.
	Unreadable Names `json:"unreadable,omitzero"`
}

// MaxHazardNames bounds the lists of Hazards.
const MaxHazardNames = 20

// MaxListed bounds lists of names that are whole or not known at all, since they
// are held against one another.
const MaxListed = 1000

// Names is a count with the first names.
type Names struct {
	Count int64    `json:"count"`
	First []string `json:"first,omitempty"`
}

// Add counts one more and keeps its name while there is room.
func (n *Names) Add(name string) {
	n.Count++
	if len(n.First) < MaxHazardNames {
		n.First = append(n.First, name)
	}
}

// Webhook is one admission webhook that fails closed.
type Webhook struct {
	// Object is "ValidatingWebhookConfiguration/NAME" or its mutating
	// sibling; Name is the webhook in it.
	Object string `json:"object"`
	Name   string `json:"name"`
	// Service is NAMESPACE/NAME of the backend.
	Service string `json:"service"`
	// Hits names what it stands in the way of: "pods", "nodes", "leases",
	// "namespaces", "workloads", …, "everything".
	Hits []string `json:"hits"`
	// Backend is false when the data holds no such service or no ready
	// endpoint of it.
	Backend bool `json:"backend"`
	// Namespaces are those of the data that its selector takes in, Pods the
	// number of stored pods that both its selectors match.
	Namespaces Names `json:"namespaces,omitzero"`
	Pods       int64 `json:"pods,omitempty"`
	// Own tells that its backend's own namespace is among them: then the
	// backend cannot be started either.
	Own bool `json:"own,omitempty"`
	// Conditions tells that matchConditions, which were not evaluated, may let
	// some pass.
	Conditions bool `json:"conditions,omitempty"`
}

// EncryptedWith is one key of encryption at rest as the values name it.
type EncryptedWith struct {
	Provider string `json:"provider"`
	Key      string `json:"key"`
	Values   int64  `json:"values"`
	// Example is the first key of etcd whose value is encrypted with it.
	Example string `json:"example"`
	// Configured tells whether the encryption configuration at hand has the
	// key; Opened whether a value of it could be decrypted with it.
	Configured Known[bool] `json:"configured"`
	Opened     Known[bool] `json:"opened"`
}
