package observe

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/test/captured"
)

// schedulerToken is that of a real kube-scheduler.
const schedulerToken = "scheduler-token"

// complaints has an API server and a scheduler write into their logs what went
// wrong between them and their clients.
func (c *control) complaints() {
	c.t.Helper()
	// A token that another key signed.
	token := c.tokenOf("default", "default")
	head, _, _ := strings.Cut(token, ".")
	_ = c.asked("/api/v1/pods", head+"."+strings.Split(token, ".")[1]+"."+strings.Repeat("A", 342))
	// A pod that a webhook stands in the way of, and an object that etcd refuses.
	if err := c.post("/api/v1/namespaces/default/pods", `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"barred"},"spec":{"containers":[{"name":"c","image":"i"}]}}`); err == nil {
		c.t.Error("a webhook without a backend lets a pod pass")
	}
	large := `{"kind":"Application","apiVersion":"argoproj.io/v1alpha1","metadata":{"name":"large"},"spec":{"text":"` + strings.Repeat("x", 1800<<10) + `"}}`
	if err := c.post("/apis/argoproj.io/v1alpha1/namespaces/default/applications", large); err == nil || !strings.Contains(err.Error(), "too large") {
		c.t.Errorf("etcd takes an object of 1.8 MiB: %v", err)
	}
	// Another master's front proxy, whose authority has the same name.
	stranger := authorityNamed(c.t, "front-proxy-ca")
	p, err := stranger.Issue(pki.Request{Use: pki.Client, CommonName: "front-proxy-client", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(year)})
	if err != nil {
		c.t.Fatal(err)
	}
	_ = c.asked("/api/v1/pods", "", p)
	// A scheduler that has lost its role, and with it its lease; one that tries
	// again; and one that nobody knows.
	c.scheduler("0.log", schedulerToken)
	c.inLog("0.log", "Successfully acquired lease", 1)
	const rbac = "/apis/rbac.authorization.k8s.io/v1"
	for _, role := range []string{"/clusterroles/system:kube-scheduler", "/namespaces/kube-system/roles/system::leader-locking-kube-scheduler"} {
		if err := c.ask(http.MethodDelete, rbac+role, ""); err != nil {
			c.t.Fatal(err)
		}
	}
	c.inLog("0.log", "Leaderelection lost", 1)
	c.kill("kube-scheduler")
	c.scheduler("1.log", schedulerToken)
	c.inLog("1.log", `RBAC: clusterrole.rbac.authorization.k8s.io \"system:kube-scheduler\" not found`, 4)
	c.keepAs(captured.Fixture{Code: diagnose.TokenRejected, Cause: diagnose.TokenRejected, Also: []diagnose.Code{diagnose.RequestTooLarge, diagnose.WebhookDeadlock,
		diagnose.FrontProxyRejected, diagnose.RBACMissing, diagnose.LeaseLost}, Facts: c.whole("")})
	c.kill("kube-scheduler")
	c.scheduler("2.log", "nobody's")
	c.inLog("2.log", ": Unauthorized", 4)
	c.kill("kube-scheduler")
	c.keepAs(captured.Fixture{Code: diagnose.CannotReadClient, Cause: diagnose.TokenRejected, Facts: c.whole("")})
}

// frontProxy gives the machine an authority for its front proxy alone.
func (c *control) frontProxy() {
	c.t.Helper()
	ca := authorityNamed(c.t, "front-proxy-ca")
	p, err := ca.Issue(pki.Request{Use: pki.Client, CommonName: "front-proxy-client", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(year)})
	if err != nil {
		c.t.Fatal(err)
	}
	for name, b := range map[string][]byte{"ca.crt": ca.Certificate(), "client.crt": p.Cert, "client.key": p.Key} {
		c.write("/etc/kubernetes/pki/front-proxy-"+name, b)
	}
}

const schedulerLogs = "/var/log/pods/kube-system_kube-scheduler-cp-1_0/kube-scheduler/"

// scheduler starts a real kube-scheduler that is quick to give up its lease.
func (c *control) scheduler(log, token string) {
	c.t.Helper()
	c.write("/tmp/scheduler.conf", []byte(c.tokenConfig(token)))
	conf := filepath.Join(c.root, "tmp/scheduler.conf")
	c.run("kube-scheduler", schedulerLogs+log, filepath.Join(filepath.Dir(c.program), "kube-scheduler"), "--kubeconfig="+conf, "--secure-port=0",
		"--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
}

// tokenConfig is a kubeconfig with a token.
func (c *control) tokenConfig(token string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\nclusters:\n- name: k\n  cluster: {server: \"https://127.0.0.1:%d\", certificate-authority: %s}\nusers:\n- name: u\n  user: {token: %s}\n",
		c.port, filepath.Join(c.root, "etc/kubernetes/pki/ca.crt"), token)
}

// inLog waits for a text in a log of the scheduler, so many times.
func (c *control) inLog(log, text string, times int) {
	c.t.Helper()
	var b []byte
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var err error
		if b, err = os.ReadFile(filepath.Join(c.root, schedulerLogs+log)); err != nil {
			c.t.Fatal(err)
		}
		if strings.Count(string(b), text) >= times {
			return
		}
	}
	c.t.Fatalf("the scheduler does not say %q: %s", text, b[max(0, len(b)-2000):])
}

// tokenOf is a token that the API server has signed for an account.
func (c *control) tokenOf(namespace, account string) string {
	c.t.Helper()
	var got struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	b := c.body(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}`)
	if err := json.Unmarshal(b, &got); err != nil || got.Status.Token == "" {
		c.t.Fatalf("no token: %v %s", err, b)
	}
	return got.Status.Token
}

// asked gives the status of an answer to whoever asks.
func (c *control) asked(path, token string, own ...pki.Pair) int {
	c.t.Helper()
	about := &tls.Config{InsecureSkipVerify: true}
	for _, p := range own {
		pair, err := tls.X509KeyPair(p.Cert, p.Key)
		if err != nil {
			c.t.Fatal(err)
		}
		about.Certificates = append(about.Certificates, pair)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: about}}
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", c.port, path), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
