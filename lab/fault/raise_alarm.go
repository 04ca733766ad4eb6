package fault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
)

// raiseAlarm has a member say that it is full, as it does when its quota is:
// from then on no member takes a write.
func raiseAlarm() Fault {
	alarm := func(ctx context.Context, s *Scene, m machine.Machine, action string) error {
		var status struct {
			Header struct {
				Member string `json:"member_id"`
			} `json:"header"`
		}
		if err := s.askEtcd(ctx, m, "maintenance/status", map[string]any{}, &status); err != nil {
			return err
		}
		return s.askEtcd(ctx, m, "maintenance/alarm", map[string]any{"action": action, "alarm": "NOSPACE", "memberID": status.Header.Member}, nil)
	}
	return Fault{
		Name: "raise-alarm",
		What: "raise etcd's alarm NOSPACE for a member, as if its quota were full",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return map[string]string{}, alarm(ctx, s, m, "ACTIVATE") // what timed out may be done all the same
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, _ map[string]string) error {
			return alarm(ctx, s, m, "DEACTIVATE")
		},
	}
}

// askEtcd asks a machine's member over its JSON gateway
// (go.etcd.io/etcd/api/v3/etcdserverpb/rpc.proto).
func (s *Scene) askEtcd(ctx context.Context, m machine.Machine, method string, body, out any) error {
	dir := s.root(m, "etc/kubernetes/pki/etcd")
	ca, cert, key := "ca.crt", "healthcheck-client.crt", "healthcheck-client.key"
	if s.Lab.Layout == "external" {
		dir = s.root(m, "etc/ssl/etcd/ssl")
		ca, cert, key = "ca.pem", "node-"+m.Name+".pem", "node-"+m.Name+"-key.pem"
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, cert), filepath.Join(dir, key))
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(filepath.Join(dir, ca))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}}}
	defer client.CloseIdleConnections()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+m.Addr+":2379/v3/"+method, bytes.NewReader(text))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask etcd on %s: %w", m.Name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("ask etcd on %s: %w", m.Name, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask etcd on %s: %s: %s", m.Name, res.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
