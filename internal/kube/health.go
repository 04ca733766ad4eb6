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
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		p.Err = err
		return p
	}
	p.TCP = true
	client := tls.Client(conn, &tls.Config{
		ServerName:         u.Hostname(),
		InsecureSkipVerify: true, // only looks: trusts nothing and sends no credentials
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
	})
	defer client.Close()
	if err := client.HandshakeContext(ctx); err != nil {
		p.Err = fmt.Errorf("shake hands: %w", err)
		return p
	}
	p.TLS = true
	if certs := client.ConnectionState().PeerCertificates; len(certs) > 0 {
		p.Served = certs[0]
	}
	p.ask(ctx, client, address)
	return p
}

// ask speaks HTTP on the connection that is there, so that all answers come
// from one API server even behind a load balancer.
func (p *Probed) ask(ctx context.Context, conn net.Conn, host string) {
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	in := bufio.NewReader(conn)
	get := func(path string) (int, string, error) {
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
	live, liveErr := health(get("/livez?verbose"))
	p.Live, p.LiveErr = live, liveErr
	var refused *refusal
	p.HTTP = liveErr == nil || errors.As(liveErr, &refused)
	if !p.HTTP {
		p.Err, p.ReadyErr = liveErr, liveErr
		return
	}
	p.Ready, p.ReadyErr = health(get("/readyz?verbose"))
	if status, body, err := get("/version"); err == nil && status == http.StatusOK {
		var v struct {
			GitVersion string `json:"gitVersion"`
		}
		if json.Unmarshal([]byte(body), &v) == nil {
			p.Version = v.GitVersion
		}
	}
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
