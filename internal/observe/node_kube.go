package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
)

// Where kubeadm and the kubelet keep what is read here.
const (
	kubeDir      = "/etc/kubernetes"
	manifestDir  = "/etc/kubernetes/manifests"
	kubeletDir   = "/var/lib/kubelet"
	podLogDir    = "/var/log/pods"
	maxSmallFile = 4 << 20
)

// pkiDirs are the places of a control plane's certificates: kubeadm's, and
// kubespray's.
func pkiDirs() []string { return []string{"/etc/kubernetes/pki", "/etc/kubernetes/ssl"} }

func readLimited(r io.Reader, path string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSmallFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSmallFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxSmallFile>>20)
	}
	return b, nil
}

func (m machine) kubernetes(ctx context.Context) cluster.Known[cluster.KubernetesFacts] {
	var k cluster.KubernetesFacts
	present := got(ctx, m.present)
	if !present.OK {
		return cluster.Unknown[cluster.KubernetesFacts]("%s", present.Why)
	}
	if k.Present = present.Value; !k.Present {
		return cluster.Is(k)
	}
	var wg sync.WaitGroup
	wg.Go(func() { k.Manifests = got(ctx, m.manifests) })
	wg.Go(func() {
		c := inTime(ctx, credentials{certs: []cluster.KubeCertificate{{Path: kubeDir, Certificate: cluster.Unknown[cluster.Certificate](late)}}}, m.credentials)
		k.Certs, k.Configs = c.certs, c.configs
	})
	wg.Go(func() {
		k.Identity = inTime(ctx, []cluster.Fingerprint{{Path: kubeDir, Digest: cluster.Unknown[string](late)}}, m.identity)
	})
	wg.Go(func() {
		k.Kubelet = fact(ctx, func() cluster.Known[cluster.ServiceFacts] { return m.kubelet(ctx) })
	})
	wg.Go(func() {
		k.Runtime = fact(ctx, func() cluster.Known[cluster.ServiceFacts] { return m.runtime(ctx) })
	})
	wg.Go(func() { k.Running = got(ctx, m.running) })
	wg.Go(func() { k.Served = m.servedByComponents(ctx) })
	wg.Go(func() { k.Restarts = got(ctx, m.restarts) })
	wg.Wait()
	k.Images = fact(ctx, func() cluster.Known[[]cluster.Image] { return m.images(ctx, k.Manifests) })
	k.Encrypt = fact(ctx, func() cluster.Known[cluster.EncryptionFacts] { return m.encryption(k.Manifests) })
	k.Parked = fact(ctx, func() cluster.Known[[]cluster.Manifest] { return m.parked(k.Manifests) })
	if len(k.Parked.Value) > 0 {
		k.ParkedBy = inTime(ctx, "", func() string { return m.heldBy(podsOf(k.Parked.Value)) })
	}
	return cluster.Is(k)
}

// present tells whether anything of Kubernetes lies on the machine.
func (m machine) present() (bool, error) {
	is := false
	for _, dir := range []string{kubeDir, kubeletDir} {
		_, err := os.Stat(m.at(dir))
		switch {
		case err == nil:
			is = true
		case !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
	}
	return is, nil
}

// credentials are the certificates and kubeconfigs of a machine.
type credentials struct {
	certs   []cluster.KubeCertificate
	configs []cluster.KubeConfig
}

func (m machine) credentials() credentials {
	certs, configs := m.kubeCertificates()
	return credentials{certs, configs}
}

// manifests reads every file that the kubelet would load.
func (m machine) manifests() ([]cluster.Manifest, error) {
	dir := m.staticPodPath()
	entries, err := os.ReadDir(m.at(dir))
	out := []cluster.Manifest{}
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil // a worker has no such folder, and so no static pods
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.IsDir() {
			continue
		}
		out = append(out, m.manifest(dir, e))
	}
	return out, nil
}

func (m machine) manifest(dir string, e fs.DirEntry) cluster.Manifest {
	f := cluster.Manifest{Path: filepath.Join(dir, e.Name())}
	if info, err := e.Info(); err == nil {
		f.Size, f.Modified = info.Size(), info.ModTime().UTC()
	}
	b, err := m.read(f.Path)
	if err != nil {
		f.Pod = cluster.Unknown[cluster.StaticPod]("%v", err)
		return f
	}
	f.Pod = m.staticPod(b)
	return f
}

// staticPodPath is where the kubelet's configuration says its manifests are.
func (m machine) staticPodPath() string {
	b, err := m.read(kubeletDir + "/config.yaml")
	if err != nil {
		return manifestDir
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "staticPodPath:"); ok {
			if p := strings.Trim(strings.TrimSpace(v), `"'`); filepath.IsAbs(p) {
				return filepath.Clean(p)
			}
		}
	}
	return manifestDir
}

