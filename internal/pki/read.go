// Package pki reads, judges and issues the X.509 certificates of a control
// plane. It never prints or returns a private key that it read.
package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/salvor-project/salvor/internal/cluster"
)

// maxPEM bounds how much of a certificate file is read: a folder full of
// certificates is far smaller, a disk image given by mistake is not.
const maxPEM = 4 << 20

// Read gives every certificate of a PEM file, in the order of the file. Other
// PEM blocks (keys) are skipped. use is noted in each certificate as it is.
// A file without any certificate is an error, so that an emptied file is never
// taken for one that has nothing expired.
func Read(path, use string) ([]cluster.Certificate, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	var found []cluster.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate %d of %s: %w", len(found)+1, path, err)
		}
		found = append(found, describe(c, path, use))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("read certificate %s: no PEM certificate in the file (%d bytes)", path, len(data))
	}
	return found, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s is larger than %d MiB: that is no certificate file", path, maxPEM>>20)
	}
	return data, nil
}

func describe(c *x509.Certificate, source, use string) cluster.Certificate {
	sum := sha256.Sum256(c.Raw)
	d := cluster.Certificate{
		Source: source, Use: use,
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.Text(16),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		DNSNames: c.DNSNames, SHA256: hex.EncodeToString(sum[:]),
	}
	for _, ip := range c.IPAddresses {
		d.IPs = append(d.IPs, ip.String())
	}
	return d
}
