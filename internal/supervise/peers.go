package supervise

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// AwaitPeers waits until the member answers on one of its peer ports, its
// process is gone, or limit has passed; it tells whether the port answers. etcd
// opens the port long before it answers there: only after it has read its data
// and, with --initial-corrupt-check, asked every peer for its hash.
func AwaitPeers(ctx context.Context, m cluster.Member, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		for _, raw := range m.PeerURLs {
			if u, err := url.Parse(raw); err == nil && answersPeers(ctx, u) {
				return true
			}
		}
		if f, err := find(m); err == nil && !f.Running {
			return false
		}
		if sleep(ctx, 2*look) != nil {
			return false
		}
	}
}

// answersPeers tells whether somebody reads what arrives on a peer port: any
// answer counts, a refusal for want of a certificate too.
func answersPeers(ctx context.Context, u *url.URL) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if u.Scheme == "https" {
		// Nothing secret passes, and nothing that is said is believed.
		err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // see above
		var refused tls.AlertError
		var remote *net.OpError
		return err == nil || errors.As(err, &refused) || errors.As(err, &remote) && remote.Op == "remote error"
	}
	if _, err := conn.Write([]byte("GET /version HTTP/1.0\r\n\r\n")); err != nil {
		return false
	}
	n, _ := conn.Read(make([]byte, 1))
	return n == 1
}
