package observe

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/pki"
)

// master is the files of one kubeadm control plane machine that does not run.
type master struct {
	machine
	t  *testing.T
	ca *pki.Authority
}

// year is how long the leaves of a test master hold.
const year = 365 * 24 * time.Hour

// newMaster lays a whole machine out: PKI, kubeconfigs, manifests, kubelet,
// logs, mount table.
func newMaster(t *testing.T, ca *pki.Authority) master {
	t.Helper()
	m := master{machine: machine{root: t.TempDir(), host: "cp-1", cfg: cluster.Config{
		Hosts:   []cluster.Host{{Name: "cp-1", Via: cluster.ViaSSH}},
		Members: []cluster.Member{{Name: "cp-1", Host: "cp-1", DataDir: "/var/lib/etcd"}}}}, t: t, ca: ca}
	now := time.Now()
	pkiDir := "/etc/kubernetes/pki/"
	for _, l := range leaves() {
		if l.authority == "" {
			m.write(pkiDir+l.file, ca.Certificate())
			continue
		}
		p := m.issue(l.role, now.Add(-time.Hour), now.Add(year))
		m.write(pkiDir+l.file, p.Cert)
		m.write(pkiDir+l.key, p.Key)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	m.serviceAccount(key, &key.PublicKey)
	p := m.issue("system:node:cp-1", now.Add(-time.Hour), now.Add(year))
	m.write("/var/lib/kubelet/pki/kubelet-client-current.pem", append(append([]byte{}, p.Cert...), p.Key...))
	for _, name := range []string{"admin", "controller-manager", "scheduler"} {
		m.kubeconfig(name, "https://10.0.0.100:6443", m.issue(name, now.Add(-time.Hour), now.Add(year)))
	}
	m.write("/var/lib/kubelet/config.yaml", []byte("kind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\n"))
	m.write("/etc/kubernetes/enc/encryption.yaml", []byte(encryptionYAML))
	for _, name := range []string{"etcd", "kube-controller-manager", "kube-scheduler"} {
		m.manifest(name, name, "--data-dir=/var/lib/"+name)
	}
	m.manifest("kube-apiserver", "kube-apiserver", "--advertise-address=10.0.0.11", "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
		"--encryption-provider-config=/etc/kubernetes/enc/encryption.yaml")
	m.write("/proc/self/mountinfo", []byte("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"))
	m.write("/etc/fstab", []byte("# nothing\n/dev/sda1 / ext4 defaults 0 1\n"))
	return m
}

const encryptionYAML = `kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers:
  - aescbc:
      keys:
      - name: key1
        secret: YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=
  - identity: {}
`

func (m master) write(path string, b []byte) {
	m.t.Helper()
	to := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m master) issue(name string, from, to time.Time) pki.Pair {
	m.t.Helper()
	p, err := m.ca.Issue(pki.Request{Use: pki.Server, CommonName: name, Hosts: []string{"cp-1", "127.0.0.1"}, NotBefore: from, NotAfter: to})
	if err != nil {
		m.t.Fatal(err)
	}
	return p
}

func (m master) serviceAccount(key *rsa.PrivateKey, pub *rsa.PublicKey) {
	m.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("/etc/kubernetes/pki/sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	m.write("/etc/kubernetes/pki/sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (m master) kubeconfig(name, server string, p pki.Pair) {
	b64 := base64.StdEncoding.EncodeToString
	m.write("/etc/kubernetes/"+name+".conf", []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts:
- name: c
  context: {cluster: k, user: u}
clusters:
- name: k
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: u
  user: {client-certificate-data: %s, client-key-data: %s}
`, server, b64(m.ca.Certificate()), b64(p.Cert), b64(p.Key))))
}

func (m master) manifest(file, pod string, flags ...string) {
	m.write("/etc/kubernetes/manifests/"+file+".yaml", []byte(fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: kube-system}
spec:
  hostNetwork: true
  containers:
  - name: %s
    image: registry.k8s.io/%s:v1.34.2
    command: ["%s", "%s"]
    volumeMounts:
    - {name: k, mountPath: /etc/kubernetes}
  volumes:
  - name: k
    hostPath: {path: /etc/kubernetes}
`, pod, pod, pod, pod, strings.Join(flags, `", "`))))
}

func authority(t *testing.T) *pki.Authority { return authorityNamed(t, "kubernetes") }

func authorityNamed(t *testing.T, name string) *pki.Authority {
	t.Helper()
	ca, err := pki.NewAuthority(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// facts are those of a machine in a cluster of one host, as a diagnosis takes
// them.
func (m master) facts() cluster.HostFacts {
	return cluster.HostFacts{Name: m.host, Node: m.node(context.Background()),
		Reached: cluster.Is(cluster.HostInfo{Hostname: m.host, Clock: time.Now()})}
}
