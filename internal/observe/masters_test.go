package observe

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/test/captured"
	"github.com/salvor-project/salvor/test/ports"
)

// stands has the API server stand still, and then not be there.
func (c *control) stands() {
	c.t.Helper()
	if err := c.procs["kube-apiserver"].Process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatal(err)
	}
	c.until("an API server that stands still", func(a cluster.APIServer) bool { return a.Layer == cluster.LayerTCP })
	c.keep(diagnose.APIHangs, diagnose.APIHangs)
	c.kill("kube-apiserver")
	c.until("no API server", func(a cluster.APIServer) bool { return a.Layer == cluster.LayerNone })
	c.keep(diagnose.APIDown, diagnose.APIDown)
}

// elsewhere has the address that a kubeconfig names lead to another API server: of
// an authority of the same name, and not ready.
func (c *control) elsewhere() {
	c.t.Helper()
	now, port := time.Now(), ports.Free(c.t)
	stranger := master{machine: c.machine, t: c.t, ca: authority(c.t)}
	p := stranger.issue("kube-apiserver", now.Add(-time.Hour), now.Add(year))
	c.write("/etc/kubernetes/other/apiserver.crt", p.Cert)
	c.write("/etc/kubernetes/other/apiserver.key", p.Key)
	c.run("other", "/tmp/other.log", c.program, c.flags(port, "--tls-cert-file=/etc/kubernetes/other/apiserver.crt", "--tls-private-key-file=/etc/kubernetes/other/apiserver.key")...)
	c.kubeconfig("controller-manager", fmt.Sprintf("https://127.0.0.1:%d", port), c.issue("controller-manager", now.Add(-time.Hour), now.Add(year)))
	c.until("an API server behind the address", func(cluster.APIServer) bool {
		return slices.ContainsFunc(c.node(context.Background()).APIServers, func(a cluster.APIServer) bool { return !a.Direct && a.Ready.OK && !a.Ready.Value.OK })
	})
	c.keepAs(captured.Fixture{Code: diagnose.BalancerUnready, Cause: diagnose.BalancerUnready, Also: []diagnose.Code{diagnose.BalancerOther}, Facts: c.whole("")})
	c.kill("other")
	c.kubeconfig("controller-manager", fmt.Sprintf("https://127.0.0.1:%d", c.port), c.issue("controller-manager", now.Add(-time.Hour), now.Add(year)))
}

