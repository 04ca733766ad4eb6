package observe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// metricsBudget bounds the reading of one member's metrics.
const metricsBudget = 2 * time.Second

// metrics reads the member's own numbers over its client URL: the passive way
// to know how fast its disk is.
func metrics(ctx context.Context, m cluster.Member, files cluster.TLS) (cluster.EtcdMetrics, error) {
	if len(m.ClientURLs) == 0 {
		return cluster.EtcdMetrics{}, errors.New("the member has no client URL")
	}
	ctx, cancel := context.WithTimeout(ctx, metricsBudget)
	defer cancel()
	transport, err := transportWith(files)
	if err != nil {
		return cluster.EtcdMetrics{}, err
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(m.ClientURLs[0], "/")+"/metrics", nil)
	if err != nil {
		return cluster.EtcdMetrics{}, err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return cluster.EtcdMetrics{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return cluster.EtcdMetrics{}, fmt.Errorf("ask metrics: status %d", res.StatusCode)
	}
	return parseMetrics(io.LimitReader(res.Body, 8<<20))
}

// transportWith speaks HTTP with the files that Salvor has for etcd.
func transportWith(files cluster.TLS) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		roots, err := pool(files.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = roots
	}
	if files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return nil, fmt.Errorf("read client certificate %s: %w", files.Cert, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}, nil
}

// histogram is a Prometheus histogram of one name over all its labels.
type histogram map[float64]float64

// p99 is the upper bound of the bucket that holds the 99th per cent; 0 without
// observations.
func (h histogram) p99() float64 {
	total := h[math.Inf(1)]
	best := math.Inf(1)
	for le, n := range h {
		if n >= 0.99*total && le < best {
			best = le
		}
	}
	if total == 0 {
		return 0
	}
	if math.IsInf(best, 1) {
		best = 0
		for le := range h {
			if !math.IsInf(le, 1) {
				best = max(best, 2*le) // beyond the last bucket
			}
		}
	}
	return best
}

// parseMetrics reads the text format of Prometheus 0.0.4 as far as etcd's own
// names need it.
func parseMetrics(r io.Reader) (cluster.EtcdMetrics, error) {
	hists := map[string]histogram{"etcd_disk_wal_fsync_duration_seconds_bucket": {}, "etcd_disk_backend_commit_duration_seconds_bucket": {},
		"etcd_network_peer_round_trip_time_seconds_bucket": {}}
	var m cluster.EtcdMetrics
	seen := false
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		if !strings.HasPrefix(line, "etcd_") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			continue
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		switch name {
		case "etcd_server_leader_changes_seen_total":
			m.LeaderChanges = int64(value)
		case "etcd_server_has_leader":
			m.HasLeader, seen = value == 1, true
		case "etcd_disk_defrag_inflight":
			m.Defragmenting = value == 1
		case "etcd_server_quota_backend_bytes":
			m.Quota = int64(value)
		case "etcd_server_slow_apply_total":
			m.SlowApplies = int64(value)
		default:
			if h, ok := hists[name]; ok {
				if le, ok := bound(labels); ok {
					h[le] += value
				}
			}
		}
	}
	if err := in.Err(); err != nil {
		return m, fmt.Errorf("read metrics: %w", err)
	}
	if !seen {
		return m, errors.New("read metrics: these are not an etcd's")
	}
	m.FsyncP99 = hists["etcd_disk_wal_fsync_duration_seconds_bucket"].p99()
	m.CommitP99 = hists["etcd_disk_backend_commit_duration_seconds_bucket"].p99()
	m.PeerRTTP99 = hists["etcd_network_peer_round_trip_time_seconds_bucket"].p99()
	return m, nil
}

func bound(labels string) (float64, bool) {
	_, rest, ok := strings.Cut(labels, `le="`)
	if !ok {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, `"`)
	le, err := strconv.ParseFloat(text, 64)
	return le, err == nil
}
