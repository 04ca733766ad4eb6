package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Encoding is how a stored value is written.
type Encoding string

// The encodings of stored values.
const (
	Protobuf  Encoding = "protobuf"
	JSON      Encoding = "json"
	Encrypted Encoding = "encrypted"
	// Plain is a value that is no object, such as that of compact_rev_key.
	Plain Encoding = "plain"
)

// Object is what can be said of a stored value without knowing its kind's
// type. Fields that the value does not carry are empty; an encrypted value
// carries none.
type Object struct {
	Encoding             Encoding
	Group, Version, Kind string
	Namespace, Name, UID string
	// Created is the object's creationTimestamp, zero when it has none.
	Created time.Time
	// Deleting tells that the object has a deletion timestamp; Owners are the
	// uids of its owners.
	Deleting bool
	Owners   []string
	Labels   map[string]string
	// Provider and KeyName say what an encrypted value was encrypted with,
	// for example "aescbc" and "key1".
	Provider, KeyName string
}

// prefixProtobuf is the magic of protobuf.Serializer, prefixEncrypted that of
// k8s.io/apiserver/pkg/server/options/encryptionconfig.
const (
	prefixProtobuf  = "k8s\x00"
	prefixEncrypted = "k8s:enc:"
)

// Decode reads what a stored value says of itself. It fails when the value
// claims to be an object and cannot be read as one, and when a key under
// /registry holds something that is neither an object nor encrypted. Only the
// metadata is read: damage elsewhere in a protobuf object can remain unseen
// (see Codec.DecodeInto).
func Decode(key string, value []byte) (Object, error) {
	switch {
	case bytes.HasPrefix(value, []byte(prefixProtobuf)):
		return decodeProtobuf(key, value)
	case bytes.HasPrefix(value, []byte(prefixEncrypted)):
		return decodeEncrypted(key, value)
	case bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")):
		o, err := decodeJSON(key, value)
		if err != nil && !strings.HasPrefix(key, Root) { // flannel and others keep JSON of their own beside Kubernetes
			return Object{Encoding: Plain}, nil
		}
		return o, err
	case strings.HasPrefix(key, Root):
		return Object{}, fmt.Errorf("decode %s: %d bytes that are neither a Kubernetes object nor encrypted", key, len(value))
	}
	return Object{Encoding: Plain}, nil
}

// decodeProtobuf reads the envelope and, of the object in it, the field 1 that
// is ObjectMeta in every kind; PartialObjectMetadata has the same layout and
// skips all other fields.
func decodeProtobuf(key string, value []byte) (Object, error) {
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(value[len(prefixProtobuf):]); err != nil {
		return Object{}, fmt.Errorf("decode %s: protobuf envelope: %w", key, err)
	}
	if envelope.Kind == "" || envelope.APIVersion == "" {
		return Object{}, fmt.Errorf("decode %s: the protobuf envelope names no kind", key)
	}
	var partial metav1.PartialObjectMetadata
	if err := partial.Unmarshal(envelope.Raw); err != nil {
		return Object{}, fmt.Errorf("decode %s: metadata of a %s: %w", key, envelope.Kind, err)
	}
	gvk := envelope.GroupVersionKind()
	o := Object{Encoding: Protobuf, Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}
	o.take(partial.ObjectMeta)
	return o, nil
}

func decodeJSON(key string, value []byte) (Object, error) {
	var partial metav1.PartialObjectMetadata
	if err := json.Unmarshal(value, &partial); err != nil {
		return Object{}, fmt.Errorf("decode %s: JSON: %w", key, err)
	}
	if partial.Kind == "" || partial.APIVersion == "" {
		return Object{}, fmt.Errorf("decode %s: the JSON names no kind and API version", key)
	}
	gvk := partial.GroupVersionKind()
	o := Object{Encoding: JSON, Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}
	o.take(partial.ObjectMeta)
	return o, nil
}

func (o *Object) take(m metav1.ObjectMeta) {
	o.Namespace, o.Name, o.UID = m.Namespace, m.Name, string(m.UID)
	o.Created = m.CreationTimestamp.UTC()
	o.Deleting, o.Labels = m.DeletionTimestamp != nil, m.Labels
	for _, r := range m.OwnerReferences {
		o.Owners = append(o.Owners, string(r.UID))
	}
}

// decodeEncrypted reads "k8s:enc:PROVIDER:v1:KEYNAME:…", where KMS v2 writes
// "kms:v2:NAME:".
func decodeEncrypted(key string, value []byte) (Object, error) {
	parts := strings.SplitN(string(value[:min(len(value), 512)]), ":", 6)
	if len(parts) < 6 || parts[2] == "" {
		return Object{}, fmt.Errorf("decode %s: the prefix of the encrypted value is incomplete", key)
	}
	return Object{Encoding: Encrypted, Provider: parts[2], KeyName: parts[4]}, nil
}
