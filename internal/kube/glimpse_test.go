package kube

import (
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// aPod is a stored pod with everything that a glimpse reads, and much else.
func aPod(t testing.TB) []byte {
	t.Helper()
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	at := metav1.NewTime(time.Unix(1_700_000_000, 0))
	b, err := c.Encode(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "uid-1", Labels: map[string]string{"app": "web", "empty": ""}, Annotations: map[string]string{"a": "b"},
			DeletionTimestamp: &at, CreationTimestamp: at, OwnerReferences: []metav1.OwnerReference{{UID: "o1", Name: "rs"}, {UID: "o2"}},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet", Operation: "Update", Subresource: "status"}}},
		Spec:   corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status: corev1.PodStatus{Phase: corev1.PodSucceeded}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// agree holds a glimpse against the whole reading of the same value.
func agree(t *testing.T, value []byte) {
	t.Helper()
	full, err := Decode("/registry/pods/default/web", value)
	if err != nil {
		return
	}
	o, err := Glimpse("/registry/pods/default/web", value, true)
	if err != nil {
		t.Fatalf("what can be read in full cannot be glimpsed at: %v", err)
	}
	if o.Kind != full.Kind || o.Group != full.Group || o.Version != full.Version || o.UID != full.UID || o.Deleting != full.Deleting || !slices.Equal(o.Owners, full.Owners) || !maps.Equal(o.Labels, full.Labels) {
		t.Errorf("a glimpse gives %+v, the whole %+v", o, full)
	}
}

func TestGlimpse(t *testing.T) {
	b := aPod(t)
	agree(t, b)
	if o, err := Glimpse("/registry/pods/default/web", b, false); err != nil || o.Labels != nil || o.UID != "uid-1" || !o.Deleting || len(o.Owners) != 2 {
		t.Errorf("%+v %v", o, err)
	}
	if node, runs, err := PodNode(b); err != nil || node != "node-1" || runs {
		t.Errorf("%s %v %v", node, runs, err)
	}
	for _, broken := range [][]byte{b[:len(b)/2], []byte(prefixProtobuf), []byte(prefixProtobuf + "\xff\xff")} {
		if _, err := Glimpse("/registry/pods/default/web", broken, true); err == nil {
			t.Errorf("%q is no object", broken[:min(len(broken), 20)])
		}
	}
}

func FuzzGlimpse(f *testing.F) {
	f.Add(aPod(f))
	f.Fuzz(func(t *testing.T, value []byte) {
		_, _ = Glimpse("/registry/pods/default/web", value, true)
		_, _, _ = PodNode(value)
		_, _ = ReadDefinition(value)
		_, _ = APIServiceBackend(value)
	})
}
