package operate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
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

const (
	// apiLimit is how long an API server may take until it is ready: it reads
	// all of its caches from etcd.
	apiLimit = 120 * time.Second
	// nodesLimit is how long nodes may take: a kubelet renews its lease every
	// 10 s, and one that was started anew says after some seconds how it is.
	nodesLimit = 120 * time.Second
	// balancerLimit is how long a load balancer may take to count all API
	// servers as alive.
	balancerLimit = 60 * time.Second
	apiLook       = 200 * time.Millisecond
)

// api opens this machine's own API server.
func (env Env) api() (*kube.Client, error) {
	n, err := env.node()
	if err != nil {
		return nil, err
	}
	if n.API == "" || n.Kubeconfig == "" {
		return nil, fmt.Errorf("salvor.yaml names no API server of host %s, or no kubeconfig for it", env.Host)
	}
	return kube.Open(n.Kubeconfig, n.API)
}

// APIServed is the result of AwaitAPI.
type APIServed struct {
	URL string `json:"url"`
	// Written is when the API took a write; zero when none was tried.
	Written time.Time `json:"written,omitzero"`
	// Note says why a ready API server took no write.
	Note string `json:"note,omitempty"`
}

func (env Env) awaitAPI(ctx context.Context, a plan.AwaitAPI) (any, error) {
	n, err := env.node()
	if err != nil {
		return nil, err
	}
	c, err := env.api()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := APIServed{URL: n.API}
	err = until(ctx, apiLimit, func(ctx context.Context) error {
		if err := c.Ready(ctx); err != nil {
			return err
		}
		if a.Canary == "" {
			return nil
		}
		err := c.Canary(ctx, "salvor-canary-"+strings.ToLower(a.Canary), time.Now().UTC().Format(time.RFC3339Nano))
		switch {
		case refusedByPolicy(err):
			out.Note = err.Error()
		case err != nil:
			return err
		default:
			out.Written, out.Note = time.Now().UTC(), ""
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("await API server %s: %w", n.API, err)
	}
	return out, nil
}

// refusedByPolicy tells the answers of an API server that works and does not
// want this write: who asks, what may be written and which webhooks are asked
// is the cluster's business, and a webhook's pods may be waiting for the
// controller manager that is let go only after this. That etcd takes writes was
// proven before.
func refusedByPolicy(err error) bool {
	var status *kube.StatusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.Code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest, http.StatusUnprocessableEntity:
		return true
	case http.StatusInternalServerError:
		return strings.Contains(status.Message, "webhook")
	}
	return false
}

// tryLimit is how long one try may take; a webhook that hangs takes 10 s by
// default (admissionregistration.k8s.io/v1, timeoutSeconds).
const tryLimit = 15 * time.Second

// until tries again until there is no error any more, or until the limit; then
// the last error is told.
func until(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	for end := time.Now().Add(limit); ; {
		one, cancel := context.WithTimeout(ctx, tryLimit)
		err := try(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not after %s: %w", limit, err)
		}
		if serr := sleep(ctx, apiLook); serr != nil {
			return err
		}
	}
}

// NodesReady is the result of AwaitNodes.
type NodesReady struct {
	Nodes     []string `json:"nodes"`
	Endpoints []string `json:"endpoints"`
}

func (env Env) awaitNodes(ctx context.Context, a plan.AwaitNodes, progress Progress) (any, error) {
	c, err := env.api()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var out NodesReady
	var begin time.Time
	err = until(ctx, nodesLimit, func(ctx context.Context) error {
		list, now, err := c.Nodes(ctx)
		if err != nil {
			return err
		}
		if begin.IsZero() {
			begin = now
		}
		var missing []string
		if out.Nodes, missing = judgeNodes(list, a.Nodes, begin); len(missing) > 0 {
			progress(int64(len(out.Nodes)), int64(len(a.Nodes)), "nodes")
			return errors.New(strings.Join(missing, "; "))
		}
		if out.Endpoints, err = c.Endpoints(ctx); err != nil {
			return err
		}
		if len(out.Endpoints) != a.APIServers {
			return fmt.Errorf("the service \"kubernetes\" has the endpoints %s, and there are %d API servers", strings.Join(out.Endpoints, ", "), a.APIServers)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("await nodes: %w", err)
	}
	return out, nil
}

// judgeNodes tells which nodes are Ready with a lease that was renewed since,
// and what is wrong with the others. The day's lease may be some seconds old:
// the API server's clock counts whole ones.
func judgeNodes(list []kube.Node, want []string, since time.Time) (ready, missing []string) {
	byName := map[string]kube.Node{}
	for _, n := range list {
		byName[n.Name] = n
	}
	for _, name := range want {
		n, ok := byName[name]
		switch {
		case !ok:
			missing = append(missing, name+" is no node of this cluster")
		case !n.Ready:
			missing = append(missing, fmt.Sprintf("%s is not Ready (%s)", name, n.Why))
		case n.Renewed.Before(since.Add(-time.Second)):
			missing = append(missing, fmt.Sprintf("%s has not renewed its lease since %s", name, n.Renewed.Format(time.RFC3339)))
		default:
			ready = append(ready, name)
		}
	}
	return ready, missing
}

// Balanced is the result of AwaitBalancer.
type Balanced struct {
	// Seen counts the API servers that connections to the load balancer led to.
	Seen int    `json:"seen"`
	Of   int    `json:"of"`
	Note string `json:"note,omitempty"`
}

// awaitBalancer opens connections until every API server was met. One that
// sends this machine always to the same one cannot be tested so: that is said,
// and is no failure while the API answers through it.
func (env Env) awaitBalancer(ctx context.Context, a plan.AwaitBalancer) (any, error) {
	n, err := env.node()
	if err != nil {
		return nil, err
	}
	c, err := kube.Open(n.Kubeconfig, a.URL)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	want := map[string]bool{}
	for _, u := range a.APIServers {
		digest, err := shown(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("await load balancer: API server %s: %w", u, err)
		}
		want[digest] = true
	}
	seen := map[string]bool{}
	err = until(ctx, balancerLimit, func(ctx context.Context) error {
		for range 2 * len(a.APIServers) {
			digest, err := shown(ctx, a.URL)
			if err != nil {
				return err
			}
			if want[digest] {
				seen[digest] = true
			}
		}
		if len(seen) < len(want) {
			return fmt.Errorf("it has led to %d of %d API servers", len(seen), len(want))
		}
		return c.Ready(ctx)
	})
	out := Balanced{Seen: len(seen), Of: len(want)}
	if err != nil && len(seen) > 0 && c.Ready(ctx) == nil {
		out.Note = "it answers, and leads this machine always to the same API servers"
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("await load balancer %s: %w", a.URL, err)
	}
	return out, nil
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
