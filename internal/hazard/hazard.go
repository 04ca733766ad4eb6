// Package hazard reads the objects of a candidate's data before it is restored
// and tells what of them would hurt afterwards. It takes stored bytes one key
// after the other, changes nothing, and keeps no value.
package hazard

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
)

// Inputs is what lies on the machine that the data is held against.
type Inputs struct {
	// Encryption is the API server's configuration; when it is not known,
	// whether a key is configured is not known either.
	Encryption cluster.Known[kube.Encryption]
	// TokenKey is the public key of service account tokens in PEM.
	TokenKey cluster.Known[[]byte]
	// Minor is the minor version of the API server, 0 when not known.
	Minor int
	// Inventory are the nodes that the configuration names.
	Inventory []string
	// Now is the machine's clock; zero when it is not known.
	Now time.Time
	// Stores are places beside this etcd that the API server is told to keep
	// objects in (--etcd-servers-overrides).
	Stores []string
}

// Scan takes the objects of one candidate in. The zero value is not usable.
type Scan struct {
	in  Inputs
	out cluster.Hazards

	uids       map[string]bool
	owned      []owned
	claims     map[string]bool
	volumes    []volume
	present    map[string]bool // names of all persistent volumes
	services   map[string]bool
	readied    map[string]bool
	hooks      []hook
	namespaces map[string]map[string]string // name → labels
	pods       []pod
	encrypted  map[string]*cluster.EncryptedWith
	gone       map[string]bool
	names      map[string]bool
	listed     map[string][]string // resource → names of what is not being deleted
	tokens     int
	later
}

type owned struct {
	name   string
	owners []string
}

type volume struct {
	name string
	kube.Volume
}

// New begins a scan.
func New(in Inputs) *Scan {
	s := &Scan{in: in, uids: map[string]bool{}, claims: map[string]bool{}, present: map[string]bool{}, services: map[string]bool{}, readied: map[string]bool{},
		namespaces: map[string]map[string]string{}, encrypted: map[string]*cluster.EncryptedWith{}, gone: map[string]bool{}, names: map[string]bool{}, listed: map[string][]string{}, later: newLater(in)}
	s.out.Authority = cluster.Unknown[string]("the data holds no ConfigMap kube-root-ca.crt in kube-system")
	s.out.TokensSigned = cluster.Unknown[bool]("no stored token was found")
	return s
}

// Add takes one live key and its value in, in any order. The value is not kept.
func (s *Scan) Add(key string, value []byte) {
	place, ok := kube.Split(key)
	if !ok {
		return
	}
	o, err := kube.Glimpse(key, value, place.Resource == "pods" || place.Resource == "namespaces")
	if err != nil {
		s.out.Unreadable.Add(key)
		return
	}
	s.out.Objects++
	if essential(key) {
		s.names[key] = true
	}
	if compared(place.Resource) && !o.Deleting {
		s.listed[place.Resource] = append(s.listed[place.Resource], place.Name)
	}
	if o.Encoding == kube.Encrypted {
		s.sealed(key, value, o)
		return
	}
	if o.UID != "" {
		s.uids[o.UID] = true
	}
	if o.Deleting {
		s.out.Deleting.Add(key)
	}
	if len(o.Owners) > 0 {
		s.owned = append(s.owned, owned{key, o.Owners})
	}
	if at := kube.Removed(o.Group, o.Version, o.Kind); at > 0 && s.in.Minor >= at {
		s.gone[fmt.Sprintf("%s/%s %s (removed in 1.%d)", o.Group, o.Version, o.Kind, at)] = true
	}
	if err := s.special(key, place, value, o); err != nil {
		s.out.Unreadable.Add(key)
	}
}

// The resources whose names are held against what an API server has.
const (
	namespaces  = "namespaces"
	definitions = "apiextensions.k8s.io/customresourcedefinitions"
)

func compared(resource string) bool { return resource == namespaces || resource == definitions }

// list gives the names of one resource, or why they are not known.
func (s *Scan) list(resource string) cluster.Known[[]string] {
	all := s.listed[resource]
	if len(all) > cluster.MaxListed {
		return cluster.Unknown[[]string]("the data has %d, and more than %d are not kept", len(all), cluster.MaxListed)
	}
	sort.Strings(all)
	return cluster.Is(append([]string{}, all...))
}

// essentials are the keys without which no cluster of Kubernetes stands.
func essentials() []string {
	return []string{"/registry/namespaces/default", "/registry/namespaces/kube-system", "/registry/services/specs/default/kubernetes",
		"/registry/clusterroles/cluster-admin", "/registry/clusterrolebindings/cluster-admin"}
}

// Done ends the scan and gives what was found.
func (s *Scan) Done() cluster.Hazards {
	for _, h := range s.hooks {
		if w, blocks := s.judge(h); blocks {
			s.out.Webhooks = append(s.out.Webhooks, w)
		}
	}
	sort.Strings(s.out.Nodes)
	s.out.Namespaces, s.out.Definitions = s.list(namespaces), s.list(definitions)
	sort.Strings(s.out.MasterLeases)
	s.settle()
	for _, v := range s.volumes {
		if v.Released || v.Claim != "" && !s.claims[v.ClaimNamespace+"/"+v.Claim] {
			s.out.Volumes.Add(v.name)
		}
	}
	if len(s.encrypted) == 0 { // else an owner may be among what cannot be read
		for _, o := range s.owned {
			if !s.anyOwner(o.owners) {
				s.out.Dangling.Add(o.name)
			}
		}
	}
	for _, e := range s.encrypted {
		s.out.Encrypted = append(s.out.Encrypted, *e)
	}
	sort.Slice(s.out.Encrypted, func(i, j int) bool {
		a, b := s.out.Encrypted[i], s.out.Encrypted[j]
		return strings.Compare(a.Provider+"/"+a.Key, b.Provider+"/"+b.Key) < 0
	})
	var gone []string
	for g := range s.gone {
		gone = append(gone, g)
	}
	sort.Strings(gone)
	for _, g := range gone {
		s.out.Gone.Add(g)
	}
	if s.out.Objects > 0 {
		for _, k := range essentials() {
			if !s.names[k] {
				s.out.Missing = append(s.out.Missing, k)
			}
		}
	}
	return s.out
}

func essential(key string) bool {
	for _, k := range essentials() {
		if k == key {
			return true
		}
	}
	return false
}

func (s *Scan) anyOwner(owners []string) bool {
	for _, o := range owners {
		if s.uids[o] {
			return true
		}
	}
	return false
}
