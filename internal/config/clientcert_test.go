package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"testing"
	"time"
)

// TestACertificateForServersOnlyIsNoClient has a server certificate as some
// authorities issue them: etcd would refuse it from a client.
func TestACertificateForServersOnlyIsNoClient(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now, dir := time.Now(), t.TempDir()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := func(use x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			DNSNames: []string{"h"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}}
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	save := func(name string, c *x509.Certificate) {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		write(t, filepath.Join(dir, name+"-key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	}
	save("ca", ca)
	save("server", leaf(x509.ExtKeyUsageServerAuth))
	m := &member{name: "m", dir: dir, client: []string{"https://h:1"}, set: settings{"cert-file": "server.pem", "key-file": "server-key.pem", "trusted-ca-file": "ca.pem"}}

	s := tlsSearch{host: "h", now: now}
	if got := s.find([]*member{m}); got.CA != filepath.Join(dir, "ca.pem") || got.Cert != "" || len(s.questions) != 1 {
		t.Errorf("%+v, questions %q: want the authority, no certificate and one question", got, s.questions)
	}
	save("zz", leaf(x509.ExtKeyUsageClientAuth))
	s = tlsSearch{host: "h", now: now}
	if got := s.find([]*member{m}); got.Cert != filepath.Join(dir, "zz.pem") || got.Key != filepath.Join(dir, "zz-key.pem") || len(s.questions) != 0 {
		t.Errorf("%+v, questions %q: want zz", got, s.questions)
	}
	// Without an authority for clients etcd asks for none.
	m.set = settings{"cert-file": "server.pem", "key-file": "server-key.pem"}
	s = tlsSearch{host: "h", now: now.Add(2 * time.Hour)}
	if got := s.find([]*member{m}); got.CA != filepath.Join(dir, "ca.pem") || got.Cert != "" || len(s.questions) != 0 {
		t.Errorf("%+v, questions %q: want only the authority, found by what it signed", got, s.questions)
	}
}
