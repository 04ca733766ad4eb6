package demo

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/salvor-project/salvor/internal/kube"
)

// stored is one object of the demo's Kubernetes: its key and its value at any
// step of its life, step 0 being its creation.
type stored struct {
	key   string
	value func(step int) ([]byte, error)
	lease leaseClass
	// churn weighs how often the object is updated; 0 means never.
	churn int
}

// leaseClass tells which etcd lease a key hangs on.
type leaseClass int

const (
	noLease leaseClass = iota
	eventLease
	masterLease
)

// kindShare is a kind of object and its share of all, in per mille.
type kindShare struct {
	share int
	churn int
	lease leaseClass
	make  func(w world, i, step int) runtime.Object
}

// world is what the objects refer to.
type world struct {
	codec      *kube.Codec
	namespaces []string
	nodes      int
	born       time.Time
}

// demoNamespace is where the Writer works; fill creates it.
const demoNamespace = "salvor-demo"

// shares is the mix of a middling cluster. Churn follows what real ones do:
// node and controller leases are by far the most updated objects.
func shares() []kindShare {
	return []kindShare{
		{270, 2, noLease, world.pod},
		{170, 1, eventLease, world.event},
		{120, 1, noLease, world.replicaSet},
		{70, 1, noLease, world.configMap},
		{80, 0, noLease, world.secret},
		{50, 1, noLease, world.deployment},
		{50, 1, noLease, world.endpointSlice},
		{50, 0, noLease, world.service},
		{40, 0, noLease, world.serviceAccount},
		{20, 0, noLease, world.role},
		{20, 0, noLease, world.roleBinding},
		{10, 0, noLease, world.clusterRole},
	}
}

// population gives n objects: the fixed ones of every cluster first, then the
// mix, then custom resources up to n.
func population(codec *kube.Codec, n int) ([]stored, error) {
	w := world{codec: codec, nodes: max(3, n/80), born: time.Date(2025, 6, 1, 8, 0, 0, 0, time.UTC)}
	w.namespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease", demoNamespace}
	for i := len(w.namespaces); i < max(8, n/200); i++ {
		w.namespaces = append(w.namespaces, fmt.Sprintf("team-%02d", i))
	}
	var all []stored
	add := func(count, churn int, lease leaseClass, make func(w world, i, step int) runtime.Object) error {
		for i := range count {
			s, err := w.builtIn(i, churn, lease, make)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return nil
	}
	if err := add(len(w.namespaces), 0, noLease, world.namespace); err != nil {
		return nil, err
	}
	for _, k := range []kindShare{{0, 2, noLease, world.node}, {0, 60, noLease, world.nodeLease}} {
		if err := add(w.nodes, k.churn, k.lease, k.make); err != nil {
			return nil, err
		}
	}
	if err := add(len(electionNames()), 120, noLease, world.electionLease); err != nil {
		return nil, err
	}
	all = append(all, w.masterLeases()...)
	rest := n - len(all)
	for _, k := range shares() {
		if err := add(rest*k.share/1000, k.churn, k.lease, k.make); err != nil {
			return nil, err
		}
	}
	for i := 0; len(all) < n; i++ {
		all = append(all, w.customResource(i))
	}
	return all, nil
}

func (w world) builtIn(i, churn int, lease leaseClass, make func(w world, i, step int) runtime.Object) (stored, error) {
	key, err := w.codec.Key(make(w, i, 0))
	if err != nil {
		return stored{}, err
	}
	value := func(step int) ([]byte, error) { return w.codec.Encode(make(w, i, step)) }
	return stored{key: key, value: value, lease: lease, churn: churn}, nil
}

// team gives the i-th namespace that holds workloads.
func (w world) team(i int) string {
	switch {
	case i%9 == 0:
		return "kube-system"
	case i%9 == 1:
		return "default"
	}
	own := w.namespaces[5:]
	return own[i%len(own)]
}

// about makes an object's metadata with what managers of every kind leave
// there; step moves generation and times.
func (w world) about(kind, namespace, name string, i, step int, manager, fields string) metav1.ObjectMeta {
	at := w.born.Add(time.Duration(i) * 97 * time.Second)
	changed := metav1.NewTime(at.Add(time.Duration(step) * 10 * time.Second))
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, UID: uid(kind, i), Generation: int64(step) + 1,
		CreationTimestamp: metav1.NewTime(at),
		Labels:            map[string]string{"app.kubernetes.io/name": "app-" + fmt.Sprint(i%200), "app.kubernetes.io/managed-by": "Helm"},
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &changed,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}},
	}
}

func uid(kind string, i int) types.UID {
	h := hash(kind)
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(h), uint16(h>>32), h>>48&0xfff, i&0xfff, uint64(i)*2654435761&0xffffffffffff))
}

// hash is FNV-1a, so that every run makes the same objects.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(s) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// text makes n bytes that look like configuration and compress like it.
func text(seed string, n int) string {
	var b strings.Builder
	for h := hash(seed); b.Len() < n; h = h*6364136223846793005 + 1442695040888963407 {
		fmt.Fprintf(&b, "setting.%x=%x\n", h>>52, h>>24&0xffffff)
	}
	return b.String()[:n]
}
