package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/cluster"
)

var day = 24 * time.Hour

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority("etcd-ca", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, r Request) Pair {
	t.Helper()
	p, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReadGivesEveryCertificateOfAFileAndSkipsKeys(t *testing.T) {
	a := authority(t)
	from := time.Now().Add(-3 * day).UTC().Truncate(time.Second)
	p := issue(t, a, Request{Use: Server, CommonName: "m1", Hosts: []string{"127.0.0.1", "m1.local"}, NotBefore: from, NotAfter: from.Add(day)})
	path := filepath.Join(t.TempDir(), "bundle.crt")
	if err := WriteFile(path, []byte(string(p.Key)+string(p.Cert)+string(a.Certificate()))); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path, "server")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("got %d certificates, want leaf and authority", len(got))
	}
	want := cluster.Certificate{
		Source: path, Use: "server", Subject: "CN=m1", Issuer: "CN=etcd-ca",
		NotBefore: from, NotAfter: from.Add(day), DNSNames: []string{"m1.local"}, IPs: []string{"127.0.0.1"},
		Serial: got[0].Serial, SHA256: got[0].SHA256,
	}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Errorf("leaf (-want +got):\n%s", d)
	}
	if got[1].Subject != "CN=etcd-ca" || got[0].SHA256 == got[1].SHA256 {
		t.Errorf("second certificate is %+v", got[1])
	}
}

func TestReadRefusesWhatIsNoCertificate(t *testing.T) {
	dir := t.TempDir()
	broken := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	for name, content := range map[string]string{"empty": "", "text": "hello", "broken": broken} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path, "server"); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
	if _, err := Read(dir, "server"); err == nil {
		t.Error("a folder was read as a certificate")
	}
	if _, err := Read(filepath.Join(dir, "none"), "server"); !os.IsNotExist(unwrap(err)) {
		t.Errorf("missing file: %v", err)
	}
}

func unwrap(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if os.IsNotExist(err) {
			return err
		}
		err = u.Unwrap()
	}
}

func TestJudgeComparesWithTheClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := cluster.Certificate{NotBefore: now.Add(-day), NotAfter: now.Add(day)}
	for _, k := range []struct {
		at     time.Time
		within time.Duration
		want   State
	}{
		{now, 0, Valid},
		{now, 2 * day, Expiring},
		{now.Add(day), 0, Valid},
		{now.Add(day + time.Second), 0, Expired},
		{now.Add(-day), 0, Valid},
		{now.Add(-day - time.Second), 30 * day, NotYetValid},
	} {
		if got := Judge(c, k.at, k.within); got != k.want {
			t.Errorf("at %s within %s: %s, want %s", k.at, k.within, got, k.want)
		}
	}
}

// serve answers TLS handshakes with a pair and demands a client certificate.
func serve(t *testing.T, a *Authority, p Pair, max uint16) string {
	t.Helper()
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: max,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = c.(*tls.Conn).Handshake(); _ = c.Close() }()
		}
	}()
	return "https://" + l.Addr().String()
}

func TestServedReadsAnExpiredCertificateOfAServerThatRefusesUs(t *testing.T) {
	a := authority(t)
	p := issue(t, a, Request{Use: Peer, CommonName: "old", Hosts: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-9 * day), NotAfter: time.Now().Add(-day)})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		url := serve(t, a, p, version)
		c, err := Served(context.Background(), url, "peer")
		if err != nil {
			t.Fatalf("TLS %x: %v", version, err)
		}
		if c.Subject != "CN=old" || c.Source != "served:"+url || Judge(c, time.Now(), 0) != Expired {
			t.Errorf("TLS %x: got %+v", version, c)
		}
	}
}

func TestServedSaysWhyItSawNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	for url, want := range map[string]string{
		"https://" + address: "connection refused",
		"http://" + address:  "not an https URL",
		"https://127.0.0.1":  "no port",
	} {
		if _, err := Served(context.Background(), url, "server"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestServedGivesUpOnASilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := Served(ctx, "https://"+l.Addr().String(), "server"); err == nil {
		t.Error("a certificate from a server that says nothing")
	}
}

func TestIssuedCertificatesVerifyForTheirUseOnly(t *testing.T) {
	a := authority(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	r := Request{CommonName: "x", Hosts: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(day)}
	for use, server := range map[Use]bool{Server: true, Peer: true, Client: false} {
		r.Use = use
		pair, err := tls.X509KeyPair(issue(t, a, r).Cert, issue(t, a, r).Key)
		if err == nil {
			t.Fatal("a key of another certificate was accepted")
		}
		p := issue(t, a, r)
		if pair, err = tls.X509KeyPair(p.Cert, p.Key); err != nil {
			t.Fatal(err)
		}
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "127.0.0.1"})
		if (err == nil) != server {
			t.Errorf("%s as a server: %v", use, err)
		}
		if _, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s as a client: %v", use, err)
		}
	}
	r.NotAfter = r.NotBefore
	if _, err := a.Issue(r); err == nil {
		t.Error("issued a certificate that is never valid")
	}
}

func TestWriteIsPrivateAndReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	a := authority(t)
	p := issue(t, a, Request{Use: Client, CommonName: "root", NotBefore: time.Now(), NotAfter: time.Now().Add(day)})
	cert, key := filepath.Join(dir, "c.crt"), filepath.Join(dir, "c.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("old", 9999)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(cert, key); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{cert: p.Cert, key: p.Key} {
		got, err := os.ReadFile(path)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
