package kube

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Probed is what an API server answered, layer by layer.
type Probed struct {
	// TCP, TLS and HTTP tell which layers worked; Err is what stopped the
	// first that did not.
	TCP, TLS, HTTP bool
	Err            error
	// Served is the leaf certificate that it shows; nil without TLS.
	Served *x509.Certificate
	// Live and Ready are the answers of /livez and /readyz; nil when there
	// was none, with the reason beside.
	Live, Ready       *Health
	LiveErr, ReadyErr error
	// Refused is the status of an answer that says nothing of its health; 0 when
	// there was none.
	Refused int
	// Version is the server's gitVersion, empty when it did not say.
	Version string
}

// Health is the answer of a health endpoint.
type Health struct {
	Status int
	Failed []string
	Passed int
}

// OK tells whether the endpoint said that all is well.
func (h Health) OK() bool { return h.Status == http.StatusOK }

// Probe asks an API server how it is. No credentials are sent and nothing is
// verified: it only looks, so it works for expired certificates. ctx bounds
// each layer with the whole.
func Probe(ctx context.Context, raw string) Probed {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return Probed{Err: fmt.Errorf("probe %q: it is no https URL", raw)}
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	var p Probed
	client, err := p.connect(ctx, address, u.Hostname())
	if err != nil {
		p.Err = err
		return p
	}
	defer client.Close()
	p.ask(ctx, client, address, u.Hostname())
	return p
}

// connect opens TCP and TLS and notes how far it came.
func (p *Probed) connect(ctx context.Context, address, name string) (*tls.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	p.TCP = true
	client := tls.Client(conn, &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: true, // only looks: trusts nothing and sends no credentials
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
	})
	if err := client.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	p.TLS = true
	if certs := client.ConnectionState().PeerCertificates; len(certs) > 0 {
		p.Served = certs[0]
	}
	if at, ok := ctx.Deadline(); ok {
		_ = client.SetDeadline(at)
	}
	return client, nil
}

// ask speaks HTTP. Both health questions are asked at the same time, each on a
// connection of its own: without etcd, each takes the API server two seconds
// and more.
func (p *Probed) ask(ctx context.Context, conn *tls.Conn, address, name string) {
	var second Probed
	var ready *Health
	var readyErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		other, err := second.connect(ctx, address, name)
		if err != nil {
			readyErr = err
			return
		}
		defer other.Close()
		ready, readyErr = health(get(ctx, other, bufio.NewReader(other), address, "/readyz?verbose"))
	}()
	in := bufio.NewReader(conn)
	p.Live, p.LiveErr = health(get(ctx, conn, in, address, "/livez?verbose"))
	<-done
	p.Ready, p.ReadyErr = ready, readyErr
	var refused *refusal
	if errors.As(p.ReadyErr, &refused) || errors.As(p.LiveErr, &refused) {
		p.Refused = refused.status
	}
	p.HTTP = p.Live != nil || p.Ready != nil || p.Refused != 0
	if !p.HTTP {
		p.Err = p.LiveErr
		return
	}
	if p.LiveErr != nil && !errors.As(p.LiveErr, &refused) {
		return // this connection is no good any more
	}
	if status, body, err := get(ctx, conn, in, address, "/version"); err == nil && status == http.StatusOK {
		var v struct {
			GitVersion string `json:"gitVersion"`
		}
		if json.Unmarshal([]byte(body), &v) == nil {
			p.Version = v.GitVersion
		}
	}
}

// get asks one path on a connection that is open.
func get(ctx context.Context, conn net.Conn, in *bufio.Reader, host, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "salvor")
	if err := req.Write(conn); err != nil {
		return 0, "", err
	}
	res, err := http.ReadResponse(in, req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(b), err
}

// refusal is an answer of HTTP that says nothing of the server's health.
type refusal struct{ status int }

func (r *refusal) Error() string {
	return fmt.Sprintf("it answers with status %d and does not say", r.status)
}

func health(status int, body string, err error) (*Health, error) {
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == http.StatusTooManyRequests, status == http.StatusBadRequest:
		return nil, &refusal{status}
	}
	h := &Health{Status: status}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "[+]"):
			h.Passed++
		case strings.HasPrefix(line, "[-]"):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "[-]"), " ")
			h.Failed = append(h.Failed, name)
		}
	}
	return h, nil
}
