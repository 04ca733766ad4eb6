package bundle_test

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/crypto/nacl/secretbox"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/salvor-project/salvor/internal/bundle"
	"github.com/salvor-project/salvor/internal/kube"
)

// plane is a control plane as kubeadm lays it out, below a folder.
type plane struct {
	t    *testing.T
	root string
	ca   []byte // PEM
	sa   *rsa.PrivateKey
	aes  []byte
}

func newPlane(t *testing.T) *plane {
	p := &plane{t: t, root: t.TempDir(), aes: bytes.Repeat([]byte{7}, 32)}
	var err error
	if p.sa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	p.ca = p.authority("/etc/kubernetes/pki/ca", "kubernetes")
	p.authority("/etc/kubernetes/pki/front-proxy-ca", "front-proxy-ca")
	p.write("/etc/kubernetes/pki/sa.key", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(p.sa)))
	public, err := x509.MarshalPKIXPublicKey(&p.sa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	p.write("/etc/kubernetes/pki/sa.pub", pemOf("PUBLIC KEY", public))
	p.write("/etc/kubernetes/manifests/kube-apiserver.yaml", []byte(`spec:
  containers:
  - command:
    - kube-apiserver
    - --service-account-key-file=/etc/kubernetes/pki/sa.pub
    - --encryption-provider-config=/srv/keys/enc.conf
    - --audit-log-path=/var/log/audit.log
    image: registry.k8s.io/kube-apiserver:v1.34.1
`))
	p.write("/srv/keys/enc.conf", []byte(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: k1, secret: `+base64.StdEncoding.EncodeToString(p.aes)+`}]}
  - aesgcm: {keys: [{name: k2, secret: `+base64.StdEncoding.EncodeToString(p.aes)+`}]}
  - secretbox: {keys: [{name: k3, secret: `+base64.StdEncoding.EncodeToString(p.aes)+`}]}
  - identity: {}