func (m machine) staticPod(b []byte) cluster.Known[cluster.StaticPod] {
	p, err := kube.ReadPodFile(b)
	if err != nil {
		return cluster.Unknown[cluster.StaticPod]("%v", err)
	}
	out := cluster.StaticPod{Name: p.Name, Namespace: p.Namespace, Image: p.Image}
	out.Command = RedactArgs(p.Command)
	for _, f := range p.FileFlags() {
		host, ok := p.OnHost(f)
		if !ok {
			continue // inside the image: nothing can be said
		}
		if _, err := os.Stat(m.at(host)); errors.Is(err, fs.ErrNotExist) {
			out.Missing = append(out.Missing, host)
		}
	}
	return cluster.Is(out)
}

// leaf is a certificate file of a control plane with its authority.
type leaf struct{ role, file, key, authority string }

func leaves() []leaf {
	return []leaf{
		{"ca", "ca.crt", "ca.key", ""},
		{"etcd-ca", "etcd/ca.crt", "etcd/ca.key", ""},
		{"front-proxy-ca", "front-proxy-ca.crt", "front-proxy-ca.key", ""},
		{"apiserver", "apiserver.crt", "apiserver.key", "ca.crt"},
		{"apiserver-etcd-client", "apiserver-etcd-client.crt", "apiserver-etcd-client.key", "etcd/ca.crt"},
		{"apiserver-kubelet-client", "apiserver-kubelet-client.crt", "apiserver-kubelet-client.key", "ca.crt"},
		{"front-proxy-client", "front-proxy-client.crt", "front-proxy-client.key", "front-proxy-ca.crt"},
		{"etcd-server", "etcd/server.crt", "etcd/server.key", "etcd/ca.crt"},
		{"etcd-peer", "etcd/peer.crt", "etcd/peer.key", "etcd/ca.crt"},
		{"etcd-healthcheck", "etcd/healthcheck-client.crt", "etcd/healthcheck-client.key", "etcd/ca.crt"},
	}
}

