package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/pki"
	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/sign"
	"github.com/salvor-project/salvor/lab/state"
)

// bench is a lab under test.
type bench struct {
	*testing.T
	ctx context.Context
}

// newBench puts a lab up, for tests that were asked for: they take minutes,
// root, and the only lab that this box can have.
func newBench(t *testing.T, args ...string) bench {
	t.Helper()
	if os.Getenv("SALVOR_LAB") != "1" || build.Privileged() != nil {
		t.Skip("set SALVOR_LAB=1 and be root on Linux: this puts real machines up")
	}
	b := bench{t, t.Context()}
	begun := time.Now()
	b.lab(append([]string{"up", "--reuse"}, args...)...)
	t.Logf("up %s: %.1f s", strings.Join(args, " "), time.Since(begun).Seconds())
	t.Cleanup(func() {
		if os.Getenv("SALVOR_LAB_KEEP") == "" {
			if err := run(context.WithoutCancel(b.ctx), []string{"down"}, &bytes.Buffer{}, &bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

// lab runs a command of the lab and gives what it prints.
func (b bench) lab(args ...string) string {
	b.Helper()
	var out, said bytes.Buffer
	if err := run(b.ctx, args, &out, &said); err != nil {
		b.Fatalf("lab %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String()
}

// try runs a shell line on a machine, as the lab and not by ssh.
func (b bench) try(host, line string) (string, error) {
	b.Helper()
	lab, err := state.Load()
	if err != nil {
		b.Fatal(err)
	}
	m, err := lab.Find(host)
	if err != nil {
		b.Fatal(err)
	}
	out, err := machine.Exec(b.ctx, m, "bash", "-c", line)
	return strings.TrimSpace(out), err
}

// on is try for a line that must do.
func (b bench) on(host, line string) string {
	b.Helper()
	out, err := b.try(host, line)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// until waits for a condition; the last reason why not is the failure.
func (b bench) until(limit time.Duration, what string, ok func() error) {
	b.Helper()
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	b.Fatalf("%s: not in %s: %v", what, limit, err)
}

// says waits until a shell line on a machine prints what is wanted.
func (b bench) says(host, line, want string) {
	b.Helper()
	b.until(90*time.Second, host+": "+line, func() error {
		if out, _ := b.try(host, line); out != want {
			return fmt.Errorf("it says %q, not %q", out, want)
		}
		return nil
	})
}

// stopped is a shell line that says so when a unit does not run.
func stopped(unit string) string { return "systemctl is-active --quiet " + unit + " || echo stopped" }

// kubectl runs kubectl through the load balancer until it succeeds.
func (b bench) kubectl(args ...string) string {
	b.Helper()
	var out bytes.Buffer
	b.until(2*time.Minute, "kubectl "+strings.Join(args, " "), func() error {
		var said bytes.Buffer
		out.Reset()
		if err := run(b.ctx, append([]string{"kubectl", "--request-timeout=10s"}, args...), &out, &said); err != nil {
			return fmt.Errorf("%w: %s", err, said.String())
		}
		return nil
	})
	return out.String()
}

// ready waits until all nodes are Ready and all API servers are seen.
func (b bench) ready(nodes int) {
	b.Helper()
	b.until(3*time.Minute, "nodes Ready", func() error {
		out := b.kubectl("get", "nodes", "--no-headers")
		if n := strings.Count(out, " Ready "); n != nodes {
			return fmt.Errorf("%d of %d:\n%s", n, nodes, out)
		}
		if out = b.lab("status"); strings.Count(out, "UP\n") != 3 {
			return errors.New(out)
		}
		return nil
	})
}

// workload makes a Deployment's pods run and reaches them by their Service.
func (b bench) workload() {
	b.Helper()
	b.kubectl("delete", "deployment,service", "web", "--ignore-not-found") // of a lab that is used again
	b.kubectl("create", "deployment", "web", "--image="+build.WebImage(), "--replicas=3")
	b.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
	b.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	b.kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=60s")
	address := b.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	for _, host := range []string{"cp-1", "worker-1"} {
		b.until(30*time.Second, "service from "+host, func() error {
			out, err := b.try(host, `exec 3<>/dev/tcp/`+address+`/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; timeout 5 tail -1 <&3`)
			if err == nil && !strings.HasPrefix(out, "web-") {
				err = fmt.Errorf("it says %q", out)
			}
			return err
		})
	}
}

// bytesOf reads a file of a machine.
func (b bench) bytesOf(host, path string) []byte {
	b.Helper()
	lab, err := state.Load()
	if err != nil {
		b.Fatal(err)
	}
	m, err := lab.Find(host)
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(state.Site().Root(m) + path)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// hears tells whether a datagram from one machine arrives at another.
func (b bench) hears(to, from string) bool {
	b.Helper()
	lab, err := state.Load()
	if err != nil {
		b.Fatal(err)
	}
	m, err := lab.Find(to)
	if err != nil {
		b.Fatal(err)
	}
	heard := make(chan bool, 1)
	go func() {
		out, _ := b.try(to, "timeout 2 socat -u UDP-RECV:9999 - | head -c 5")
		heard <- out == "hello"
	}()
	_, _ = b.try(from, "for i in 1 2 3 4 5 6; do echo hello > /dev/udp/"+m.Addr+"/9999; sleep 0.25; done")
	return <-heard
}

// endOf is when the certificate in a machine's file ends.
func (b bench) endOf(host, path string) time.Time {
	b.Helper()
	cert, err := sign.Parse(b.bytesOf(host, path))
	if err != nil {
		b.Fatal(err)
	}
	return cert.NotAfter
}

// validUntil is when the certificate that an address serves ends.
func (b bench) validUntil(url string) time.Time {
	b.Helper()
	var end time.Time
	b.until(4*time.Minute, "TLS of "+url, func() error {
		cert, err := pki.Served(b.ctx, url, "test")
		end = cert.NotAfter
		return err
	})
	return end
}

// answers tells whether something listens at an address.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
