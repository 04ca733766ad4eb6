package datadir_test

import (
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/kube"
)

// FuzzObject reads a key and a value as a stored object.
func FuzzObject(f *testing.F) {
	f.Add("/registry/configmaps/default/a", []byte("k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x06\n\x04\n\x01a\x12\x00"))
	f.Add("/registry/secrets/default/s", []byte("k8s:enc:aescbc:v1:key1:\x00\x01"))
	f.Add("/registry/example.com/widgets/w", []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"}}`))
	f.Add("compact_rev_key", []byte("17"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		p, ok := kube.Split(key)
		if ok && (p.Name == "" || !strings.HasPrefix(key, kube.Root)) {
			t.Fatalf("%q is split into %+v", key, p)
		}
		o, err := kube.Decode(key, value)
		if err == nil && o.Encoding == "" {
			t.Fatalf("%q is nothing and no error", value)
		}
	})
}