// kubeCertificates reads what lies below the PKI folders, what the kubelet
// holds, and what is embedded in kubeconfigs.
func (m machine) kubeCertificates() ([]cluster.KubeCertificate, []cluster.KubeConfig) {
	var out []cluster.KubeCertificate
	for _, dir := range pkiDirs() {
		for _, l := range leaves() {
			path := filepath.Join(dir, l.file)
			if _, err := os.Lstat(m.at(path)); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			c := cluster.KubeCertificate{Role: l.role, Path: path}
			authority := ""
			if l.authority != "" {
				authority = filepath.Join(dir, l.authority)
			}
			out = append(out, m.fill(c, authority, filepath.Join(dir, l.key)))
		}
	}
	for role, file := range map[string]string{"kubelet-client": "kubelet-client-current.pem", "kubelet-server": "kubelet.crt"} {
		path := filepath.Join(kubeletDir, "pki", file)
		if _, err := os.Lstat(m.at(path)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		key, authority := path, m.authority()
		if role == "kubelet-server" {
			key, authority = strings.TrimSuffix(path, ".crt")+".key", ""
		}
		out = append(out, m.fill(cluster.KubeCertificate{Role: role, Path: path}, authority, key))
	}
	configs, embedded := m.kubeconfigs()
	out = append(out, embedded...)
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, configs
}

// authority is the cluster's CA file.
func (m machine) authority() string {
	for _, dir := range pkiDirs() {
		path := filepath.Join(dir, "ca.crt")
		if _, err := os.Stat(m.at(path)); err == nil {
			return path
		}
	}
	return ""
}

// fill reads a certificate file and holds it against authority and key.
func (m machine) fill(c cluster.KubeCertificate, authority, key string) cluster.KubeCertificate {
	data, err := m.read(c.Path)
	if err != nil {
		c.Certificate = cluster.Unknown[cluster.Certificate]("%v", err)
		return c
	}
	return m.fillFrom(c, data, authority, key)
}

func (m machine) fillFrom(c cluster.KubeCertificate, data []byte, authority, key string) cluster.KubeCertificate {
	certs, err := pki.Parse(data, c.Path, c.Role)
	if err != nil {
		c.Certificate = cluster.Unknown[cluster.Certificate]("%v", err)
		return c
	}
	c.Certificate = cluster.Is(bestOf(c.Role, certs))
	if authority != "" {
		c.Authority = authority
		ca, err := m.read(authority)
		if err != nil {
			c.Issued = cluster.Unknown[bool]("%v", err)
		} else {
			c.Issued = cluster.From(pki.Issued(data, ca))
		}
	}
	if key != "" {
		k, err := m.read(key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			// a CA's key may well be kept elsewhere
		case err != nil:
			c.KeyFits = cluster.Unknown[bool]("%v", err)
		default:
			c.KeyFits = cluster.From(pki.KeyFits(data, k))
		}
	}
	return c
}

// bestOf picks the certificate that decides: the first of a leaf's file; of a
// bundle of authorities the one that ends last, since an old one beside a
// valid one does no harm.
func bestOf(role string, certs []cluster.Certificate) cluster.Certificate {
	best := certs[0]
	if !strings.HasSuffix(role, "ca") {
		return best
	}
	for _, c := range certs[1:] {
		if c.NotAfter.After(best.NotAfter) {
			best = c
		}
	}
	return best
}

func (m machine) kubeconfigs() ([]cluster.KubeConfig, []cluster.KubeCertificate) {
	var configs []cluster.KubeConfig
	var certs []cluster.KubeCertificate
	for _, name := range []string{"admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf", "bootstrap-kubelet.conf"} {
		path := filepath.Join(kubeDir, name)
		b, err := m.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c := cluster.KubeConfig{Path: path}
		var a kube.Access
		if err == nil {
			a, err = kube.ReadKubeconfig(path, b)
		}
		if err != nil {
			c.Server, c.CA = cluster.Unknown[string]("%v", err), cluster.Unknown[string]("%v", err)
			configs = append(configs, c)
			continue
		}
		c.Server, c.ClientFile = cluster.Is(a.Server), a.ClientFile
		ca := a.CA
		if len(ca) == 0 && a.CAFile != "" {
			ca, err = m.read(a.CAFile)
		}
		if err != nil {
			c.CA = cluster.Unknown[string]("%v", err)
		} else {
			c.CA = cluster.From(pki.PublicDigest(ca))
		}
		configs = append(configs, c)
		if len(a.Client) > 0 {
			certs = append(certs, m.fillFrom(cluster.KubeCertificate{Role: "kubeconfig", Path: path}, a.Client, m.authority(), ""))
		}
	}
	return configs, certs
}

// identity takes the fingerprints that all machines of a control plane share.
func (m machine) identity() []cluster.Fingerprint {
	var out []cluster.Fingerprint
	for _, dir := range pkiDirs() {
		for _, f := range []struct{ name, file string }{
			{"ca", "ca.crt"}, {"etcd-ca", "etcd/ca.crt"}, {"front-proxy-ca", "front-proxy-ca.crt"},
			{"service-account-public", "sa.pub"}, {"service-account-private", "sa.key"},
		} {
			path := filepath.Join(dir, f.file)
			b, err := m.read(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			p := cluster.Fingerprint{Name: f.name, Path: path}
			if err != nil {
				p.Digest = cluster.Unknown[string]("%v", err)
			} else {
				p.Digest = cluster.From(pki.PublicDigest(b))
			}
			out = append(out, p)
		}
	}
	if path := m.encryptionPath(cluster.From(m.manifests())); path != "" {
		p := cluster.Fingerprint{Name: "encryption-config", Path: path}
		b, err := m.read(path)
		if err != nil {
			p.Digest = cluster.Unknown[string]("%v", err)
		} else {
			e, err := kube.ReadEncryption(b)
			p.Digest = cluster.From(e.Digest(), err)
		}
		out = append(out, p)
	}
	return out
}

// encryptionPath is the file that the API server's flag leads to on the host.
func (m machine) encryptionPath(ms cluster.Known[[]cluster.Manifest]) string {
	for _, f := range ms.Value {
		if !f.Pod.OK || !strings.HasPrefix(f.Pod.Value.Name, "kube-apiserver") {
			continue
		}
		inside, ok := f.Pod.Value.Flag("encryption-provider-config")
		if !ok {
			continue
		}
		b, err := m.read(f.Path)
		if err != nil {
			return inside
		}
		if p, err := kube.ReadPodFile(b); err == nil {
			if host, ok := p.OnHost(inside); ok {
				return host
			}
		}
		return inside
	}
	return ""
}

func (m machine) encryption(ms cluster.Known[[]cluster.Manifest]) cluster.Known[cluster.EncryptionFacts] {
	if !ms.OK {
		return cluster.Unknown[cluster.EncryptionFacts]("%s", ms.Why)
	}
	path := m.encryptionPath(ms)
	if path == "" {
		return cluster.Is(cluster.EncryptionFacts{Keys: []string{}, Identity: true})
	}
	b, err := m.read(path)
	if err != nil {
		return cluster.Unknown[cluster.EncryptionFacts]("%v", err)
	}
	e, err := kube.ReadEncryption(b)
	if err != nil {
		return cluster.Unknown[cluster.EncryptionFacts]("%v", err)
	}
	return cluster.Is(cluster.EncryptionFacts{Path: path, Keys: e.Names, Identity: e.Identity})
}
