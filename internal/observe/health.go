package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// healthBudget bounds what one member's health endpoints are asked, all at the
// same time. Without a quorum etcd itself takes longer for the read that it tries.
const healthBudget = 2 * time.Second

// etcdHealth asks a member for its health where monitoring and the kubelet do: at
// its metrics URLs, which ask for no certificate, and at its client URLs. A member
// that does not run is not asked.
func etcdHealth(ctx context.Context, m cluster.Member, p cluster.Known[cluster.ProcessFacts], files cluster.TLS) []cluster.EtcdHealth {
	if !p.OK || !p.Value.Running {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthBudget)
	defer cancel()
	var urls []string
	for _, u := range slices.Concat(metricsURLs(p.Value), m.ClientURLs) {
		if u = strings.TrimSuffix(u, "/"); !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	out := make([]cluster.EtcdHealth, len(urls))
	var wg sync.WaitGroup
	for i, u := range urls {
		wg.Go(func() { out[i] = healthAt(ctx, u, files) })
	}
	wg.Wait()
	return out
}

// metricsURLs are those of a running etcd, from its own command line or
// environment; what listens on all addresses is asked on this machine's own.
func metricsURLs(p cluster.ProcessFacts) []string {
	value, _ := cluster.StaticPod{Command: p.Command}.Flag("listen-metrics-urls")
	if value == "" {
		if value, _ = (cluster.StaticPod{Command: p.Command}).Flag("-listen-metrics-urls"); value == "" {
			value = environment(p.PID, "ETCD_LISTEN_METRICS_URLS")
		}
	}
	var out []string
	for raw := range strings.SplitSeq(value, ",") {
		u, err := url.Parse(strings.TrimSpace(raw))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
			u.Host = net.JoinHostPort("127.0.0.1", u.Port())
		}
		out = append(out, u.Scheme+"://"+u.Host)
	}
	return out
}

// environment is one variable of a process; empty when it cannot be read. Nothing
// else of the environment is kept.
func environment(pid int, name string) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, []byte(name+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// healthAt asks one URL. Etcds of before livez and readyz, and the client URLs of
// those with --enable-v2, answer them with 404 (etcd server/etcdserver/api/etcdhttp/
// health.go, HandleHealth and HandleHealthForV2). The same would try a write of
// their old API for /health, and a look leaves nothing in anybody's log: they are
// not asked for it.
func healthAt(ctx context.Context, base string, files cluster.TLS) cluster.EtcdHealth {
	h := cluster.EtcdHealth{URL: base}
	transport, err := transportWith(files)
	if err != nil {
		h.Health, h.Live, h.Ready = cluster.Unknown[cluster.HealthAnswer]("%v", err), cluster.Unknown[cluster.APIHealth]("%v", err), cluster.Unknown[cluster.APIHealth]("%v", err)
		return h
	}
	defer transport.CloseIdleConnections()
	ask := func(path string) (int, []byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return 0, nil, err
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return 0, nil, err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return res.StatusCode, b, err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		h.Live = got(ctx, func() (cluster.APIHealth, error) { return healthChecks(ask("/livez?verbose")) })
		if !h.Live.OK {
			h.Health = cluster.Unknown[cluster.HealthAnswer]("not asked, because /livez is not served: %s", h.Live.Why)
			return
		}
		h.Health = got(ctx, func() (cluster.HealthAnswer, error) { return healthAnswer(ask("/health")) })
	})
	wg.Go(func() {
		h.Ready = got(ctx, func() (cluster.APIHealth, error) { return healthChecks(ask("/readyz?verbose")) })
	})
	local := cluster.Known[cluster.APIHealth]{}
	wg.Go(func() {
		local = got(ctx, func() (cluster.APIHealth, error) {
			return healthChecks(ask("/readyz?verbose&exclude=" + throughQuorum))
		})
	})
	wg.Wait()
	if !h.Ready.OK && local.OK {
		h.Ready = local
		h.Ready.Value.OK, h.Ready.Value.Failed = false, append(h.Ready.Value.Failed, throughQuorum+noAnswer)
	}
	return h
}

// throughQuorum is the check of /readyz that needs a quorum. Without one it takes
// seven seconds to fail, and the answer to all checks waits for it; so the others
// are asked for by themselves, too.
const throughQuorum = "linearizable_read"

// noAnswer follows the name of a check that did not answer within healthBudget.
const noAnswer = " (no answer)"

// healthAnswer reads {"health":"false","reason":"ALARM NOSPACE"}; before 3.5 there
// is no reason.
func healthAnswer(status int, body []byte, err error) (cluster.HealthAnswer, error) {
	if err != nil {
		return cluster.HealthAnswer{}, err
	}
	var said struct {
		Health, Reason string
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Health == "" {
		return cluster.HealthAnswer{}, fmt.Errorf("it answers with status %d and does not say", status)
	}
	return cluster.HealthAnswer{OK: status == http.StatusOK && said.Health == "true", Status: status, Reason: said.Reason}, nil
}

// healthChecks reads lines such as "[-]linearizable_read failed: …" and
// "[+]data_corruption ok".
func healthChecks(status int, body []byte, err error) (cluster.APIHealth, error) {
	if err != nil {
		return cluster.APIHealth{}, err
	}
	if status != http.StatusOK && status != http.StatusServiceUnavailable {
		return cluster.APIHealth{}, fmt.Errorf("it answers with status %d and does not say", status)
	}
	h := cluster.APIHealth{Status: status}
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[+]") {
			h.Passed++
		} else if name, failed := strings.CutPrefix(line, "[-]"); failed {
			name, _, _ = strings.Cut(name, " ")
			h.Failed = append(h.Failed, name)
		}
	}
	h.OK = status == http.StatusOK && len(h.Failed) == 0
	return h, nil
}
