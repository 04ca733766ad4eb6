package operate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/plan"
)

// balancerLimit is how long a load balancer may take to count all API servers
// as alive.
const balancerLimit = 60 * time.Second

// Balanced is the result of AwaitBalancer.
type Balanced struct {
	// Seen counts the API servers that connections to the load balancer led to.
	Seen int `json:"seen"`
	Of   int `json:"of"`
	// EndsTLS tells that the load balancer shows a certificate of its own, so
	// that nobody can tell which API server is behind it.
	EndsTLS bool   `json:"endsTLS,omitempty"`
	Note    string `json:"note,omitempty"`
}

func (env Env) awaitBalancer(ctx context.Context, a plan.AwaitBalancer) (any, error) {
	out, err := env.balance(ctx, a, balancerLimit)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// balance opens connections until every API server was met. One that sends this
// machine always to the same one cannot be tested so, nor one that ends TLS
// itself: that is said, and is no failure while the API answers through it.
func (env Env) balance(ctx context.Context, a plan.AwaitBalancer, limit time.Duration) (Balanced, error) {
	n, err := env.node()
	if err != nil {
		return Balanced{}, err
	}
	c, err := kube.Open(n.Kubeconfig, a.URL)
	if err != nil {
		return Balanced{}, err
	}
	defer c.Close()
	want, seen := map[string]bool{}, map[string]bool{}
	var out Balanced
	err = until(ctx, limit, func(ctx context.Context) error {
		for _, u := range a.APIServers {
			// One that does not answer is its own matter.
			if digest, err := shown(ctx, u); err == nil {
				want[digest] = true
			}
		}
		if strings.HasPrefix(a.URL, "http://") {
			out.EndsTLS, out.Of = true, len(want)
			return anonymous(ctx, a.URL)
		}
		for range 2 * len(a.APIServers) {
			digest, err := shown(ctx, a.URL)
			switch {
			case err != nil:
				return err
			case want[digest]:
				seen[digest] = true
			default:
				out.EndsTLS = true
			}
		}
		if out.Seen, out.Of = len(seen), len(want); out.Seen < out.Of && !out.EndsTLS {
			return fmt.Errorf("it has led to %d of %d API servers", out.Seen, out.Of)
		}
		return through(ctx, c, a.URL)
	})
	switch {
	case err != nil && len(seen) > 0 && through(ctx, c, a.URL) == nil:
		out.Note = "it answers, and leads this machine always to the same API servers"
	case err != nil:
		return out, fmt.Errorf("await load balancer %s: %w", a.URL, err)
	case out.EndsTLS:
		out.Note = "it answers with a certificate that is none of the API servers': which of them it leads to cannot be told"
	}
	return out, nil
}

// through asks whether the API is ready behind a load balancer. One whose
// certificate is of another authority is asked without credentials.
func through(ctx context.Context, c *kube.Client, address string) error {
	err := c.Ready(ctx)
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var status *kube.StatusError
	switch {
	case errors.As(err, &authority), errors.As(err, &name), errors.As(err, &invalid):
		return anonymous(ctx, address)
	case errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden):
		return nil // the client's certificate ends where TLS does
	}
	return err
}

// anonymous asks for readiness without credentials and without belief in the
// certificate: an answer is all that is wanted. API servers give one to
// everybody unless told not to, and refuse by 401 or 403 then.
func anonymous(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}} //nolint:gosec // nothing secret is sent, nothing is believed
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusUnauthorized, http.StatusForbidden:
		return nil
	}
	return &kube.StatusError{Code: res.StatusCode, Message: "the load balancer answers /readyz with " + res.Status}
}

// shown gives the digest of the certificate that an address serves. Nothing is
// sent, so nothing is verified.
func shown(ctx context.Context, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 3 * time.Second},
		Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}} //nolint:gosec // only looks
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	t, ok := conn.(*tls.Conn)
	if !ok || len(t.ConnectionState().PeerCertificates) == 0 {
		return "", errors.New("it shows no certificate")
	}
	sum := sha256.Sum256(t.ConnectionState().PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:]), nil
}
