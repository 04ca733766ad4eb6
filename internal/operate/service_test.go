package operate

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/test/apiserver"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
)

// TestWhoseFaultANodeIs: what was broken before is told apart from what is not
// back.
func TestWhoseFaultANodeIs(t *testing.T) {
	now := time.Now()
	old, fresh := now.Add(-time.Hour), now.Add(-5*time.Second)
	list := []kube.Node{
		{Name: "ready", Ready: true, Changed: old, Renewed: fresh},
		{Name: "broken-before", Changed: old, Renewed: old, Why: "NodeStatusUnknown: "},
		{Name: "broken-since", Changed: fresh, Renewed: fresh, Why: "KubeletNotReady: "},
		{Name: "silent", Ready: true, Changed: old, Renewed: old},
		{Name: "mute"},
	}
	begin := now.Add(-10 * time.Minute)
	for want, by := range map[string][2][]string{
		"ready,broken-before,stranger": {{"broken-before is not Ready since", "stranger is no node"}, nil},
		"ready,broken-since":           {nil, {"broken-since is not Ready (Kubelet"}},
		"ready,silent,mute":            {nil, {"silent has not renewed", "mute is not Ready"}},
		"broken-before":                {nil, {"broken-before is not Ready since"}}, // nobody is Ready: that excuses nothing
	} {
		j := judgeNodes(list, strings.Split(want, ","), now.Add(-40*time.Second), begin)
		for i, got := range [][]string{j.Before, j.Missing} {
			if !slices.EqualFunc(got, by[i], strings.HasPrefix) {
				t.Errorf("%s: got %q, want %q", want, got, by[i])
			}
		}
	}
}

// realAPI is a real kube-apiserver over a real etcd, on all addresses of this
// machine.
type realAPI struct {
	*testing.T
	*kube.Client
	env     Env
	port    int
	address string // one that is not loopback: endpoints may have no other
}

func ownAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("no kube-apiserver: the lab builds it, and this machine has no address but loopback")
	return ""
}

