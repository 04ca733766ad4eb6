package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/pki"
)

// apiServer is an HTTPS server that demands a client certificate of its own
// authority, and the kubeconfig with which it may be asked.
func apiServer(t *testing.T, answer http.Handler) (kubeconfig, url string) {
	t.Helper()
	a, err := pki.NewAuthority("kubernetes", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issue := func(use pki.Use, name string) pki.Pair {
		p, err := a.Issue(pki.Request{Use: use, CommonName: name, Hosts: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	server, client := issue(pki.Server, "kube-apiserver"), issue(pki.Client, "admin")
	own, err := tls.X509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	s := httptest.NewUnstartedServer(answer)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	key := filepath.Join(t.TempDir(), "client.key")
	if err := os.WriteFile(key, client.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(`current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}, {name: y, context: {cluster: other, user: other}}]
clusters: [{name: other, cluster: {server: "https://192.0.2.1"}}, {name: c, cluster: {server: "https://192.0.2.9:6443", certificate-authority-data: %s}}]
users: [{name: u, user: {client-certificate-data: %s, client-key: client.key}}]
`, b64(a.Certificate()), b64(client.Cert))
	path := filepath.Join(filepath.Dir(key), "admin.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, s.URL
}

func TestClientShowsItsCertificateAndReadsAnswers(t *testing.T) {
	path, url := apiServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		if token := r.Header.Get("Authorization"); token != "" {
			who += " " + token
		}
		switch r.URL.Path {
		case "/readyz":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "[+]ping ok\n[-]etcd failed: reason withheld\n[-]informer-sync failed\n")
		case "/api/v1/namespaces/kube-system":
			_, _ = io.WriteString(w, `{"metadata":{"uid":"uid-1"}}`)
		case "/api/v1/secrets":
			_, _ = io.WriteString(w, `{"metadata":{"remainingItemCount":41},"items":[{}]}`)
		case "/apis/authentication.k8s.io/v1/selfsubjectreviews":
			_, _ = fmt.Fprintf(w, `{"status":{"userInfo":{"username":%q}}}`, who)
		case "/api/v1/namespaces":
			_, _ = io.WriteString(w, `{"type":"ERROR","object":{"code":410,"message":"too old resource version: 5 (9)"}}`+"\n")
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"kind":"Status","reason":"Forbidden","message":"not for you"}`)
		}
	}))
	c, err := Open(path, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	if err := c.Ready(ctx); err == nil || !strings.Contains(err.Error(), "failing: etcd, informer-sync") {
		t.Errorf("ready: %v", err)
	}
	if uid, err := c.SystemUID(ctx); uid != "uid-1" || err != nil {
		t.Errorf("%q, %v", uid, err)
	}
	if n, ok, err := c.Count(ctx, "/api/v1/secrets"); n != 42 || !ok || err != nil {
		t.Errorf("count %d, %v, %v", n, ok, err)
	}
	if who, err := c.Whoami(ctx); who != "admin" || err != nil {
		t.Errorf("%q, %v", who, err)
	}
	if who, err := c.WithToken("t").Whoami(ctx); who != "nobody Bearer t" || err != nil {
		t.Errorf("with a token: %q, %v", who, err)
	}
	if old, err := c.WatchTooOld(ctx, 5); !old || err != nil {
		t.Errorf("watch: %v, %v", old, err)
	}
	var status *StatusError
	if _, err := c.Endpoints(ctx); !errors.As(err, &status) || status.Code != http.StatusForbidden || status.Message != "not for you" {
		t.Errorf("refusal: %v", err)
	}
}

// TestClientTrustsOnlyItsAuthority: another server on the address is not asked.
func TestClientTrustsOnlyItsAuthority(t *testing.T) {
	path, _ := apiServer(t, http.NotFoundHandler())
	_, other := apiServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger was asked") }))
	c, err := Open(path, other)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var unknown x509.UnknownAuthorityError
	if _, err := c.SystemUID(ctx); !errors.As(err, &unknown) {
		t.Errorf("got %v, want an unknown authority", err)
	}
}

func TestKubeconfigsThatCannotBeUsed(t *testing.T) {
	for text, want := range map[string]string{
		"{}": "no context is current",
		"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {exec: {command: aws}}}]": "another program",
		"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {client-key: nowhere}}]":  "client certificate",
		":": "kubeconfig",
	} {
		path := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, "https://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestNamesAreAskedForAlone: whole objects are not fetched for their names, and a
// list that goes on is no list.
func TestNamesAreAskedForAlone(t *testing.T) {
	more := ""
	path, url := apiServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Accept"), "application/json;as=PartialObjectMetadataList") || r.URL.Query().Get("limit") != "1000" {
			t.Errorf("%s: %s", r.URL, r.Header.Get("Accept"))
		}
		_, _ = fmt.Fprintf(w, `{"metadata":{"continue":%q},"items":[{"metadata":{"name":"kube-system","uid":"u"}},{"metadata":{"name":"default"}}]}`, more)
	}))
	c, err := Open(path, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	names, system, err := c.Namespaces(t.Context())
	if fmt.Sprint(names) != "[default kube-system]" || system != "u" || err != nil {
		t.Errorf("%v %q %v", names, system, err)
	}
	more = "token"
	if _, _, err := c.Namespaces(t.Context()); !errors.Is(err, ErrMany) {
		t.Errorf("a list that goes on: %v", err)
	}
	if _, err := c.Definitions(t.Context()); !errors.Is(err, ErrMany) {
		t.Errorf("a list that goes on: %v", err)
	}
}
