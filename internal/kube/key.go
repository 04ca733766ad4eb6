package kube

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Root is where kube-apiserver keeps everything (--etcd-prefix), with the
// slash that ends it.
const Root = "/registry/"

// Place is what a key says of the object behind it.
type Place struct {
	// Resource is the path below /registry without namespace and name, as
	// stored: "pods", "services/specs", "minions", "example.com/widgets".
	Resource string
	// Namespace is empty for cluster-scoped objects.
	Namespace string
	Name      string
}

// String gives the key.
func (p Place) String() string {
	if p.Namespace == "" {
		return Root + p.Resource + "/" + p.Name
	}
	return Root + p.Resource + "/" + p.Namespace + "/" + p.Name
}

// resource gives the path below /registry of a built-in kind and whether it
// lives in namespaces. Names differ from the API's where kube-apiserver kept
// an old one (k8s.io/kubernetes pkg/kubeapiserver/default_storage_factory_builder.go:
// SpecialDefaultResourcePrefixes).
func resource(gk schema.GroupKind) (path string, namespaced, ok bool) {
	switch gk {
	case schema.GroupKind{Kind: "Node"}:
		return "minions", false, true
	case schema.GroupKind{Kind: "Service"}:
		return "services/specs", true, true
	case schema.GroupKind{Kind: "Endpoints"}:
		return "services/endpoints", true, true
	case schema.GroupKind{Kind: "ReplicationController"}:
		return "controllers", true, true
	case schema.GroupKind{Kind: "Namespace"}, schema.GroupKind{Kind: "PersistentVolume"},
		schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"},
		schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:
		return strings.ToLower(gk.Kind) + "s", false, true
	}
	switch gk.Group {
	case "", "apps", "coordination.k8s.io", "discovery.k8s.io", "rbac.authorization.k8s.io":
		return strings.ToLower(gk.Kind) + "s", true, true
	}
	return "", false, false
}

// Key gives the key under which kube-apiserver stores an object of a built-in
// kind.
func (c *Codec) Key(obj runtime.Object) (string, error) {
	gvk, err := c.kind(obj)
	if err != nil {
		return "", err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return "", fmt.Errorf("make key of a %s: %w", gvk.Kind, err)
	}
	path, namespaced, ok := resource(gvk.GroupKind())
	if !ok {
		return "", fmt.Errorf("make key of a %s: the kind is not known", gvk.Kind)
	}
	if namespaced != (m.GetNamespace() != "") || m.GetName() == "" {
		return "", fmt.Errorf("make key of %s %q in namespace %q: name or namespace does not fit the kind",
			gvk.Kind, m.GetName(), m.GetNamespace())
	}
	return Place{Resource: path, Namespace: m.GetNamespace(), Name: m.GetName()}.String(), nil
}

// CustomKey gives the key of a custom resource; namespace is empty when it is
// cluster-scoped.
func CustomKey(group, plural, namespace, name string) string {
	return Place{Resource: group + "/" + plural, Namespace: namespace, Name: name}.String()
}

// MasterLeaseKey gives the key of an API server's own endpoint record, which
// holds an Endpoints object and hangs on a lease
// (k8s.io/kubernetes pkg/controlplane/reconcilers/lease.go).
func MasterLeaseKey(ip string) string { return Root + "masterleases/" + ip }

// Split reads a key. Whether a part in the middle is a namespace cannot always
// be told from the key alone: two parts below the resource are taken for
// namespace and name. A name may hold slashes in no resource. The second
// result is false for keys outside /registry and for keys without a name.
func Split(key string) (Place, bool) {
	rest, ok := strings.CutPrefix(key, Root)
	if !ok {
		return Place{}, false
	}
	parts := strings.Split(rest, "/")
	n := 1
	if (parts[0] == "services" && len(parts) > 1) || strings.Contains(parts[0], ".") {
		n = 2
	}
	if len(parts) <= n {
		return Place{}, false
	}
	p := Place{Resource: strings.Join(parts[:n], "/")}
	switch below := parts[n:]; len(below) {
	case 1:
		p.Name = below[0]
	default:
		p.Namespace, p.Name = below[0], strings.Join(below[1:], "/")
	}
	return p, p.Name != ""
}