func (r *realAPI) write(path string, content []byte) string {
	r.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

func (r *realAPI) start(program string, args ...string) {
	r.Helper()
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func newRealAPI(t *testing.T) *realAPI {
	t.Helper()
	r := &realAPI{T: t, address: ownAddress(t), port: ports.Free(t)}
	program, dir := apiserver.Program(t), t.TempDir()
	authority, err := pki.NewAuthority("kubernetes", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Issue(pki.Request{Use: pki.Server, CommonName: "kube-apiserver", Hosts: []string{"127.0.0.1", r.address},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	sa := r.write(at("sa.key"), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	etcdURL := "http://127.0.0.1:" + strconv.Itoa(ports.Free(t))
	r.start(etcds.Path(t, etcds.V3_7), "--data-dir="+at("etcd"), "--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls=http://127.0.0.1:"+strconv.Itoa(ports.Free(t)), "--log-outputs="+at("etcd.log"))
	r.start(program, "--etcd-servers="+etcdURL, "--secure-port="+strconv.Itoa(r.port), "--bind-address=0.0.0.0", "--advertise-address="+r.address,
		"--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+sa,
		"--service-account-signing-key-file="+sa, "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
		"--token-auth-file="+r.write(at("tokens.csv"), []byte("test-token,admin,1,\"system:masters\"\n")),
		"--tls-cert-file="+r.write(at("tls.crt"), server.Cert), "--tls-private-key-file="+r.write(at("tls.key"), server.Key))
	kubeconfig := r.write(at("admin.conf"), fmt.Appendf(nil, `current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {token: test-token}}]
`, r.url(), base64.StdEncoding.EncodeToString(authority.Certificate())))
	r.env = Env{Host: "cp-1", Config: cluster.Config{Hosts: []cluster.Host{{Name: "cp-1"}}, Kubernetes: cluster.ControlPlane{Nodes: []cluster.Node{
		{Host: "cp-1", API: r.url(), Kubeconfig: kubeconfig, APIServer: cluster.Component{Systemd: "kube-apiserver"}}}}}}
	if r.Client, err = r.env.api(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := until(t.Context(), time.Minute, r.Ready); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *realAPI) url() string { return "https://127.0.0.1:" + strconv.Itoa(r.port) }

func (r *realAPI) send(method, path, body string, args ...any) {
	r.Helper()
	if _, err := r.Do(r.Context(), method, path, jsonText(fmt.Sprintf(body, args...)), nil); err != nil {
		r.Fatal(err)
	}
}

type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }

// node makes a node object with a lease, Ready or not since a time.
func (r *realAPI) node(name, ready string, since, renewed time.Time) {
	r.Helper()
	r.send(http.MethodPost, "/api/v1/nodes", `{"apiVersion":"v1","kind":"Node","metadata":{"name":%q}}`, name)
	r.send(http.MethodPatch, "/api/v1/nodes/"+name+"/status", `{"status":{"conditions":[{"type":"Ready","status":%q,"reason":"R","message":"m","lastTransitionTime":%q}]}}`,
		ready, since.UTC().Format(time.RFC3339))
	r.send(http.MethodPost, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
		`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":%q},"spec":{"holderIdentity":%q,"renewTime":%q}}`, name, name, renewed.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// endpoints are what the service "kubernetes" leads to from now on.
func (r *realAPI) endpoints(addresses ...string) {
	r.Helper()
	const folder = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
	if _, err := r.Do(r.Context(), http.MethodDelete, folder+"/kubernetes", nil, nil); err != nil {
		var status *kube.StatusError
		if !errors.As(err, &status) || status.Code != http.StatusNotFound {
			r.Fatal(err)
		}
	}
	r.send(http.MethodPost, folder, `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"kubernetes","labels":{"kubernetes.io/service-name":"kubernetes"}},
"addressType":"IPv4","ports":[{"name":"https","port":%d,"protocol":"TCP"}],"endpoints":[{"addresses":["%s"]}]}`, r.port, strings.Join(addresses, `"]},{"addresses":["`))
}

// relay is a load balancer that passes TLS through.
func (r *realAPI) relay() string {
	r.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in) }()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return "https://" + l.Addr().String()
}

// TestServiceOfARealAPIServer: nodes, endpoints and load balancers as a real API
// server shows them, whole and broken in each way that has a word of its own.
func TestServiceOfARealAPIServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	r := newRealAPI(t)
	now := time.Now()
	r.node("cp-1", "True", now.Add(-time.Hour), now)
	r.node("w-old", "Unknown", now.Add(-time.Hour), now.Add(-time.Hour))
	w := ServiceWanted{Nodes: []string{"cp-1", "w-old"}, APIServers: []string{r.url()}, Balancer: r.relay(), Before: now.Add(-time.Minute)}
	look := func(w ServiceWanted) Service {
		t.Helper()
		s, err := LookService(t.Context(), r.env, w)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r.endpoints(r.address)
	s := look(w)
	if n := s.Nodes.Value; !slices.Equal(n.Ready, []string{"cp-1"}) || len(n.Before) != 1 || len(n.Missing) > 0 {
		t.Errorf("nodes: %+v (%s)", n, s.Nodes.Why)
	}
	// The API server advertises another address than salvor.yaml names: it is
	// known by its certificate.
	if err := s.Endpoints.Value.wrong(); err != nil || !s.Endpoints.OK || s.Endpoints.Value.Addresses[0] != r.address {
		t.Errorf("endpoints: %+v, %v", s.Endpoints, err)
	}
	if b := s.Balancer.Value; b.Seen != 1 || b.Of != 1 || b.EndsTLS {
		t.Errorf("balancer: %+v (%s)", b, s.Balancer.Why)
	}

	r.endpoints(r.address, "192.0.2.9") // TEST-NET-1: nobody is there
	if e := look(w).Endpoints.Value; !slices.Equal(e.Stale, []string{"192.0.2.9:" + strconv.Itoa(r.port)}) || len(e.Missing) > 0 {
		t.Errorf("a stale endpoint: %+v", e)
	}
	// As many as there ought to be, and not the right ones.
	r.endpoints("192.0.2.9")
	if e := look(w).Endpoints.Value; !slices.Equal(e.Missing, []string{r.url()}) {
		t.Errorf("an endpoint is missing: %+v", e)
	}
	r.endpoints(r.address)

	names, err := r.Names(t.Context(), "/api/v1/nodes")
	if err != nil || len(names) != 2 || names[0].Name != "cp-1" || time.Since(names[0].Created) > time.Minute {
		t.Errorf("names: %+v, %v", names, err)
	}
	if names, err = r.Names(t.Context(), "/apis/rbac.authorization.k8s.io/v1/roles"); err != nil || len(names) == 0 || !strings.Contains(names[0].Name, "/") {
		t.Errorf("names with namespaces: %+v, %v", names, err)
	}
	r.balancers(look, w)
	r.awaits(now)
}

// balancers tries those that are no relay.
func (r *realAPI) balancers(look func(ServiceWanted) Service, w ServiceWanted) {
	r.Helper()
	target, err := url.Parse(r.url())
	if err != nil {
		r.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	ends := httptest.NewTLSServer(proxy) // another authority's certificate
	defer ends.Close()
	w.Balancer = ends.URL
	if b := look(w).Balancer; !b.OK || !b.Value.EndsTLS || b.Value.Seen != 0 {
		r.Errorf("a load balancer that ends TLS: %+v", b)
	}
	down := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	w.Balancer = down.URL
	if b := look(w).Balancer; b.OK || !strings.Contains(b.Why, "503") {
		r.Errorf("one with nothing behind it: %+v", b)
	}
	down.Close()
	if b := look(w).Balancer; b.OK {
		r.Errorf("one that is down: %+v", b)
	}
}

// awaits does what the step does: a lease that is renewed meanwhile is enough.
func (r *realAPI) awaits(now time.Time) {
	r.Helper()
	r.node("w-new", "True", now, now.Add(-time.Minute))
	go func() {
		time.Sleep(time.Second)
		body := jsonText(fmt.Sprintf(`{"spec":{"renewTime":%q}}`, time.Now().Add(time.Second).UTC().Format("2006-01-02T15:04:05.000000Z")))
		for _, name := range []string{"cp-1", "w-new"} {
			_, _ = r.Do(context.WithoutCancel(r.Context()), http.MethodPatch, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+name, body, nil)
		}
	}()
	got, err := r.env.awaitNodes(r.Context(), plan.AwaitNodes{Nodes: []string{"cp-1", "w-new"}, APIServers: 1, URLs: []string{r.url()}}, func(int64, int64, string) {})
	if n, ok := got.(NodesReady); err != nil || !ok || !slices.Equal(n.Nodes, []string{"cp-1", "w-new"}) || len(n.Endpoints) != 1 {
		r.Errorf("%+v, %v", got, err)
	}
}
