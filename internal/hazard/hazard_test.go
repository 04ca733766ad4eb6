package hazard

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"crypto"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
)

// stored is the value of an object as kube-apiserver writes it: the envelope
// of runtime.Unknown behind the magic.
func stored(t *testing.T, apiVersion, kind string, obj interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := obj.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	b, err := u.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("k8s\x00"), b...)
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name)}
}

// healthy adds what every cluster has.
func healthy(t *testing.T, s *Scan) {
	t.Helper()
	for _, n := range []string{"default", "kube-system"} {
		s.Add("/registry/namespaces/"+n, stored(t, "v1", "Namespace", &corev1.Namespace{ObjectMeta: meta("", n)}))
	}
	s.Add("/registry/services/specs/default/kubernetes", stored(t, "v1", "Service", &corev1.Service{ObjectMeta: meta("default", "kubernetes")}))
	s.Add("/registry/clusterroles/cluster-admin", stored(t, "rbac.authorization.k8s.io/v1", "ClusterRole", &rbacv1.ClusterRole{ObjectMeta: meta("", "cluster-admin")}))
	s.Add("/registry/clusterrolebindings/cluster-admin", stored(t, "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", &rbacv1.ClusterRoleBinding{ObjectMeta: meta("", "cluster-admin")}))
}

func pointer[T any](v T) *T { return &v }

func TestHealthyData(t *testing.T) {
	s := New(Inputs{Minor: 34})
	healthy(t, s)
	h := s.Done()
	if h.Objects != 5 || h.System != "uid--kube-system" || len(h.Missing)+len(h.Webhooks)+len(h.Encrypted) > 0 || h.Deleting.Count+h.Unreadable.Count+h.Gone.Count+h.Dangling.Count > 0 {
		t.Errorf("%+v", h)
	}
	if h = New(Inputs{}).Done(); len(h.Missing) > 0 {
		t.Error("an etcd without Kubernetes lacks nothing")
	}
}

func TestHazards(t *testing.T) {
	s := New(Inputs{Minor: 34, Encryption: cluster.Unknown[kube.Encryption]("not here")})
	healthy(t, s)
	hook := func(name string, policy admissionv1.FailurePolicyType, resources ...string) admissionv1.MutatingWebhook {
		return admissionv1.MutatingWebhook{Name: name, FailurePolicy: &policy,
			ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "kruise", Name: "hook"}},
			Rules:        []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: admissionv1.Rule{APIGroups: []string{""}, Resources: resources}}}}
	}
	s.Add("/registry/mutatingwebhookconfigurations/kruise", stored(t, "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration",
		&admissionv1.MutatingWebhookConfiguration{ObjectMeta: meta("", "kruise"), Webhooks: []admissionv1.MutatingWebhook{
			hook("mpod.kb.io", admissionv1.Fail, "pods"), hook("ignored", admissionv1.Ignore, "pods"), hook("harmless", admissionv1.Fail, "clonesets")}}))
	volume := func(name string, policy corev1.PersistentVolumeReclaimPolicy, phase corev1.PersistentVolumePhase, claim string) {
		pv := &corev1.PersistentVolume{ObjectMeta: meta("", name), Spec: corev1.PersistentVolumeSpec{PersistentVolumeReclaimPolicy: policy}, Status: corev1.PersistentVolumeStatus{Phase: phase}}
		if claim != "" {
			pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: claim}
		}
		s.Add("/registry/persistentvolumes/"+name, stored(t, "v1", "PersistentVolume", pv))
	}
	volume("released", corev1.PersistentVolumeReclaimDelete, corev1.VolumeReleased, "")
	volume("claimless", corev1.PersistentVolumeReclaimDelete, corev1.VolumeBound, "lost")
	volume("bound", corev1.PersistentVolumeReclaimDelete, corev1.VolumeBound, "kept")
	volume("retained", corev1.PersistentVolumeReclaimRetain, corev1.VolumeReleased, "")
	s.Add("/registry/persistentvolumeclaims/default/kept", stored(t, "v1", "PersistentVolumeClaim", &corev1.PersistentVolumeClaim{ObjectMeta: meta("default", "kept")}))
	s.Add("/registry/jobs/default/open", stored(t, "batch/v1", "Job", &batchv1.Job{ObjectMeta: meta("default", "open")}))
	s.Add("/registry/jobs/default/done", stored(t, "batch/v1", "Job", &batchv1.Job{ObjectMeta: meta("default", "done"), Status: batchv1.JobStatus{CompletionTime: pointer(metav1.Now())}}))
	s.Add("/registry/cronjobs/default/nightly", stored(t, "batch/v1", "CronJob", &batchv1.CronJob{ObjectMeta: meta("default", "nightly")}))
	s.Add("/registry/cronjobs/default/asleep", stored(t, "batch/v1", "CronJob", &batchv1.CronJob{ObjectMeta: meta("default", "asleep"), Spec: batchv1.CronJobSpec{Suspend: pointer(true)}}))
	s.Add("/registry/poddisruptionbudgets/default/old", stored(t, "policy/v1beta1", "PodDisruptionBudget", &corev1.ConfigMap{ObjectMeta: meta("default", "old")}))
	dying := meta("default", "dying")
	dying.DeletionTimestamp = pointer(metav1.NewTime(time.Unix(1, 0)))
	s.Add("/registry/configmaps/default/dying", stored(t, "v1", "ConfigMap", &corev1.ConfigMap{ObjectMeta: dying}))
	orphan := meta("default", "orphan")
	orphan.OwnerReferences = []metav1.OwnerReference{{UID: "nobody"}}
	s.Add("/registry/configmaps/default/orphan", stored(t, "v1", "ConfigMap", &corev1.ConfigMap{ObjectMeta: orphan}))
	s.Add("/registry/minions/node-1", stored(t, "v1", "Node", &corev1.Node{ObjectMeta: meta("", "node-1")}))
	s.Add("/registry/masterleases/10.9.9.9", stored(t, "v1", "Endpoints", &corev1.ConfigMap{ObjectMeta: meta("", "10.9.9.9")}))
	s.Add("/registry/endpointslices/kruise/hook-x", stored(t, "discovery.k8s.io/v1", "EndpointSlice", &discoveryv1.EndpointSlice{ObjectMeta: meta("kruise", "hook-x")}))
	s.Add("/registry/configmaps/default/broken", []byte("k8s\x00garbage"))
	h := s.Done()
	if len(h.Webhooks) != 1 || h.Webhooks[0].Name != "mpod.kb.io" || h.Webhooks[0].Backend || h.Webhooks[0].Hits[0] != "pods" {
		t.Errorf("webhooks %+v", h.Webhooks)
	}
	for what, c := range map[string]struct {
		got  cluster.Names
		want string
	}{
		"volumes": {h.Volumes, "released claimless"}, "jobs": {h.Jobs, "/registry/jobs/default/open"}, "cron jobs": {h.CronJobs, "/registry/cronjobs/default/nightly"},
		"gone": {h.Gone, "policy/v1beta1 PodDisruptionBudget (removed in 1.25)"}, "deleting": {h.Deleting, "/registry/configmaps/default/dying"},
		"dangling": {h.Dangling, "/registry/configmaps/default/orphan"}, "unreadable": {h.Unreadable, "/registry/configmaps/default/broken"},
	} {
		if got := strings.Join(c.got.First, " "); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	if h.DeletePolicy != 3 || strings.Join(h.Nodes, "") != "node-1" || strings.Join(h.MasterLeases, "") != "10.9.9.9" {
		t.Errorf("%+v", h)
	}
}

