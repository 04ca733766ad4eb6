package kube

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Glimpse is Decode for who looks at very many objects: of a protobuf value it
// reads kind, uid, owners and the deletion mark, and the labels if they are
// wanted; name, namespace and creation time stay empty. It allocates little.
func Glimpse(key string, value []byte, labels bool) (Object, error) {
	if !bytes.HasPrefix(value, []byte(prefixProtobuf)) {
		return Decode(key, value)
	}
	o := Object{Encoding: Protobuf}
	var raw []byte
	err := fields(value[len(prefixProtobuf):], func(number protowire.Number, v []byte) error {
		switch number {
		case 1: // runtime.Unknown.typeMeta
			return o.kind(v)
		case 2:
			raw = v
		}
		return nil
	})
	if err == nil && (o.Kind == "" || o.Version == "") {
		err = errors.New("the envelope names no kind")
	}
	if err == nil {
		err = fields(raw, func(number protowire.Number, v []byte) error {
			if number != 1 { // every kind has its ObjectMeta there
				return nil
			}
			return o.meta(v, labels)
		})
	}
	if err != nil {
		return Object{}, fmt.Errorf("decode %s: protobuf: %w", key, err)
	}
	return o, nil
}

var errWire = errors.New("the bytes are no message")

// fields visits the fields of a message that have a length; others are passed
// over. What is visited is a part of b.
func fields(b []byte, visit func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return errWire
			}
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return errWire
		}
		if err := visit(number, v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (o *Object) kind(typeMeta []byte) error {
	return fields(typeMeta, func(number protowire.Number, v []byte) error {
		switch number {
		case 1:
			group, version, grouped := strings.Cut(string(v), "/")
			if !grouped {
				group, version = "", group
			}
			o.Group, o.Version = group, version
		case 2:
			o.Kind = string(v)
		}
		return nil
	})
}

// meta reads an ObjectMeta (k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto).
func (o *Object) meta(b []byte, labels bool) error {
	return fields(b, func(number protowire.Number, v []byte) error {
		switch number {
		case 5:
			o.UID = string(v)
		case 9:
			o.Deleting = true
		case 11:
			if labels {
				return o.label(v)
			}
		case 13:
			return fields(v, func(number protowire.Number, v []byte) error {
				if number == 4 {
					o.Owners = append(o.Owners, string(v))
				}
				return nil
			})
		}
		return nil
	})
}

func (o *Object) label(entry []byte) error {
	var name, value string
	err := fields(entry, func(number protowire.Number, v []byte) error {
		if number == 1 {
			name = string(v)
		} else if number == 2 {
			value = string(v)
		}
		return nil
	})
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	o.Labels[name] = value
	return err
}

// podNode reads nodeName (spec, field 10) and phase (status, field 1) of a
// protobuf pod (k8s.io/api/core/v1/generated.proto).
func podNode(value []byte) (node, phase string, err error) {
	err = fields(value[len(prefixProtobuf):], func(number protowire.Number, raw []byte) error {
		if number != 2 {
			return nil
		}
		return fields(raw, func(part protowire.Number, v []byte) error {
			if part != 2 && part != 3 {
				return nil
			}
			return fields(v, func(number protowire.Number, v []byte) error {
				switch {
				case part == 2 && number == 10:
					node = string(v)
				case part == 3 && number == 1:
					phase = string(v)
				}
				return nil
			})
		})
	})
	return node, phase, err
}
