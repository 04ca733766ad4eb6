package observe

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// clientProblem tells whether the files with which Salvor asks etcd fit
// together and fit to the members of this host, as far as the files can tell.
// A member that refuses Salvor's own certificate must not be taken for one
// that does not answer.
func clientProblem(cfg cluster.Config, host string, now time.Time) string {
	files := cfg.Client
	mine := slices.ContainsFunc(cfg.Members, func(m cluster.Member) bool { return m.Host == host })
	if files == (cluster.TLS{}) || !mine {
		return ""
	}
	var trusted *x509.CertPool
	if files.CA != "" {
		var err error
		if trusted, err = pool(files.CA); err != nil {
			return err.Error()
		}
	}
	var own *tls.Certificate
	if files.Cert != "" || files.Key != "" {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return fmt.Sprintf("read client certificate %s with key %s: %v", files.Cert, files.Key, err)
		}
		own = &pair
		if leaf := pair.Leaf; now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
			return fmt.Sprintf("the client certificate %s is valid from %s to %s, and it is %s", files.Cert,
				leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
	}
	for _, m := range cfg.Members {
		if m.Host != host {
			continue
		}
		if p := mismatch(files, own, trusted, m); p != "" {
			return p
		}
	}
	return ""
}

// mismatch holds the client's files against one member's. What the
// configuration does not name, or cannot be read, is no mismatch. Validity in
// time is judged elsewhere.
func mismatch(files cluster.TLS, own *tls.Certificate, trusted *x509.CertPool, m cluster.Member) string {
	if theirs, err := pool(m.Certificates.CA); err == nil && own != nil {
		if err := verify(own.Certificate, theirs, x509.ExtKeyUsageClientAuth); err != nil {
			return fmt.Sprintf("%s trusts %s, which did not issue the client certificate %s: %v", m.Name, m.Certificates.CA, files.Cert, err)
		}
	}
	if chain, err := chainOf(m.Certificates.Server); err == nil && trusted != nil {
		if err := verify(chain, trusted, x509.ExtKeyUsageServerAuth); err != nil {
			return fmt.Sprintf("the client authority %s did not issue the server certificate %s of %s: %v", files.CA, m.Certificates.Server, m.Name, err)
		}
	}
	return ""
}

func verify(chain [][]byte, roots *x509.CertPool, use x509.ExtKeyUsage) error {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, der := range chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: leaf.NotBefore.Add(time.Second),
		KeyUsages: []x509.ExtKeyUsage{use}})
	return err
}

func pool(path string) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("read certificate authority %s: it holds no PEM certificate", path)
	}
	return p, nil
}

func chainOf(path string) ([][]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return chain, nil
}
