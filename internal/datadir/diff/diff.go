package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/kube"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Kind says what happened to a key between A and B.
type Kind string

// The kinds of changes.
const (
	// Created: only B has the key.
	Created Kind = "created"
	// Changed: both have the key, with different values or leases, or B's was
	// deleted and created again.
	Changed Kind = "changed"
	// Deleted: only A has the key.
	Deleted Kind = "deleted"
)

// Change is one key that is not the same on both sides.
type Change struct {
	Kind Kind   `json:"change"`
	Key  string `json:"key"`
	// Resource, Namespace and Name are what the key says; see kube.Place. All
	// are empty for keys outside /registry. Where the stored object names its
	// own namespace and name, these win.
	Resource  string `json:"resource,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// A and B are the two sides; the one that does not have the key is nil.
	A *Version `json:"a,omitempty"`
	B *Version `json:"b,omitempty"`
}

// Version is a key's state on one side.
type Version struct {
	CreateRevision int64 `json:"createRevision"`
	ModRevision    int64 `json:"modRevision"`
	Version        int64 `json:"version"`
	Lease          int64 `json:"lease,omitempty"`
	Bytes          int   `json:"bytes"`
	// Kind, UID and Created are the object's own; empty when the value is
	// encrypted or no object.
	Kind    string    `json:"objectKind,omitempty"`
	UID     string    `json:"uid,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Encrypted names the provider of an encrypted value.
	Encrypted string `json:"encrypted,omitempty"`
	// Unreadable says why the value is not what its key promises.
	Unreadable string `json:"unreadable,omitempty"`
}

// Side is one of the two dbs: a snapshot file or a stopped member's db, at a
// revision (0: the newest).
type Side struct {
	Path     string `json:"path"`
	Revision int64  `json:"revision"`
}

// Compare calls visit for every key that is not the same in a and b, in
// ascending byte order of the keys, and sums up. An error of visit ends the
// comparison and is returned as it is; damage ends it with an error. Memory: the keys of
// both sides.
func Compare(ctx context.Context, a, b Side, visit func(Change) error) (Summary, error) {
	s := Summary{A: a, B: b, resources: map[string]*Count{}}
	for _, side := range []*Side{&s.A, &s.B} {
		db, err := datadir.Head(ctx, side.Path)
		if err != nil {
			return s, err
		}
		if side.Revision == 0 {
			side.Revision = db.Revision
		}
	}
	left, right := pull(ctx, s.A), pull(ctx, s.B)
	defer left.stop()
	defer right.stop()
	left.step()
	right.step()
	for (left.kv != nil || right.kv != nil) && left.err == nil && right.err == nil {
		change, same := meet(left.kv, right.kv)
		s.note(change.Kind, same, left.kv, right.kv)
		if !same {
			change.describe(left.kv, right.kv)
			s.count(change)
			if err := visit(change); err != nil {
				return s, err
			}
		}
		kind := change.Kind
		if kind != Created {
			left.step()
		}
		if kind != Deleted {
			right.step()
		}
	}
	s.settle()
	return s, errors.Join(left.err, right.err)
}

// meet compares what stands at the head of the two streams. Kind tells on
// which side the lesser key is.
func meet(a, b *mvccpb.KeyValue) (c Change, same bool) {
	switch {
	case b == nil || (a != nil && bytes.Compare(a.Key, b.Key) < 0):
		return Change{Kind: Deleted}, false
	case a == nil || bytes.Compare(a.Key, b.Key) > 0:
		return Change{Kind: Created}, false
	}
	return Change{Kind: Changed}, a.Lease == b.Lease && a.CreateRevision == b.CreateRevision && bytes.Equal(a.Value, b.Value)
}

// describe fills in what key and values say.
func (c *Change) describe(a, b *mvccpb.KeyValue) {
	if c.Kind != Created {
		c.Key = string(a.Key)
		c.A = c.version(a)
	}
	if c.Kind != Deleted {
		c.Key = string(b.Key)
		c.B = c.version(b)
	}
}

// version describes one side, and takes the object's place from it.
func (c *Change) version(kv *mvccpb.KeyValue) *Version {
	v := &Version{
		CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version,
		Lease: kv.Lease, Bytes: len(kv.Value),
	}
	place, ok := kube.Split(c.Key)
	if ok {
		c.Resource, c.Namespace, c.Name = place.Resource, place.Namespace, place.Name
	}
	o, err := kube.Decode(c.Key, kv.Value)
	if err != nil {
		v.Unreadable = err.Error()
		return v
	}
	if ok && o.Name != "" && strings.HasSuffix(c.Key, "/"+o.Name) {
		c.Namespace, c.Name = o.Namespace, o.Name
	}
	v.Kind, v.UID, v.Created = o.Kind, o.UID, o.Created
	if o.Encoding == kube.Encrypted {
		v.Encrypted = o.Provider
	}
	return v
}

// stream is one side while it is read: kv is its head, nil at the end.
type stream struct {
	kv   *mvccpb.KeyValue
	next func() (*mvccpb.KeyValue, bool)
	stop func()
	err  error
}

func pull(ctx context.Context, side Side) *stream {
	s := &stream{}
	s.next, s.stop = iter.Pull(func(yield func(*mvccpb.KeyValue) bool) {
		err := datadir.Each(ctx, side.Path, side.Revision, func(kv *mvccpb.KeyValue) error {
			if !yield(kv) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			s.err = fmt.Errorf("compare: %w", err)
		}
	})
	return s
}

var errStopped = errors.New("stopped")

// step moves on. A side that cannot be read on sets err, which ends the
// comparison: what it does not show must not be taken for deleted.
func (s *stream) step() {
	kv, ok := s.next()
	if !ok {
		kv = nil
	}
	s.kv = kv
}
