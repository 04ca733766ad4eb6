package kube

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

var born = time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)

func about(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(born)}
}

func codec(t *testing.T) *Codec {
	t.Helper()
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The keys are those of a kubeadm cluster's etcd, as "etcdctl get /registry
// --prefix --keys-only" prints them.
func TestKeysAndValuesOfBuiltInKinds(t *testing.T) {
	c := codec(t)
	for _, k := range []struct {
		obj  runtime.Object
		key  string
		want Object
	}{
		{&corev1.Pod{ObjectMeta: about("default", "x")}, "/registry/pods/default/x", Object{Version: "v1", Kind: "Pod", Namespace: "default"}},
		{&corev1.Service{ObjectMeta: about("default", "x")}, "/registry/services/specs/default/x", Object{Version: "v1", Kind: "Service", Namespace: "default"}},
		{&corev1.Endpoints{ObjectMeta: about("default", "x")}, "/registry/services/endpoints/default/x", Object{Version: "v1", Kind: "Endpoints", Namespace: "default"}}, //nolint:staticcheck // still stored by every cluster
		{&corev1.Node{ObjectMeta: about("", "x")}, "/registry/minions/x", Object{Version: "v1", Kind: "Node"}},
		{&corev1.Namespace{ObjectMeta: about("", "x")}, "/registry/namespaces/x", Object{Version: "v1", Kind: "Namespace"}},
		{&corev1.Event{ObjectMeta: about("default", "x")}, "/registry/events/default/x", Object{Version: "v1", Kind: "Event", Namespace: "default"}},
		{&corev1.ServiceAccount{ObjectMeta: about("default", "x")}, "/registry/serviceaccounts/default/x", Object{Version: "v1", Kind: "ServiceAccount", Namespace: "default"}},
		{&appsv1.Deployment{ObjectMeta: about("default", "x")}, "/registry/deployments/default/x", Object{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "default"}},
		{&coordinationv1.Lease{ObjectMeta: about("kube-node-lease", "x")}, "/registry/leases/kube-node-lease/x", Object{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease", Namespace: "kube-node-lease"}},
		{&discoveryv1.EndpointSlice{ObjectMeta: about("default", "x")}, "/registry/endpointslices/default/x", Object{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice", Namespace: "default"}},
		{&rbacv1.ClusterRole{ObjectMeta: about("", "x")}, "/registry/clusterroles/x", Object{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}},
		{&rbacv1.RoleBinding{ObjectMeta: about("default", "x")}, "/registry/rolebindings/default/x", Object{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding", Namespace: "default"}},
	} {
		key, err := c.Key(k.obj)
		if err != nil || key != k.key {
			t.Errorf("key %q (%v), want %q", key, err, k.key)
		}
		value, err := c.Encode(k.obj)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(key, value)
		if err != nil {
			t.Fatal(err)
		}
		k.want.Encoding, k.want.Name, k.want.UID, k.want.Created = Protobuf, "x", "uid-x", born
		if d := cmp.Diff(k.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", key, d)
		}
		p, ok := Split(key)
		if !ok || p.String() != key || p.Name != "x" || p.Namespace != k.want.Namespace {
			t.Errorf("split %s: %+v %v", key, p, ok)
		}
	}
}

// The bytes were worked out by hand from generated.proto of
// k8s.io/apimachinery/pkg/runtime (Unknown: 1 typeMeta, 2 raw, 3 and 4 empty
// strings) and of k8s.io/api/core/v1, so that the codec is not its own oracle.
func TestEncodeWritesKubernetesOwnBytes(t *testing.T) {
	c := codec(t)
	got, err := c.Encode(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b"}, Data: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "6b387300" + // k8s\0
		"0a0f" + "0a027631" + "1209" + hex.EncodeToString([]byte("ConfigMap")) + // typeMeta: apiVersion v1, kind
		"121c" + // raw
		"0a12" + "0a0161" + "1200" + "1a0162" + "2200" + "2a00" + "3200" + "3800" + "4200" + // metadata
		"1206" + "0a016b" + "120176" + // data
		"1a00" + "2200"
	if h := hex.EncodeToString(got); h != want {
		t.Errorf("got  %s\nwant %s", h, want)
	}
}

func TestDecodeIntoIsStrict(t *testing.T) {
	c := codec(t)
	pod := &corev1.Pod{ObjectMeta: about("default", "x"), Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Image: "registry.k8s.io/pause:3.10"}}}}
	value, err := c.Encode(pod)
	if err != nil {
		t.Fatal(err)
	}
	var back corev1.Pod
	if err := c.DecodeInto(value, &back); err != nil {
		t.Fatal(err)
	}
	if back.Spec.NodeName != "n1" || back.Spec.Containers[0].Image != "registry.k8s.io/pause:3.10" || back.Name != "x" {
		t.Errorf("round trip gave %+v", back)
	}
	if err := c.DecodeInto(value, &corev1.Secret{}); err == nil {
		t.Error("a pod was read as a secret")
	}
	if err := c.DecodeInto(value[:len(value)-7], &back); err == nil {
		t.Error("a truncated pod was read")
	}
}

func TestCustomResourcesAreJSON(t *testing.T) {
	value, err := EncodeCustom(map[string]any{
		"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": "2025-03-04T05:06:07Z"},
		"spec":     map[string]any{"secretName": "web-tls"},
	})
	if err != nil {
		t.Fatal(err)
	}
	key := CustomKey("cert-manager.io", "certificates", "shop", "web")
	if key != "/registry/cert-manager.io/certificates/shop/web" {
		t.Errorf("key %s", key)
	}
	got, err := Decode(key, value)
	want := Object{Encoding: JSON, Group: "cert-manager.io", Version: "v1", Kind: "Certificate", Namespace: "shop", Name: "web", UID: "u1", Created: born}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if _, err := EncodeCustom(map[string]any{"kind": "X"}); err == nil {
		t.Error("encoded an object without apiVersion")
	}
}

func TestDecodeOfWhatIsNoPlainObject(t *testing.T) {
	for _, k := range []struct {
		key, value string
		want       Object
		err        string
	}{
		{"/registry/secrets/a/b", "k8s:enc:aescbc:v1:key1:\x00\x01:\x02", Object{Encoding: Encrypted, Provider: "aescbc", KeyName: "key1"}, ""},
		{"/registry/secrets/a/b", "k8s:enc:kms:v2:vault:\x0a\x00", Object{Encoding: Encrypted, Provider: "kms", KeyName: "vault"}, ""},
		{"/registry/secrets/a/b", "k8s:enc:aes", Object{}, "incomplete"},
		{"compact_rev_key", "1234", Object{Encoding: Plain}, ""},
		{"/registry/pods/a/b", "1234", Object{}, "neither"},
		{"/registry/pods/a/b", "", Object{}, "neither"},
		{"/registry/pods/a/b", "k8s\x00", Object{}, "names no kind"},
		{"/registry/pods/a/b", "k8s\x00\xff\xff\xff", Object{}, "envelope"},
		{"/registry/x.io/y/b", "{\"kind\":", Object{}, "JSON"},
		{"/registry/x.io/y/b", "{}", Object{}, "names no kind"},
		{"/coreos.com/network/config", `{"Network":"10.0.0.0/8"}`, Object{Encoding: Plain}, ""},
		{"/salvor/told", `{"failing":`, Object{Encoding: Plain}, ""},
	} {
		got, err := Decode(k.key, []byte(k.value))
		if (err == nil) != (k.err == "") || (err != nil && !strings.Contains(err.Error(), k.err)) {
			t.Errorf("%q: %v, want %q", k.value, err, k.err)
		}
		if d := cmp.Diff(k.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", k.value, d)
		}
	}
}

func TestSplitAndKeysThatDoNotFit(t *testing.T) {
	for key, want := range map[string]Place{
		"/registry/masterleases/10.0.0.1":                         {Resource: "masterleases", Name: "10.0.0.1"},
		"/registry/apiregistration.k8s.io/apiservices/v1.":        {Resource: "apiregistration.k8s.io/apiservices", Name: "v1."},
		"/registry/services/specs/default/kubernetes":             {Resource: "services/specs", Namespace: "default", Name: "kubernetes"},
		"/registry/cilium.io/ciliumnodes/n1":                      {Resource: "cilium.io/ciliumnodes", Name: "n1"},
		"/registry/ranges/serviceips":                             {Resource: "ranges", Name: "serviceips"},
		"/registry/configmaps/kube-system/kubeadm-config":         {Resource: "configmaps", Namespace: "kube-system", Name: "kubeadm-config"},
		"/registry/clusterroles/system:controller:job-controller": {Resource: "clusterroles", Name: "system:controller:job-controller"},
		"/registry/health":                                        {}, "/registry/pods/": {}, "compact_rev_key": {},
	} {
		got, ok := Split(key)
		if ok != (want.Name != "") {
			t.Errorf("split %s: %v", key, ok)
		}
		if ok && got != want {
			t.Errorf("split %s: %+v, want %+v", key, got, want)
		}
	}
	c := codec(t)
	for _, obj := range []runtime.Object{
		&corev1.Pod{ObjectMeta: about("", "x")}, &corev1.Node{ObjectMeta: about("a", "x")}, &corev1.Pod{ObjectMeta: about("a", "")},
	} {
		if key, err := c.Key(obj); err == nil {
			t.Errorf("%T: key %s, want an error", obj, key)
		}
	}
	if MasterLeaseKey("10.0.0.1") != "/registry/masterleases/10.0.0.1" {
		t.Error("master lease key")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("/registry/pods/a/b", []byte("k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x00"))
	f.Add("/registry/x.io/y/b", []byte(`{"apiVersion":"v1","kind":"X","metadata":{}}`))
	f.Add("/registry/secrets/a/b", []byte("k8s:enc:aescbc:v1:key1:x"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if o, err := Decode(key, value); err == nil && o.Encoding == "" {
			t.Errorf("no encoding and no error for %q", value)
		}
	})
}

// TestRemoved: a version is gone for the kinds that left it, not for those that
// came into it later.
func TestRemoved(t *testing.T) {
	for _, c := range []struct {
		group, version, kind string
		want                 int
	}{
		{"networking.k8s.io", "v1beta1", "Ingress", 22}, {"networking.k8s.io", "v1beta1", "IPAddress", 0},
		{"certificates.k8s.io", "v1beta1", "CertificateSigningRequest", 22}, {"certificates.k8s.io", "v1beta1", "ClusterTrustBundle", 0},
		{"storage.k8s.io", "v1beta1", "CSIStorageCapacity", 27}, {"storage.k8s.io", "v1beta1", "VolumeAttributesClass", 0},
		{"extensions", "v1beta1", "Deployment", 16}, {"apps", "v1", "Deployment", 0},
	} {
		if got := Removed(c.group, c.version, c.kind); got != c.want {
			t.Errorf("%s/%s %s: %d, want %d", c.group, c.version, c.kind, got, c.want)
		}
	}
}
