package diff

import (
	"maps"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Count is how many keys of one resource differ.
type Count struct {
	// Resource is kube.Place's, or "(other)" for keys outside /registry.
	Resource string `json:"resource"`
	Created  int64  `json:"created"`
	Changed  int64  `json:"changed"`
	Deleted  int64  `json:"deleted"`
}

// Other is the Resource of keys that are no Kubernetes objects.
const Other = "(other)"

// Summary sums up a comparison.
type Summary struct {
	A Side `json:"a"`
	B Side `json:"b"`
	// KeysA and KeysB are the live keys of each side, Same those that are
	// equal in value on both.
	KeysA int64 `json:"keysA"`
	KeysB int64 `json:"keysB"`
	Same  int64 `json:"same"`
	// Rewritten counts those of Same whose modification revision differs:
	// written again with the value they had.
	Rewritten int64 `json:"rewritten"`
	Created   int64 `json:"created"`
	Changed   int64 `json:"changed"`
	Deleted   int64 `json:"deleted"`
	// Resources are the counts by resource, in byte order.
	Resources []Count `json:"resources"`

	resources map[string]*Count
}

// Equal tells whether both sides hold the same objects.
func (s Summary) Equal() bool { return s.Created+s.Changed+s.Deleted == 0 }

// note counts the keys that were met.
func (s *Summary) note(kind Kind, same bool, a, b *mvccpb.KeyValue) {
	if kind != Created {
		s.KeysA++
	}
	if kind != Deleted {
		s.KeysB++
	}
	if same {
		s.Same++
		if a.ModRevision != b.ModRevision {
			s.Rewritten++
		}
	}
}

func (s *Summary) count(c Change) {
	name := c.Resource
	if name == "" {
		name = Other
	}
	n := s.resources[name]
	if n == nil {
		n = &Count{Resource: name}
		s.resources[name] = n
	}
	switch c.Kind {
	case Created:
		s.Created++
		n.Created++
	case Changed:
		s.Changed++
		n.Changed++
	case Deleted:
		s.Deleted++
		n.Deleted++
	}
}

func (s *Summary) settle() {
	for _, name := range slices.Sorted(maps.Keys(s.resources)) {
		s.Resources = append(s.Resources, *s.resources[name])
	}
}