// sealedCBC encrypts as kube-apiserver's aescbc provider does.
func sealedCBC(t *testing.T, key []byte, name string, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(append([]byte{}, plain...), bytes.Repeat([]byte{byte(pad)}, pad)...)
	out := make([]byte, aes.BlockSize+len(plain))
	if _, err := rand.Read(out[:aes.BlockSize]); err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], plain)
	return append([]byte("k8s:enc:aescbc:v1:"+name+":"), out...)
}

func sealedGCM(t *testing.T, key []byte, name, etcdKey string, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, g.NonceSize())
	return append([]byte("k8s:enc:aesgcm:v1:"+name+":"), g.Seal(nonce, nonce, plain, []byte(etcdKey))...)
}

func configuration(t *testing.T, provider, name string, key []byte) cluster.Known[kube.Encryption] {
	t.Helper()
	return cluster.From(kube.ReadEncryption([]byte(fmt.Sprintf("kind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - %s:\n      keys:\n      - {name: %s, secret: %s}\n  - identity: {}\n",
		provider, name, base64.StdEncoding.EncodeToString(key)))))
}

// TestEncryption tries every way to lose a key: none configured, another name,
// another key of the same name, the right one; and KMS, which cannot be tried.
func TestEncryption(t *testing.T) {
	right, wrong := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	const at = "/registry/secrets/default/x"
	plain := stored(t, "v1", "Secret", &corev1.Secret{ObjectMeta: meta("default", "x")})
	cbc, gcm := sealedCBC(t, right, "key1", plain), sealedGCM(t, right, "key1", at, plain)
	for name, c := range map[string]struct {
		conf               cluster.Known[kube.Encryption]
		value              []byte
		configured, opened cluster.Known[bool]
	}{
		"right cbc":    {configuration(t, "aescbc", "key1", right), cbc, cluster.Is(true), cluster.Is(true)},
		"wrong cbc":    {configuration(t, "aescbc", "key1", wrong), cbc, cluster.Is(true), cluster.Is(false)},
		"other name":   {configuration(t, "aescbc", "key2", right), cbc, cluster.Is(false), cluster.Is(false)},
		"right gcm":    {configuration(t, "aesgcm", "key1", right), gcm, cluster.Is(true), cluster.Is(true)},
		"wrong gcm":    {configuration(t, "aesgcm", "key1", wrong), gcm, cluster.Is(true), cluster.Is(false)},
		"no config":    {cluster.Is(kube.Encryption{Identity: true}), cbc, cluster.Is(false), cluster.Is(false)},
		"config lost":  {cluster.Unknown[kube.Encryption]("permission denied"), cbc, cluster.Unknown[bool](""), cluster.Unknown[bool]("")},
		"kms, no name": {configuration(t, "aescbc", "key1", right), []byte("k8s:enc:kms:v2:vault:xyz"), cluster.Is(false), cluster.Unknown[bool]("")},
	} {
		s := New(Inputs{Encryption: c.conf})
		s.Add(at, c.value)
		s.Add(at+"2", c.value)
		h := s.Done()
		if len(h.Encrypted) != 1 || h.Encrypted[0].Values != 2 {
			t.Fatalf("%s: %+v", name, h.Encrypted)
		}
		e := h.Encrypted[0]
		if e.Configured.OK != c.configured.OK || e.Configured.Value != c.configured.Value || e.Opened.OK != c.opened.OK || e.Opened.Value != c.opened.Value {
			t.Errorf("%s: configured %+v, opened %+v", name, e.Configured, e.Opened)
		}
	}
}