// files breaks what lies on a machine whose API server runs, as people do it:
// each part is put right again.
func (c *control) files() {
	c.t.Helper()
	now := time.Now()
	until := func(role string, end time.Time) pki.Pair { return c.issue(role, now.Add(-2*time.Hour), end) }
	show := func(code diagnose.Code, also ...diagnose.Code) {
		c.t.Helper()
		c.keepAs(captured.Fixture{Code: code, Cause: code, Also: also, Facts: c.whole("")})
	}
	// What kubeadm has made ends after a year, all on one day; the other master
	// was renewed.
	other := c.twin("cp-2")
	undo := c.put(map[string]pki.Pair{"apiserver-etcd-client": until("x", now.Add(-time.Hour)), "apiserver-kubelet-client": until("x", now.Add(-time.Hour)), "front-proxy-client": until("x", now.Add(-time.Hour))})
	for _, name := range []string{"controller-manager", "scheduler"} {
		c.kubeconfig(name, "https://10.0.0.100:6443", until(name, now.Add(-time.Hour)))
	}
	c.keepAs(captured.Fixture{Code: diagnose.APIEtcdClientExpired, Cause: diagnose.APIEtcdClientExpired,
		Also: []diagnose.Code{diagnose.APIClientExpired, diagnose.FrontProxyExpired, diagnose.KubeconfigExpired, diagnose.RenewalPartial}, Facts: c.whole("", other)})
	undo()
	for _, name := range []string{"controller-manager", "scheduler"} {
		c.kubeconfig(name, "https://10.0.0.100:6443", until(name, now.Add(365*24*time.Hour)))
	}
	undo = c.put(map[string]pki.Pair{"front-proxy-client": until("x", now.Add(10*24*time.Hour)), "apiserver-kubelet-client": c.issue("x", now.Add(time.Hour), now.Add(24*365*time.Hour))})
	show(diagnose.KubeCertNotYetValid, diagnose.KubeCertExpiring)
	undo()
	// A certificate was copied without its key: the API server goes on with the old one.
	undo = c.put(map[string]pki.Pair{"apiserver": {Cert: until("kube-apiserver", now.Add(365*24*time.Hour)).Cert}})
	show(diagnose.CertKeyMismatch, diagnose.APIServesOldCert)
	undo()
	// Half of a pair of keys, and a kubeconfig of another cluster.
	pub := c.content("pki/sa.pub")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		c.t.Fatal(err)
	}
	own := c.content("pki/sa.key")
	c.serviceAccount(key, &key.PublicKey)
	c.write("/etc/kubernetes/pki/sa.key", own)
	stranger := master{machine: c.machine, t: c.t, ca: authorityNamed(c.t, "kubernetes")}
	stranger.kubeconfig("scheduler", "https://10.0.0.100:6443", stranger.issue("scheduler", now.Add(-time.Hour), now.Add(365*24*time.Hour)))
	show(diagnose.SAKeyPairBroken, diagnose.KubeconfigOtherCA)
	c.write("/etc/kubernetes/pki/sa.pub", pub)
	c.kubeconfig("scheduler", "https://10.0.0.100:6443", until("scheduler", now.Add(365*24*time.Hour)))
	// Masters that were set up apart from one another.
	other.write("/etc/kubernetes/enc/encryption.yaml", []byte(strings.Replace(encryptionYAML, "YWFh", "YmFh", 1)))
	other.write("/etc/kubernetes/pki/etcd/ca.crt", stranger.ca.Certificate())
	c.keepAs(captured.Fixture{Code: diagnose.EtcdAuthorityDiffers, Cause: diagnose.EtcdAuthorityDiffers, Also: []diagnose.Code{diagnose.EncryptionDiffers}, Facts: c.whole("", other)})
	c.missing(show)
}

// missing takes away what a manifest names, and holds a pod back as Salvor does.
func (c *control) missing(show func(diagnose.Code, ...diagnose.Code)) {
	c.t.Helper()
	c.rename("/etc/kubernetes/enc/encryption.yaml", "/etc/kubernetes/enc/gone")
	show(diagnose.ManifestFiles)
	c.rename("/etc/kubernetes/enc/gone", "/etc/kubernetes/enc/encryption.yaml")
	c.write("/etc/kubernetes/manifests.salvor/.keep", nil)
	c.rename("/etc/kubernetes/manifests/kube-scheduler.yaml", "/etc/kubernetes/manifests.salvor/kube-scheduler.yaml")
	show(diagnose.HeldBack)
	c.rename("/etc/kubernetes/manifests.salvor/kube-scheduler.yaml", "/etc/kubernetes/manifests/kube-scheduler.yaml")
}

// put lays certificates and, where there is one, their keys over those that are
// there, and gives how to take them off again.
func (c *control) put(all map[string]pki.Pair) (undo func()) {
	c.t.Helper()
	old := map[string][]byte{}
	for name, p := range all {
		for path, b := range map[string][]byte{"pki/" + name + ".crt": p.Cert, "pki/" + name + ".key": p.Key} {
			if len(b) > 0 {
				old[path] = c.content(path)
				c.write("/etc/kubernetes/"+path, b)
			}
		}
	}
	return func() {
		for path, b := range old {
			c.write("/etc/kubernetes/"+path, b)
		}
	}
}

func (c *control) content(path string) []byte {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.root, "etc/kubernetes", path))
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// twin is another master of the same cluster, whose API server this machine's is,
// too.
func (c *control) twin(name string) master {
	c.t.Helper()
	b := newMaster(c.t, c.ca)
	b.host, b.asks = name, true
	b.cfg.Hosts, b.cfg.Members = []cluster.Host{{Name: name, Via: cluster.ViaSSH}}, nil
	for _, f := range []string{"pki/sa.pub", "pki/sa.key", "manifests/kube-apiserver.yaml", "admin.conf", "controller-manager.conf", "scheduler.conf"} {
		b.write("/etc/kubernetes/"+f, c.content(f))
	}
	c.beside = append(c.beside, b)
	return b
}
