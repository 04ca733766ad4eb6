package observe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// diagnosed gives the codes that the files of machines lead to.
func diagnosed(ms ...master) map[diagnose.Code]diagnose.Finding {
	f := cluster.Facts{At: time.Now()}
	for _, m := range ms {
		h := m.facts()
		f.Config.Hosts = append(f.Config.Hosts, cluster.Host{Name: m.host, Via: cluster.ViaSSH})
		f.Hosts = append(f.Hosts, h)
	}
	out := map[diagnose.Code]diagnose.Finding{}
	for _, x := range diagnose.Diagnose(f).Findings {
		out[x.Code] = x
	}
	return out
}

// TestHealthyFiles wants nothing found on a machine whose files are in order.
func TestHealthyFiles(t *testing.T) {
	m := newMaster(t, authority(t))
	k := m.node(context.Background()).Kubernetes
	if !k.OK || !k.Value.Present || len(k.Value.Manifests.Value) != 4 || len(k.Value.Certs) != 14 || len(k.Value.Identity) != 6 || len(k.Value.Configs) != 3 {
		t.Fatalf("read %d manifests, %d certificates, %d fingerprints, %d kubeconfigs: %+v", len(k.Value.Manifests.Value), len(k.Value.Certs), len(k.Value.Identity), len(k.Value.Configs), k)
	}
	for _, c := range k.Value.Certs {
		if !c.Certificate.OK || c.Issued.OK && !c.Issued.Value || c.KeyFits.OK && !c.KeyFits.Value {
			t.Errorf("%s (%s): %+v", c.Path, c.Role, c)
		}
	}
	if e := k.Value.Encrypt; !e.OK || len(e.Value.Keys) != 1 || e.Value.Keys[0] != "aescbc/key1" || !e.Value.Identity {
		t.Errorf("encryption: %+v", e)
	}
	if got := diagnosed(m); len(got) > 0 {
		for c, f := range got {
			if f.Severity != diagnose.Info {
				t.Errorf("found %s: %v", c, f.Evidence)
			}
		}
	}
}

