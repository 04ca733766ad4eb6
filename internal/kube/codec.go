// Package kube knows how a Kubernetes API server lays its objects out in
// etcd: the keys under /registry and the encodings of the values.
package kube

import (
	"bytes"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// Codec encodes objects of the built-in groups core, apps, coordination,
// discovery and rbac, and custom resources. It may be used by many goroutines.
type Codec struct {
	scheme *runtime.Scheme
	proto  *protobuf.Serializer
}

// NewCodec makes a codec.
func NewCodec() (*Codec, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, coordinationv1.AddToScheme, discoveryv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("register Kubernetes types: %w", err)
		}
	}
	return &Codec{scheme: s, proto: protobuf.NewSerializer(s, s)}, nil
}

// Encode gives the value that kube-apiserver stores for an object of a
// built-in kind: the magic "k8s\x00" and a runtime.Unknown that holds group,
// version, kind and the object in protobuf
// (k8s.io/apimachinery/pkg/runtime/serializer/protobuf). obj's TypeMeta is
// set to its kind.
func (c *Codec) Encode(obj runtime.Object) ([]byte, error) {
	gvk, err := c.kind(obj)
	if err != nil {
		return nil, err
	}
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	var b bytes.Buffer
	if err := c.proto.Encode(obj, &b); err != nil {
		return nil, fmt.Errorf("encode %s: %w", gvk.Kind, err)
	}
	return b.Bytes(), nil
}

// EncodeCustom gives the value that kube-apiserver stores for a custom
// resource: the object as JSON with a line feed at its end
// (k8s.io/apiextensions-apiserver stores them with UnstructuredJSONScheme).
func EncodeCustom(obj map[string]any) ([]byte, error) {
	for _, field := range []string{"apiVersion", "kind"} {
		if s, ok := obj[field].(string); !ok || s == "" {
			return nil, fmt.Errorf("encode custom resource: it has no %s", field)
		}
	}
	b, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("encode custom resource: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeInto reads a stored protobuf value back into a typed object, in full:
// unlike Decode it fails when any part of the value is not what its kind
// promises. The kind must be one that the codec knows.
func (c *Codec) DecodeInto(value []byte, into runtime.Object) error {
	_, stored, err := c.proto.Decode(value, nil, into)
	if err != nil {
		return fmt.Errorf("decode stored object: %w", err)
	}
	want, err := c.kind(into)
	if err != nil {
		return err
	}
	if *stored != want {
		return fmt.Errorf("decode stored object: it is a %s, not a %s", stored, want)
	}
	return nil
}

func (c *Codec) kind(obj runtime.Object) (schema.GroupVersionKind, error) {
	kinds, _, err := c.scheme.ObjectKinds(obj)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("find the kind of %T: %w", obj, err)
	}
	return kinds[0], nil
}
