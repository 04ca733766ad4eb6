package operate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/internal/plan"
)

const (
	// apiLimit is how long an API server may take until it is ready: it reads
	// all of its caches from etcd.
	apiLimit = 120 * time.Second
	apiLook  = 200 * time.Millisecond
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