// TestBrokenFiles breaks one file after the other and wants it named.
func TestBrokenFiles(t *testing.T) {
	ca := authority(t)
	now := time.Now()
	old := func(m master, role, path, key string) {
		p := m.issue(role, now.Add(-2*time.Hour), now.Add(-time.Hour))
		m.write(path, p.Cert)
		if key != "" {
			m.write(key, p.Key)
		}
	}
	for _, c := range []struct {
		code  diagnose.Code
		wreck func(master)
	}{
		{diagnose.APIEtcdClientExpired, func(m master) {
			old(m, "x", "/etc/kubernetes/pki/apiserver-etcd-client.crt", "/etc/kubernetes/pki/apiserver-etcd-client.key")
		}},
		{diagnose.APICertExpired, func(m master) {
			old(m, "x", "/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/apiserver.key")
		}},
		{diagnose.KubeletCertExpired, func(m master) {
			p := m.issue("system:node:cp-1", now.Add(-2*time.Hour), now.Add(-time.Hour))
			m.write("/var/lib/kubelet/pki/kubelet-client-current.pem", append(append([]byte{}, p.Cert...), p.Key...))
		}},
		{diagnose.KubeconfigExpired, func(m master) {
			m.kubeconfig("controller-manager", "https://10.0.0.100:6443", m.issue("x", now.Add(-2*time.Hour), now.Add(-time.Hour)))
		}},
		{diagnose.KubeCertNotYetValid, func(m master) {
			p := m.issue("x", now.Add(time.Hour), now.Add(year))
			m.write("/etc/kubernetes/pki/apiserver.crt", p.Cert)
			m.write("/etc/kubernetes/pki/apiserver.key", p.Key)
		}},
		{diagnose.KubeCertExpiring, func(m master) {
			p := m.issue("x", now.Add(-time.Hour), now.Add(24*time.Hour))
			m.write("/etc/kubernetes/pki/apiserver.crt", p.Cert)
			m.write("/etc/kubernetes/pki/apiserver.key", p.Key)
		}},
		{diagnose.CertKeyMismatch, func(m master) {
			m.write("/etc/kubernetes/pki/apiserver.key", m.issue("x", now, now.Add(year)).Key)
		}},
		{diagnose.CertNotIssuedByCA, func(m master) {
			m.write("/etc/kubernetes/pki/etcd/ca.crt", authority(m.t).Certificate())
		}},
		{diagnose.SAKeyPairBroken, func(m master) {
			a, _ := rsa.GenerateKey(rand.Reader, 2048)
			b, _ := rsa.GenerateKey(rand.Reader, 2048)
			m.serviceAccount(a, &b.PublicKey)
		}},
		{diagnose.KubeconfigOtherCA, func(m master) {
			m.write("/etc/kubernetes/pki/ca.crt", authority(m.t).Certificate())
		}},
		{diagnose.ManifestBroken, func(m master) {
			m.write("/etc/kubernetes/manifests/kube-apiserver.yaml", []byte("apiVersion: v1\nkind: Pod\n\tmetadata: {"))
		}},
		{diagnose.ManifestBroken, func(m master) { m.write("/etc/kubernetes/manifests/etcd.yaml", nil) }},
		{diagnose.ManifestDuplicate, func(m master) { // any name is loaded that does not begin with a dot
			m.manifest("kube-apiserver.yaml.bak", "kube-apiserver")
		}},
		{diagnose.ManifestMissing, func(m master) {
			m.rename("/etc/kubernetes/manifests/kube-scheduler.yaml", "/etc/kubernetes/kube-scheduler.yaml")
		}},
		{diagnose.HeldBack, func(m master) {
			m.write("/etc/kubernetes/manifests.salvor/.kube-scheduler.yaml.new", nil)
			m.rename("/etc/kubernetes/manifests/kube-scheduler.yaml", "/etc/kubernetes/manifests.salvor/kube-scheduler.yaml")
		}},
		{diagnose.ManifestFiles, func(m master) {
			m.rename("/etc/kubernetes/enc/encryption.yaml", "/etc/kubernetes/enc/gone")
		}},
	} {
		t.Run(string(c.code), func(t *testing.T) {
			m := newMaster(t, ca)
			m.t = t
			if _, before := diagnosed(m)[c.code]; before {
				t.Fatal("it is found before anything is broken")
			}
			c.wreck(m)
			f, ok := diagnosed(m)[c.code]
			if !ok || len(f.Evidence) == 0 {
				t.Errorf("not found: %v", diagnosed(m))
			}
		})
	}
}

func (m master) rename(from, to string) {
	m.t.Helper()
	if err := os.Rename(filepath.Join(m.root, from), filepath.Join(m.root, to)); err != nil {
		m.t.Fatal(err)
	}
}

