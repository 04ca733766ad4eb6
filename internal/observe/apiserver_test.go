package observe

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/apiserver"
	"github.com/salvor-project/salvor/test/captured"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
)

// control is one machine with a real etcd and a real kube-apiserver.
type control struct {
	master
	program, token string
	port, etcdPort int
	beside         []master
	// peer is what the etcd is known by to others.
	peer  string
	procs map[string]*exec.Cmd
}

func newControl(t *testing.T) *control {
	t.Helper()
	c := &control{program: apiserver.Program(t), token: "test-token", master: newMaster(t, authority(t)), port: ports.Free(t), etcdPort: ports.Free(t), peer: "http://localhost:2380", procs: map[string]*exec.Cmd{}}
	c.asks = true
	c.cfg.Members = nil
	c.write("/etc/kubernetes/tokens.csv", []byte(c.token+`,admin,1,"system:masters"`+"\n"+schedulerToken+",system:kube-scheduler,2\n"))
	t.Cleanup(func() {
		for n := range c.procs {
			c.kill(n)
		}
	})
	for _, name := range []string{"admin", "controller-manager", "scheduler"} {
		c.kubeconfig(name, fmt.Sprintf("https://127.0.0.1:%d", c.port), c.issue(name, time.Now().Add(-time.Hour), time.Now().Add(year)))
	}
	c.etcd()
	return c
}

func (c *control) run(name, log, program string, args ...string) {
	c.t.Helper()
	c.write(log, nil)
	f, err := os.OpenFile(filepath.Join(c.root, log), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = f.Close() })
	cmd := exec.Command(program, args...)
	out := &criLog{f: f}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.procs[name] = cmd
}

// criLog writes lines as a container runtime does: time, stream, whole or in
// parts, text (k8s.io/cri-client pkg/logs).
type criLog struct {
	f    *os.File
	rest []byte
}

func (l *criLog) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if _, err := fmt.Fprintf(l.f, "%s stderr F %s\n", time.Now().UTC().Format(time.RFC3339Nano), line); err != nil {
			return 0, err
		}
		l.rest = rest
	}
}

func (c *control) kill(name string) {
	if p := c.procs[name]; p != nil {
		_ = p.Process.Kill()
		_ = p.Wait()
		delete(c.procs, name)
	}
}

func (c *control) etcd() {
	url := "http://127.0.0.1:" + strconv.Itoa(c.etcdPort)
	c.run("etcd", "/var/log/etcd.log", etcds.Path(c.t, etcds.V3_7), "--data-dir="+filepath.Join(c.root, "var/lib/etcd"), "--listen-client-urls="+url, "--advertise-client-urls="+url,
		"--listen-peer-urls=http://127.0.0.1:"+strconv.Itoa(ports.Free(c.t)))
}

// serve starts the API server and writes the manifest that describes it.
func (c *control) serve(flags ...string) {
	c.t.Helper()
	c.kill("kube-apiserver")
	c.manifest("kube-apiserver", "kube-apiserver", append([]string{"--secure-port=" + strconv.Itoa(c.port)}, flags...)...)
	c.run("kube-apiserver", "/var/log/pods/kube-system_kube-apiserver-cp-1_0/kube-apiserver/0.log", c.program, c.flags(c.port, flags...)...)
}

// flags are those of an API server over the machine's etcd.
func (c *control) flags(port int, more ...string) []string {
	at := func(p string) string { return filepath.Join(c.root, "etc/kubernetes", p) }
	args := []string{"--etcd-servers=http://127.0.0.1:" + strconv.Itoa(c.etcdPort), "--secure-port=" + strconv.Itoa(port), "--bind-address=127.0.0.1", "--advertise-address=10.0.0.11",
		"--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + at("pki/sa.pub"),
		"--service-account-signing-key-file=" + at("pki/sa.key"), "--authorization-mode=RBAC", "--token-auth-file=" + at("tokens.csv"), "--endpoint-reconciler-type=none",
		"--tls-cert-file=" + at("pki/apiserver.crt"), "--tls-private-key-file=" + at("pki/apiserver.key")}
	for _, f := range more {
		args = append(args, strings.ReplaceAll(f, "=/etc/kubernetes", "="+at("")))
	}
	return args
}

func (c *control) api() cluster.APIServer {
	for _, a := range c.node(context.Background()).APIServers {
		if a.Direct {
			return a
		}
	}
	return cluster.APIServer{}
}

