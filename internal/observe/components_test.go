package observe

import (
	"context"
	"crypto/tls"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// TestServedByComponents reads what the scheduler's port shows: a certificate that
// has ended, whatever lies on disk.
func TestServedByComponents(t *testing.T) {
	m := newMaster(t, authority(t))
	p := m.issue("scheduler", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := net.Listen("tcp", "127.0.0.1:10259")
	if err != nil {
		t.Skipf("a scheduler runs here: %v", err)
	}
	l := tls.NewListener(raw, &tls.Config{Certificates: []tls.Certificate{pair}})
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	served := machine{}.servedByComponents(context.Background())
	at := slices.IndexFunc(served, func(c cluster.KubeCertificate) bool { return c.Role == "kube-scheduler" })
	if at < 0 || !served[at].Certificate.OK || !served[at].Certificate.Value.NotAfter.Before(time.Now()) {
		t.Fatalf("served: %+v", served)
	}
	h := m.facts()
	h.Node.Kubernetes.Value.Served = served
	f := cluster.Facts{At: time.Now(), Config: cluster.Config{Hosts: []cluster.Host{{Name: m.host, Via: cluster.ViaSSH}}}, Hosts: []cluster.HostFacts{h}}
	if !slices.ContainsFunc(diagnose.Diagnose(f).Findings, func(x diagnose.Finding) bool { return x.Code == diagnose.ComponentCertExpired }) {
		t.Error("a certificate that has ended is shown, and not told")
	}
}

// TestRunningCommand reads a component's own command line, without secrets; of
// other programs none is kept.
func TestRunningCommand(t *testing.T) {
	cmd := exec.Command("/bin/sh")
	cmd.Args = []string{"/usr/local/bin/kube-scheduler", "-c", "read x", "--leader-elect=true", "--api-token=SECRETqz8"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	var seen cluster.Seen
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && len(seen.Command) < 2; time.Sleep(20 * time.Millisecond) {
		all, err := machine{}.running()
		if err != nil {
			t.Fatal(err)
		}
		seen = all["kube-scheduler"]
	}
	if seen.PID != cmd.Process.Pid {
		t.Skipf("another scheduler runs here: %+v", seen)
	}
	if got := strings.Join(seen.Command, " "); !strings.Contains(got, "--leader-elect=true") || strings.Contains(got, "SECRET") {
		t.Errorf("command: %s", got)
	}
}