// TestDifferentMasters compares what has to be the same on two machines.
func TestDifferentMasters(t *testing.T) {
	ca := authority(t)
	a, b := newMaster(t, ca), newMaster(t, ca)
	b.host = "cp-2"
	key, err := os.ReadFile(filepath.Join(a.root, "etc/kubernetes/pki/sa.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if f := diagnosed(a, b); f[diagnose.SAKeyDiffers].Code == "" || f[diagnose.AuthorityDiffers].Code != "" {
		t.Errorf("different sa keys and one authority give %v", f)
	}
	b.write("/etc/kubernetes/pki/sa.pub", key)
	if f := diagnosed(a, b); f[diagnose.SAKeyDiffers].Code != "" {
		t.Error("the same sa.pub counts as different")
	}
	b.write("/etc/kubernetes/enc/encryption.yaml", []byte("# the same, said otherwise\n"+encryptionYAML))
	if f := diagnosed(a, b); f[diagnose.EncryptionDiffers].Code != "" {
		t.Error("a comment makes a different encryption configuration")
	}
	b.write("/etc/kubernetes/enc/encryption.yaml", []byte(strings.Replace(encryptionYAML, "YWFh", "YmFh", 1)))
	if f := diagnosed(a, b); f[diagnose.EncryptionDiffers].Code == "" {
		t.Error("another key is not noticed")
	}
	b.write("/etc/kubernetes/pki/front-proxy-ca.crt", authority(t).Certificate())
	b.write("/etc/kubernetes/pki/etcd/ca.crt", authority(t).Certificate())
	b.write("/etc/kubernetes/pki/ca.crt", authority(t).Certificate())
	f := diagnosed(a, b)
	for _, c := range []diagnose.Code{diagnose.AuthorityDiffers, diagnose.EtcdAuthorityDiffers, diagnose.FrontProxyDiffers} {
		if f[c].Code == "" {
			t.Errorf("%s is not found", c)
		}
	}
}

// TestUnreadable takes rights away: what cannot be read is unknown, and the
// classes that rest on it are said not to be judged.
func TestUnreadable(t *testing.T) {
	m := newMaster(t, authority(t))
	for _, path := range []string{"/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/manifests"} {
		if err := os.RemoveAll(filepath.Join(m.root, path)); err != nil {
			t.Fatal(err)
		}
	}
	m.write("/etc/kubernetes/pki/apiserver.crt", []byte("no certificate"))
	m.write("/etc/kubernetes/manifests", []byte("a file, not a folder"))
	h := m.facts()
	d := diagnose.Diagnose(cluster.Facts{At: time.Now(), Hosts: []cluster.HostFacts{h}, Config: cluster.Config{Hosts: []cluster.Host{{Name: "cp-1"}}}})
	want := map[diagnose.Need]bool{diagnose.NeedKubeCerts: true, diagnose.NeedManifests: true}
	for _, u := range d.Unjudged {
		delete(want, u.Fact)
		if u.Why == "" || len(u.Codes) == 0 {
			t.Errorf("%+v says too little", u)
		}
	}
	if len(want) > 0 {
		t.Errorf("not said to be unknown: %v", want)
	}
}

// TestNoSecretLeaves plants secrets everywhere and looks for them in the facts
// and in the evidence.
func TestNoSecretLeaves(t *testing.T) {
	m := newMaster(t, authority(t))
	token := "eyJhbGciOiJSUzI1NiJ9.eyJwbGFudGVkIjoiandtLXBsYW50ZWQifQ.c2lnbmF0dXJlcGxhbnRlZA"
	m.manifest("kube-apiserver", "kube-apiserver", "--basic-auth-password=plantedpassword1", "--token=plantedtoken2")
	m.write("/etc/kubernetes/manifests/extra.yaml", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: extra}\nspec:\n  containers:\n  - name: c\n    env:\n    - name: DB_PASSWORD\n      value: plantedvalue3\n"))
	m.write("/etc/systemd/system/etcd.service", []byte("[Service]\nEnvironment=ETCD_ROOT_TOKEN=plantedunit4\nEnvironment=\"API_KEY=plantedunit5\"\n"))
	m.write("/var/lib/kubelet/kubeadm-flags.env", []byte("KUBELET_KUBEADM_ARGS=--bootstrap abcdef.plantedboot12345\n"))
	m.write("/var/log/pods/kube-system_kube-apiserver-cp-1_u/kube-apiserver/0.log", []byte("2026-01-01T00:00:00Z stderr F command failed: no such file or directory Authorization: Bearer plantedbearer6 "+token+
		"\n2026-01-01T00:00:00Z stderr F dial https://root:plantedurl7@10.0.0.1 permission denied\n-----BEGIN RSA PRIVATE KEY-----\ncGxhbnRlZGtleQ==\n-----END RSA PRIVATE KEY-----\n"))
	planted := []string{"plantedpassword1", "plantedtoken2", "plantedvalue3", "plantedunit4", "plantedunit5", "plantedboot12345", "plantedbearer6", "plantedurl7", "cGxhbnRlZGtleQ", "c2lnbmF0dXJlcGxhbnRlZA", "YWFhYWFhYWFh"}
	for _, path := range []string{"/etc/kubernetes/pki/sa.key", "/etc/kubernetes/pki/apiserver.key", "/var/lib/kubelet/pki/kubelet-client-current.pem"} {
		b, err := os.ReadFile(filepath.Join(m.root, path))
		if err != nil {
			t.Fatal(err)
		}
		_, key, _ := strings.Cut(string(b[bytes.LastIndex(b, []byte("-----BEGIN")):]), "\n")
		planted = append(planted, key[:40])
	}
	facts, err := json.Marshal(m.facts())
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	all.Write(facts)
	names := map[string]bool{}
	for _, f := range m.evidence(context.Background()) {
		f.Data = Redact(f.Data)
		names[f.Name] = true
		all.WriteString(f.Name + "\n")
		all.Write(f.Data)
	}
	for _, s := range planted {
		if at := strings.Index(all.String(), s); at >= 0 {
			t.Errorf("%q leaves the machine: …%s…", s, all.String()[max(0, at-80):min(all.Len(), at+60)])
		}
	}
	for _, want := range []string{"files/etc/kubernetes/manifests/kube-apiserver.yaml", "files/etc/systemd/system/etcd.service", "certificates/etc/kubernetes/pki/ca.crt",
		"certificates/var/lib/kubelet/pki/kubelet-client-current.pem", "pods/kube-system_kube-apiserver-cp-1_u/kube-apiserver/0.log", "mounts.txt", "fstab.txt"} {
		if !names[want] {
			t.Errorf("the evidence lacks %s: %v", want, names)
		}
	}
	if !strings.Contains(all.String(), "--encryption-provider-config") && !strings.Contains(all.String(), "BEGIN CERTIFICATE") {
		t.Error("too much was cut out")
	}
}

// TestMounts finds the mount that the configuration wants and that is not
// there.
func TestMounts(t *testing.T) {
	m := newMaster(t, authority(t))
	m.write("/var/lib/etcd/.keep", nil)
	m.write("/etc/fstab", []byte("UUID=1 / ext4 defaults 0 1\nUUID=2 /var/lib/etcd\\040data xfs noauto 0 2\nUUID=3 /var/lib/etcd xfs defaults 0 2\nUUID=4 none swap sw 0 0\n"))
	table, err := m.mountTable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.fileSystem("etcd-data", "/var/lib/etcd", table)
	if err != nil || f.Expected != "/var/lib/etcd" || f.ExpectedBy != "/etc/fstab" || f.MountPoint != "/" || f.Type != "ext4" {
		t.Fatalf("got %+v, %v", f, err)
	}
	if f, _ := m.fileSystem("x", "/var/lib/etcd data", table); f.Expected != "/var/lib/etcd data" {
		t.Errorf("a blank in fstab is not understood: %+v", f)
	}
	m.write("/proc/self/mountinfo", []byte("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:2 / /var/lib/etcd rw,relatime shared:1 - xfs /dev/sdb1 rw\n"))
	if table, err = m.mountTable(); err != nil {
		t.Fatal(err)
	}
	if f, _ := m.fileSystem("etcd-data", "/var/lib/etcd", table); f.Expected != "" || f.MountPoint != "/var/lib/etcd" || f.Source != "/dev/sdb1" {
		t.Errorf("what is mounted counts as missing: %+v", f)
	}
	m.write("/etc/fstab", nil)
	m.write("/proc/self/mountinfo", []byte("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"))
	m.write("/etc/systemd/system/docker.service", []byte("[Unit]\nRequiresMountsFor=/var/lib /var/lib/etcd\n"))
	if f, err := m.fileSystem("etcd-data", "/var/lib/etcd", []mount{{"/", "ext4", "/dev/sda1"}}); err != nil || f.Expected != "" {
		t.Errorf("another unit's wish makes a mount: %+v, %v", f, err)
	}
	m.write("/etc/systemd/system/etcd.service", []byte("[Unit]\nRequiresMountsFor=/var/lib/etcd\n"))
	if table, err = m.mountTable(); err != nil {
		t.Fatal(err)
	}
	if f, _ := m.fileSystem("etcd-data", "/var/lib/etcd", table); !strings.Contains(f.ExpectedBy, "RequiresMountsFor") {
		t.Errorf("the unit's wish is not seen: %+v", f)
	}
	m.write("/etc/systemd/system/var-lib-etcd.mount", []byte("[Mount]\nWhat=/dev/sdb1\nWhere=/var/lib/etcd\n"))
	if f, _ := m.fileSystem("etcd-data", "/var/lib/etcd", table); f.ExpectedBy != "/etc/systemd/system/var-lib-etcd.mount" {
		t.Errorf("the mount unit is not seen: %+v", f)
	}
}