// until waits for a state of the API server as it is observed.
func (c *control) until(what string, ok func(cluster.APIServer) bool) cluster.APIServer {
	c.t.Helper()
	var a cluster.APIServer
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if a = c.api(); ok(a) {
			return a
		}
	}
	log, _ := os.ReadFile(filepath.Join(c.root, "var/log/pods/kube-system_kube-apiserver-cp-1_0/kube-apiserver/0.log"))
	c.t.Fatalf("%s: not within 90 s: %+v\n%s", what, a, log[max(0, len(log)-2000):])
	return a
}

func isReady(a cluster.APIServer) bool { return a.Ready.OK && a.Ready.Value.OK }

func (c *control) post(path, body string) error { return c.ask(http.MethodPost, path, body) }

func (c *control) ask(method, path, body string) error {
	_, err := c.answer(method, path, body)
	return err
}

// body is the answer to what must be done.
func (c *control) body(method, path, body string) []byte {
	c.t.Helper()
	b, err := c.answer(method, path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c *control) answer(method, path, body string) ([]byte, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	req, err := http.NewRequest(method, fmt.Sprintf("https://127.0.0.1:%d%s", c.port, path), bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", res.Status, said)
	}
	return said, err
}

// leases lets a controller manager hold its lease, then vanish.
func (c *control) leases() {
	c.t.Helper()
	// The kubeconfigs' certificates are of no authority that this server knows.
	reader := `"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"system:anonymous","apiGroup":"rbac.authorization.k8s.io"}]}`
	const bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	if err := c.post(bindings, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"reader"},`+reader); err != nil {
		c.t.Fatal(err)
	}
	if o := c.node(context.Background()).Objects.Value; !o.Leases.OK || len(o.Leases.Value) != 0 || o.LeasesAt.IsZero() {
		c.t.Errorf("nobody has held a lease yet: %+v at %s", o.Leases, o.LeasesAt)
	}
	lease := func(renewed time.Time) string {
		return `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"kube-controller-manager","namespace":"kube-system"},"spec":{"holderIdentity":"cp-1_x","leaseDurationSeconds":15,"renewTime":"` +
			renewed.UTC().Format("2006-01-02T15:04:05.000000Z") + `"}}`
	}
	const path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
	if o := c.node(context.Background()).Objects.Value; o.Missing.OK || o.Missing.Why != "" {
		c.t.Errorf("kubeadm did not make this machine: %+v", o.Missing)
	}
	c.write("/var/lib/kubelet/kubeadm-flags.env", nil)
	config := func(name string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"}}`
	}
	if err := c.post("/api/v1/namespaces/kube-system/configmaps", config("kubelet-config")); err != nil {
		c.t.Fatal(err)
	}
	if n := c.node(context.Background()).Objects.Value.Missing; n.Value.Count != 3 || n.Value.First[1] != "kube-system/configmaps/kubeadm-config" {
		c.t.Errorf("missing: %+v", n)
	}
	if f := diagnosed(c.master)[diagnose.EssentialsMissing]; len(f.Evidence) != 3 {
		c.t.Errorf("missing: %+v", f)
	}
	c.keep(diagnose.EssentialsMissing, diagnose.EssentialsMissing)
	if err := os.Remove(filepath.Join(c.root, "var/lib/kubelet/kubeadm-flags.env")); err != nil {
		c.t.Fatal(err)
	}
	if err := c.post(path, lease(time.Now())); err != nil {
		c.t.Fatal(err)
	}
	o := c.node(context.Background()).Objects.Value
	if l := o.Leases.Value; len(l) != 1 || l[0].Holder != "cp-1_x" || o.LeasesAt.Sub(l[0].Renewed).Abs() > time.Minute {
		c.t.Errorf("held: %+v at %s", o.Leases, o.LeasesAt)
	}
	if f, ok := diagnosed(c.master)[diagnose.LeaseUnrenewed]; ok {
		c.t.Errorf("renewed now, and yet %v", f.Evidence)
	}
	if err := c.ask(http.MethodDelete, path+"/kube-controller-manager", ""); err != nil {
		c.t.Fatal(err)
	}
	if err := c.post(path, lease(time.Now().Add(-time.Hour))); err != nil {
		c.t.Fatal(err)
	}
	if f, ok := diagnosed(c.master)[diagnose.LeaseUnrenewed]; !ok || f.Subject != "kube-controller-manager" {
		c.t.Error("nobody renews, and nothing is found")
	}
	for _, p := range []string{path + "/kube-controller-manager", bindings + "/reader"} {
		if err := c.ask(http.MethodDelete, p, ""); err != nil {
			c.t.Fatal(err)
		}
	}
}

