package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Client asks one API server with the credentials of a kubeconfig. It speaks
// plain HTTPS and JSON; the credentials stay in it.
type Client struct {
	url   string
	token string
	tls   *tls.Config
	http  *http.Client
}

// Open makes a client with a kubeconfig's credentials for the API server at
// url, whatever server the file names; with an empty url, for that one.
// Credentials that need another program are refused.
func Open(kubeconfig, url string) (*Client, error) {
	b, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	c, err := open(kubeconfig, b, url)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
	}
	return c, nil
}

// credentials is the part of a kubeconfig that Open wants
// (k8s.io/client-go/tools/clientcmd/api/v1).
type credentials struct {
	CurrentContext string `yaml:"current-context"`
	Contexts       []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Clusters []struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server string `yaml:"server"`
			CA     string `yaml:"certificate-authority"`
			CAData string `yaml:"certificate-authority-data"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		Name string `yaml:"name"`
		User struct {
			Cert      string `yaml:"client-certificate"`
			CertData  string `yaml:"client-certificate-data"`
			Key       string `yaml:"client-key"`
			KeyData   string `yaml:"client-key-data"`
			Token     string `yaml:"token"`
			TokenFile string `yaml:"tokenFile"`
			Exec      any    `yaml:"exec"`
		} `yaml:"user"`
	} `yaml:"users"`
}

func open(path string, b []byte, url string) (*Client, error) {
	var k credentials
	if err := yaml.Unmarshal(b, &k); err != nil {
		return nil, err
	}
	var cluster, user string
	for _, c := range k.Contexts {
		if c.Name == k.CurrentContext {
			cluster, user = c.Context.Cluster, c.Context.User
		}
	}
	if cluster == "" {
		return nil, errors.New("no context is current")
	}
	c := &Client{url: strings.TrimSuffix(url, "/")}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, x := range k.Clusters {
		if x.Name != cluster {
			continue
		}
		if c.url == "" {
			c.url = strings.TrimSuffix(x.Cluster.Server, "/")
		}
		ca, err := embedded(path, x.Cluster.CAData, x.Cluster.CA)
		if err != nil {
			return nil, fmt.Errorf("its authority: %w", err)
		}
		if len(ca) > 0 {
			conf.RootCAs = x509.NewCertPool()
			if !conf.RootCAs.AppendCertsFromPEM(ca) {
				return nil, errors.New("its authority is no PEM certificate")
			}
		}
	}
	for _, x := range k.Users {
		if x.Name != user {
			continue
		}
		u := x.User
		if u.Exec != nil {
			return nil, errors.New("its user's credentials come from another program; name a file with a certificate, such as admin.conf")
		}
		token, err := embedded(path, "", u.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("its token: %w", err)
		}
		if c.token = strings.TrimSpace(u.Token + string(token)); c.token != "" {
			break
		}
		cert, cerr := embedded(path, u.CertData, u.Cert)
		key, kerr := embedded(path, u.KeyData, u.Key)
		if err := errors.Join(cerr, kerr); err != nil {
			return nil, fmt.Errorf("its client certificate: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("its client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	c.tls = conf
	c.http = &http.Client{Transport: &http.Transport{TLSClientConfig: conf, TLSHandshakeTimeout: 5 * time.Second, MaxIdleConns: 2, IdleConnTimeout: 20 * time.Second}}
	return c, nil
}

// embedded gives data that a kubeconfig holds itself, or in another file.
func embedded(path, data, file string) ([]byte, error) {
	switch {
	case data != "":
		return base64.StdEncoding.DecodeString(data)
	case file == "":
		return nil, nil
	case !filepath.IsAbs(file):
		file = filepath.Join(filepath.Dir(path), file)
	}
	return os.ReadFile(file)
}

// WithToken gives a client of the same API server with a token instead of the
// credentials.
func (c *Client) WithToken(token string) *Client {
	conf := c.tls.Clone()
	conf.Certificates = nil
	return &Client{url: c.url, token: token, tls: conf, http: &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// StatusError is an API server's answer that is no success.
type StatusError struct {
	Code   int
	Reason string
	// Message is what the API server says.
	Message string
}

// Error gives status and message.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Code, e.Message) }

// Do sends one request and decodes the answer into out, which may be nil. A
// body is sent as JSON.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) (http.Header, error) {
	return c.send(ctx, method, path, "application/json", body, out)
}

func (c *Client) send(ctx context.Context, method, path, accept string, body, out any) (http.Header, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, in)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "salvor")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode/100 != 2 {
		return res.Header, fmt.Errorf("%s %s: %w", method, path, statusOf(res.StatusCode, b))
	}
	if out == nil || len(b) == 0 {
		return res.Header, nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return res.Header, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return res.Header, nil
}

func statusOf(code int, body []byte) error {
	e := &StatusError{Code: code}
	var s struct{ Reason, Message string }
	if json.Unmarshal(body, &s) == nil && s.Message != "" {
		e.Reason, e.Message = s.Reason, s.Message
		return e
	}
	// readyz names each check on a line of its own.
	var failed []string
	for line := range strings.Lines(string(body)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			name, _, _ = strings.Cut(name, " ")
			failed = append(failed, name)
		}
	}
	e.Message = "failing: " + strings.Join(failed, ", ")
	if len(failed) == 0 {
		e.Message = strings.TrimSpace(string(body[:min(len(body), 200)]))
	}
	return e
}

// Ready asks whether the API server is ready to serve; the error names the
// checks that fail.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.Do(ctx, http.MethodGet, "/readyz?verbose", nil, nil)
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) {
		return nil
	}
	return err
}