// TestIdentity compares the authority and the tokens in the data with the
// machine's.
func TestIdentity(t *testing.T) {
	ca, err := pki.NewAuthority("kubernetes", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"RS256"}`)) + "." + b64([]byte(`{"iss":"kubernetes/serviceaccount"}`))
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	public := func(k *rsa.PrivateKey) cluster.Known[[]byte] {
		der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return cluster.Is(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	want, err := pki.PublicDigest(ca.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key cluster.Known[[]byte]
		ok  cluster.Known[bool]
	}{"the right key": {public(key), cluster.Is(true)}, "another key": {public(other), cluster.Is(false)}, "no key": {cluster.Unknown[[]byte]("gone"), cluster.Unknown[bool]("")}} {
		s := New(Inputs{TokenKey: c.key})
		s.Add("/registry/configmaps/kube-system/kube-root-ca.crt", stored(t, "v1", "ConfigMap", &corev1.ConfigMap{ObjectMeta: meta("kube-system", "kube-root-ca.crt"), Data: map[string]string{"ca.crt": string(ca.Certificate())}}))
		s.Add("/registry/secrets/default/token", stored(t, "v1", "Secret", &corev1.Secret{ObjectMeta: meta("default", "token"), Type: corev1.SecretTypeServiceAccountToken,
			Data: map[string][]byte{"token": []byte(signed + "." + b64(sig))}}))
		h := s.Done()
		if !h.Authority.OK || h.Authority.Value != want {
			t.Errorf("%s: authority %+v", name, h.Authority)
		}
		if h.TokensSigned.OK != c.ok.OK || h.TokensSigned.Value != c.ok.Value {
			t.Errorf("%s: %+v", name, h.TokensSigned)
		}
	}
}

// TestListedNames: namespaces and definitions are listed whole or not at all,
// encrypted ones too, and none that was being deleted.
func TestListedNames(t *testing.T) {
	s := New(Inputs{})
	healthy(t, s)
	ending := meta("", "ending")
	ending.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	s.Add("/registry/namespaces/ending", stored(t, "v1", "Namespace", &corev1.Namespace{ObjectMeta: ending}))
	s.Add("/registry/namespaces/sealed", []byte("k8s:enc:aescbc:v1:key1:xxxx"))
	s.Add("/registry/apiextensions.k8s.io/customresourcedefinitions/orders.example.com",
		[]byte(`{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"orders.example.com"},"spec":{"group":"example.com"}}`))
	h := s.Done()
	if got := fmt.Sprint(h.Namespaces, h.Definitions); got != "{[default kube-system sealed] true } {[orders.example.com] true }" {
		t.Error(got)
	}
	s = New(Inputs{})
	for i := range cluster.MaxListed + 1 {
		n := fmt.Sprintf("n%d", i)
		s.Add("/registry/namespaces/"+n, stored(t, "v1", "Namespace", &corev1.Namespace{ObjectMeta: meta("", n)}))
	}
	if h = s.Done(); h.Namespaces.OK || !strings.Contains(h.Namespaces.Why, "1001") || !h.Definitions.OK || h.Definitions.Value == nil {
		t.Errorf("%v %v", h.Namespaces, h.Definitions)
	}
}