// TestRealAPIServer breaks a real API server over a real etcd and wants each
// fault told apart: flag, etcd, key, certificate.
func TestRealAPIServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newControl(t)
	const encryption = "--encryption-provider-config=/etc/kubernetes/enc/encryption.yaml"
	c.serve(encryption)
	a := c.until("an API server that is ready", isReady)
	if a.Layer != cluster.LayerHTTP || a.Ready.Value.Passed < 20 || !a.Certificate.OK || !strings.HasPrefix(a.Version, "v1.") {
		t.Errorf("healthy: %+v", a)
	}
	found := diagnosed(c.master)
	for _, not := range []diagnose.Code{diagnose.APIDown, diagnose.APINotReady, diagnose.APIHangs, diagnose.APIServesOldCert, diagnose.APIBadFlag} {
		if f, ok := found[not]; ok {
			t.Errorf("healthy, and yet %s: %v", not, f.Evidence)
		}
	}
	c.leases()
	c.keep("", "")
	c.write("/backups/.part", nil) // a backup that was never finished
	c.keepAs(captured.Fixture{Code: diagnose.BackupNone, Cause: diagnose.BackupNone, Also: []diagnose.Code{diagnose.BackupSameDisk}, Facts: c.whole(filepath.Join(c.root, "backups"))})
	c.deleted()
	if err := c.post("/api/v1/namespaces/default/secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"sealed"},"data":{"a":"Yg=="}}`); err != nil {
		t.Fatal(err)
	}
	c.stands()
	// The key of the encryption is lost: never ready, and the log says why.
	c.serve()
	c.until("an API server that cannot decrypt", func(a cluster.APIServer) bool {
		_, said := diagnosed(c.master)[diagnose.APICannotDecrypt]
		return said && a.Ready.OK && !a.Ready.Value.OK
	})
	c.keepAs(captured.Fixture{Code: diagnose.APICannotDecrypt, Cause: diagnose.APICannotDecrypt, Also: []diagnose.Code{diagnose.APINotReady}, Facts: c.whole("")})
	if f := diagnosed(c.master)[diagnose.APINotReady]; len(f.CausedBy) == 0 {
		t.Errorf("not ready without its cause: %+v", f)
	}
	// A bad flag ends it at once; etcd is not blamed.
	c.serve("--insecure-port=0")
	c.until("an API server with a bad flag", func(a cluster.APIServer) bool {
		return a.Layer == cluster.LayerNone && diagnosed(c.master)[diagnose.APIBadFlag].Code != ""
	})
	c.keep(diagnose.APIBadFlag, diagnose.APIBadFlag)
	found = diagnosed(c.master)
	if f := found[diagnose.APIDown]; len(f.CausedBy) == 0 || found[diagnose.APIEtcdUnreachable].Code != "" {
		t.Errorf("down: %+v", f)
	}
	// An expired certificate is served as it is, and seen as it is.
	c.serve(encryption)
	c.until("an API server that is ready again", isReady)
	q := c.issue("ended", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	c.write("/etc/kubernetes/pki/apiserver.crt", q.Cert)
	c.write("/etc/kubernetes/pki/apiserver.key", q.Key)
	if found = diagnosed(c.master); found[diagnose.APICertExpired].Code == "" {
		t.Errorf("an expired certificate is not seen: %v", found)
	}
	c.keep(diagnose.APICertExpired, diagnose.APICertExpired)
	q = c.issue("kube-apiserver", time.Now().Add(-time.Hour), time.Now().Add(year))
	c.write("/etc/kubernetes/pki/apiserver.crt", q.Cert)
	c.write("/etc/kubernetes/pki/apiserver.key", q.Key)
	c.elsewhere()
	c.files()
	// Its etcd goes away under it.
	c.kill("etcd")
	a = c.until("an API server without etcd", func(a cluster.APIServer) bool {
		return a.Ready.OK && !a.Ready.Value.OK || a.Layer == cluster.LayerNone
	})
	if a.Ready.OK && !strings.Contains(strings.Join(a.Ready.Value.Failed, " "), "etcd") {
		t.Errorf("the failed checks do not name etcd: %+v", a.Ready.Value)
	}
	c.keep(diagnose.APIEtcdUnreachable, diagnose.MemberStopped)
}
