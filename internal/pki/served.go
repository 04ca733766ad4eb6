package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// servedTimeout bounds a handshake when ctx has no nearer deadline.
const servedTimeout = 5 * time.Second

// Served gives the leaf certificate that the TLS server at rawURL (https, with
// a port) presents, with Source "served:URL". Nothing is verified and nothing
// is sent after the handshake, so it works for expired certificates and for
// servers that refuse us because we show no client certificate.
func Served(ctx context.Context, rawURL, use string) (cluster.Certificate, error) {
	address, name, err := target(rawURL)
	if err != nil {
		return cluster.Certificate{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return cluster.Certificate{}, fmt.Errorf("read served certificate of %s: %w", rawURL, err)
	}
	defer conn.Close()
	leaf, err := presented(ctx, conn, name)
	if err != nil {
		return cluster.Certificate{}, fmt.Errorf("read served certificate of %s: %w", rawURL, err)
	}
	return describe(leaf, "served:"+rawURL, use), nil
}

func target(rawURL string) (address, name string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", fmt.Errorf("read served certificate: %w", err)
	}
	if u.Scheme != "https" {
		return "", "", fmt.Errorf("read served certificate of %s: not an https URL, so no certificate is served", rawURL)
	}
	if u.Port() == "" {
		return "", "", fmt.Errorf("read served certificate of %s: the URL has no port", rawURL)
	}
	return u.Host, u.Hostname(), nil
}

// presented shakes hands and keeps the certificate as soon as it is seen: the
// server may well refuse us afterwards.
func presented(ctx context.Context, conn net.Conn, name string) (*x509.Certificate, error) {
	var leaf *x509.Certificate
	var parse error
	client := tls.Client(conn, &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: true, // only looks; trusts nothing and sends nothing
		MinVersion:         tls.VersionTLS12,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) > 0 {
				leaf, parse = x509.ParseCertificate(raw[0])
			}
			return nil
		},
	})
	err := client.HandshakeContext(ctx)
	switch {
	case leaf != nil:
		return leaf, nil
	case parse != nil:
		return nil, parse
	case err != nil:
		return nil, err
	}
	return nil, errors.New("the server presented no certificate")
}
