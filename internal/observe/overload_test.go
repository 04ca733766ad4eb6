package observe

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/test/captured"
)

// hold takes the only place of an API server that lets one request in: a list
// that nobody reads to its end, as a client does that lists everything and is
// slow. It ends with the connection.
func (c *control) hold() net.Conn {
	c.t.Helper()
	body := strings.Repeat("x", 900<<10)
	for i := range 12 { // more than the sockets between them hold
		if err := c.post("/api/v1/namespaces/default/configmaps", fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"large-%d"},"data":{"x":%q}}`, i, body)); err != nil {
			c.t.Fatal(err)
		}
	}
	raw, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(c.port))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := raw.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		c.t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if _, err := fmt.Fprintf(conn, "GET /api/v1/configmaps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", c.token); err != nil {
		c.t.Fatal(err)
	}
	if line, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200 OK") {
		c.t.Fatalf("the list that takes the place: %q %v", line, err)
	}
	return conn
}

// TestRealOverload has a client take the only place of a real API server, and a
// real scheduler and Salvor be turned away.
func TestRealOverload(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newControl(t)
	c.write("/etc/kubernetes/super-admin.conf", []byte(c.tokenConfig(schedulerToken))) // of no group that is let in first
	c.serve("--enable-priority-and-fairness=false", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1")
	c.until("an API server that is ready", isReady)
	defer c.hold().Close()
	// As it lists before Kubernetes 1.35: watches have no limit, and of today it
	// begins with one.
	c.run("kube-scheduler", schedulerLogs+"0.log", filepath.Join(filepath.Dir(c.program), "kube-scheduler"), "--feature-gates=WatchListClient=false",
		"--kubeconfig="+filepath.Join(c.root, "etc/kubernetes/super-admin.conf"), "--secure-port=0", "--leader-elect=false", "--authentication-skip-lookup=true")
	c.inLog("0.log", "the server has received too many requests", 3)
	if status := c.asked("/api/v1/nodes", schedulerToken); status != http.StatusTooManyRequests {
		t.Errorf("a list while the place is taken: status %d", status)
	}
	f := c.whole("")
	d := diagnose.Diagnose(f)
	i := slices.IndexFunc(d.Findings, func(f diagnose.Finding) bool { return f.Code == diagnose.APIOverloaded })
	if i < 0 || d.Findings[i].Confidence != diagnose.Certain || len(d.Findings[i].Evidence) < 3 {
		t.Fatalf("%v %+v", codesOf(d), f.Hosts[0].Node.APIServers)
	}
	if a := f.Hosts[0].Node.APIServers; !slices.ContainsFunc(a, func(a cluster.APIServer) bool { return a.Refused == http.StatusTooManyRequests }) {
		t.Errorf("its health: %+v", a)
	}
	c.keepAs(captured.Fixture{Code: diagnose.APIOverloaded, Cause: diagnose.APIOverloaded, Facts: f})
}