`))
	return p
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (p *plane) write(path string, b []byte) {
	p.t.Helper()
	full := filepath.Join(p.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(full, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plane) authority(stem, name string) []byte {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		p.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(stem+".crt", pemOf("CERTIFICATE", der))
	p.write(stem+".key", pemOf("PRIVATE KEY", private))
	return pemOf("CERTIFICATE", der)
}

func (p *plane) bundle() bundle.Bundle {
	return bundle.Bundle{Format: bundle.Format, Cluster: "c", Created: time.Unix(1, 0).UTC(), Config: []byte("cluster: c\n"),
		Hosts: []bundle.Host{bundle.Collect(bundle.Options{Host: "cp-1", Root: p.root})}}
}

// stored encodes an object as kube-apiserver does.
func stored(t *testing.T, o interface {
	metav1.Object
}) (string, []byte) {
	t.Helper()
	c, err := kube.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	switch o := o.(type) {
	case *corev1.Secret:
		b, err := c.Encode(o)
		if err != nil {
			t.Fatal(err)
		}
		return "/registry/secrets/" + o.Namespace + "/" + o.Name, b
	case *corev1.ConfigMap:
		b, err := c.Encode(o)
		if err != nil {
			t.Fatal(err)
		}
		return "/registry/configmaps/" + o.Namespace + "/" + o.Name, b
	}
	t.Fatalf("%T", o)
	return "", nil
}

func (p *plane) token(key *rsa.PrivateKey) *corev1.Secret {
	p.t.Helper()
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + enc.EncodeToString([]byte(`{"iss":"kubernetes/serviceaccount"}`))
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "t"}, Type: corev1.SecretTypeServiceAccountToken,
		Data: map[string][]byte{"token": []byte(signed + "." + enc.EncodeToString(sig))}}
}

// sealed encrypts as kube-apiserver's three local providers do.
func (p *plane) sealed(provider, name, key string, plain []byte) []byte {
	p.t.Helper()
	prefix := fmt.Sprintf("k8s:enc:%s:v1:%s:", provider, name)
	block, err := aes.NewCipher(p.aes)
	if err != nil {
		p.t.Fatal(err)
	}
	switch provider {
	case "aescbc":
		iv := bytes.Repeat([]byte{3}, 16)
		pad := 16 - len(plain)%16
		padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
		return append(append([]byte(prefix), iv...), padded...)
	case "aesgcm":
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			p.t.Fatal(err)
		}
		nonce := bytes.Repeat([]byte{4}, gcm.NonceSize())
		return append(append([]byte(prefix), nonce...), gcm.Seal(nil, nonce, plain, []byte(key))...)
	case "secretbox":
		var k [32]byte
		var nonce [24]byte
		copy(k[:], p.aes)
		return append(append([]byte(prefix), nonce[:]...), secretbox.Seal(nil, plain, &nonce, &k)...)
	}
	return append([]byte(prefix), plain...)
}

func codes(notes []bundle.Note) []string {
	var all []string
	for _, n := range notes {
		all = append(all, strings.TrimSpace(n.Code+" "+n.Args["path"]+n.Args["key"]+n.Args["where"]))
	}
	slices.Sort(all)
	return all
}

func (p *plane) want(b bundle.Bundle, d bundle.Data, want ...string) {
	p.t.Helper()
	slices.Sort(want)
	if got := codes(bundle.Check(b, d)); !slices.Equal(got, want) {
		p.t.Errorf("got %q, want %q", got, want)
	}
}

func TestCollectAndCheck(t *testing.T) {
	p := newPlane(t)
	var r bundle.Reader
	key, value := stored(t, p.token(p.sa))
	r.Add([]byte(key+"1"), p.sealed("aescbc", "k1", key+"1", value))
	r.Add([]byte(key+"2"), p.sealed("aesgcm", "k2", key+"2", value))
	r.Add([]byte(key+"3"), p.sealed("secretbox", "k3", key+"3", value))
	r.Add(stored2(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-root-ca.crt"}, Data: map[string]string{"ca.crt": string(p.ca)}}))
	good := r.Data()
	b := p.bundle()
	p.want(b, good)
	if len(b.Hosts[0].Images) != 1 || b.Hosts[0].Images[0] != "registry.k8s.io/kube-apiserver:v1.34.1" {
		t.Errorf("images %q", b.Hosts[0].Images)
	}

	t.Run("keys that are missing or others", func(t *testing.T) {
		var r bundle.Reader
		r.Add([]byte("/registry/secrets/a/b"), p.sealed("aescbc", "k0", "", []byte("x")))
		r.Add([]byte("/registry/secrets/a/c"), p.sealed("aesgcm", "k2", "/registry/secrets/a/another", value)) // moved: not authentic
		r.Add([]byte("/registry/secrets/a/d"), p.sealed("kms", "vault", "", []byte("x")))
		p.want(b, r.Data(), "bundle-encryption-key k0", "bundle-encryption-wrong k2", "bundle-kms vault")
	})
	t.Run("another cluster's keys", func(t *testing.T) {
		other := newPlane(t)
		b := other.bundle()
		d := good
		d.Encrypted, d.Sealed = nil, nil
		_, v := stored(t, p.token(p.sa))
		_, data, err := kube.Secret(v)
		if err != nil {
			t.Fatal(err)
		}
		d.Tokens = []string{string(data["token"])}
		p.want(b, d, "bundle-account-key /etc/kubernetes/pki/sa.pub", "bundle-authority /etc/kubernetes/pki/ca.crtconfigmaps/kube-system/kube-root-ca.crt#ca.crt")
	})
	t.Run("files that are missing", func(t *testing.T) {
		for _, f := range []string{"/etc/kubernetes/pki/ca.key", "/srv/keys/enc.conf"} {
			if err := os.Remove(filepath.Join(p.root, f)); err != nil {
				t.Fatal(err)
			}
		}
		b := p.bundle()
		d := good
		d.Sealed = nil
		p.want(b, d, "bundle-authority-key /etc/kubernetes/pki/ca.key", "bundle-file /srv/keys/enc.conf",
			"bundle-encryption-key k1", "bundle-encryption-key k2", "bundle-encryption-key k3")
		if left := codes(bundle.Absent(bundle.Check(b, bundle.Data{}), []string{"/srv/keys", "/etc/kubernetes/pki/ca.key"})); len(left) != 0 {
			t.Errorf("left after what may be absent: %q", left)
		}
		p.authority("/etc/kubernetes/pki/ca", "kubernetes")
		p.write("/etc/kubernetes/pki/ca.crt", p.ca) // the old certificate with a new key
		p.want(p.bundle(), bundle.Data{}, "bundle-file /srv/keys/enc.conf", "bundle-key-pair /etc/kubernetes/pki/ca.key")
	})
	t.Run("nothing at all", func(t *testing.T) {
		p.want(bundle.Bundle{Hosts: []bundle.Host{bundle.Collect(bundle.Options{Host: "h", Root: t.TempDir()})}}, bundle.Data{}, "bundle-no-control-plane")
	})
}

func stored2(t *testing.T, o *corev1.ConfigMap) ([]byte, []byte) {
	k, v := stored(t, o)
	return []byte(k), v
}

func TestArchive(t *testing.T) {
	p := newPlane(t)
	p.write("/etc/systemd/system/etcd.service", []byte("[Service]\nEnvironmentFile=/etc/etcd.env\n"))
	if err := os.Symlink("/dev/null", filepath.Join(p.root, "/etc/systemd/system/kubelet.service")); err != nil {
		t.Fatal(err)
	}
	p.write("/etc/systemd/system/own-etcd.service", []byte("[Service]\n"))
	p.write("/srv/pods/etcd.yaml", []byte("image: etcd:1\n"))
	o := bundle.Options{Host: "cp-1", Root: p.root}
	o.Add("/srv/pods/etcd.yaml", "own-etcd")
	o.Add("/srv/pods/gone.yaml", "")
	own := bundle.Collect(o)
	for _, f := range []string{"/etc/systemd/system/own-etcd.service", "/srv/pods/etcd.yaml"} {
		if !slices.ContainsFunc(own.Files, func(x bundle.File) bool { return x.Path == f }) {
			t.Errorf("%s is not collected", f)
		}
	}
	if got := codes(own.Missing); !slices.Equal(got, []string{"bundle-file /etc/etcd.env", "bundle-file /srv/pods/gone.yaml"}) {
		t.Errorf("missing %q", got)
	}
	b := p.bundle()
	var whole bytes.Buffer
	if err := b.Write(&whole); err != nil {
		t.Fatal(err)
	}
	got, err := bundle.Read(bytes.NewReader(whole.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	p.want(got, bundle.Data{}, "bundle-file /etc/etcd.env")
	dir := filepath.Join(t.TempDir(), "out")
	if err := got.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"/etc/kubernetes/pki/sa.key", "/srv/keys/enc.conf"} {
		want, err := os.ReadFile(filepath.Join(p.root, f))
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join(dir, "hosts/cp-1", f))
		if err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s: %v", f, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "salvor.yaml")); err != nil || string(text) != "cluster: c\n" {
		t.Errorf("salvor.yaml: %q, %v", text, err)
	}
	putBack(t, filepath.Join(dir, "hosts/cp-1.tar"), p.root, map[string]string{"/etc/systemd/system/kubelet.service": "/dev/null"})
	if err := got.Unpack(dir); err == nil {
		t.Error("unpacked over what was there")
	}
	evil := b
	evil.Hosts = []bundle.Host{{Name: "..", Files: []bundle.File{{Path: "/x"}}}}
	if err := evil.Unpack(filepath.Join(t.TempDir(), "out")); err == nil {
		t.Error("a host called .. was unpacked")
	}
}

// putBack reads a host's tar as tar -C / would, and holds what comes of it
// against the machine that it was.
func putBack(t *testing.T, file, machine string, links map[string]string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: it holds secrets", info.Mode(), err)
	}
	files, linked := 0, 0
	r := tar.NewReader(f)
	for h, err := r.Next(); err != io.EOF; h, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
		name := "/" + h.Name
		if h.Typeflag == tar.TypeSymlink {
			if linked++; links[name] != h.Linkname {
				t.Errorf("%s leads to %s, want %s", name, h.Linkname, links[name])
			}
			continue
		}
		files++
		want, err := os.ReadFile(filepath.Join(machine, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(machine, name))
		if err != nil {
			t.Fatal(err)
		}
		have, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(have, want) || h.FileInfo().Mode() != info.Mode() || h.Uid != os.Getuid() {
			t.Errorf("%s: %d bytes, mode %s, owner %d, %v", name, len(have), h.FileInfo().Mode(), h.Uid, err)
		}
	}
	if files == 0 || linked != len(links) {
		t.Errorf("%d files and %d links", files, linked)
	}
}

// TestScanner feeds a stream in pieces of every size.
func TestScanner(t *testing.T) {
	text := "xx k8s:enc:aescbc:v1:key1:\x00\x01 k8s:enc:k8s:enc:kms:v2:vault:\x02 k8s:enc:aesgcm:v1:\x00: k8s:enc:secretbox:v1:end:"
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text))} {
		var out bytes.Buffer
		s := bundle.NewScanner(&out)
		if _, err := io.Copy(s, struct{ io.Reader }{r}); err != nil || out.String() != text {
			t.Fatal(err)
		}
		want := []string{"aescbc:key1", "kms:vault", "secretbox:end"}
		if got := s.Found(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
