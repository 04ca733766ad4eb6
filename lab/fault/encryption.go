package fault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/salvor-project/salvor/internal/kube"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
)

const sealedSecret = "/api/v1/namespaces/default/secrets"

// loseEncryptionKey has a secret written under a key that no API server has
// afterwards.
func loseEncryptionKey() Fault {
	const file = "/etc/kubernetes/pki/encryption.yaml" // a folder that the pod sees
	return Fault{
		Name: "lose-encryption-key",
		What: "have an API server encrypt a secret, then take the key away",
		Keys: []Key{{"leave", "nothing", "nothing (no configuration), other (one with another key of the same name), or own (every machine a key of its own, and no secret written)"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := s.root(m, file)
			if err := os.WriteFile(path, encryptionConfig(), 0o600); err != nil {
				return nil, err
			}
			notes, err := s.addFlag(m, "kube-apiserver", "--encryption-provider-config="+file)
			if notes == nil {
				notes = map[string]string{}
			}
			if notes["config"] = path; err != nil || s.Keys["leave"] == "own" {
				return notes, err
			}
			if err := writeSecret(ctx, m); err != nil {
				return notes, err
			}
			if s.Keys["leave"] == "other" {
				if err := replace(path, encryptionConfig()); err != nil {
					return notes, err
				}
				return notes, again(ctx, m, "kube-apiserver")
			}
			return notes, giveBack(notes["kept"], notes["path"])
		},
		Heal: func(ctx context.Context, s *Scene, m machine.Machine, notes map[string]string) error {
			key := base64.StdEncoding.EncodeToString([]byte("/registry/secrets/default/sealed"))
			if err := s.askEtcd(ctx, m, "kv/deleterange", map[string]any{"key": key}, nil); err != nil {
				return err
			}
			if notes["kept"] != "" {
				if err := giveBack(notes["kept"], notes["path"]); err != nil {
					return err
				}
			}
			if err := os.Remove(notes["config"]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return again(ctx, m, "kube-apiserver") // it begins to read anew only then
		},
	}
}

// encryptionConfig is one with a new key, which also reads what is not encrypted:
// without that no API server becomes ready over secrets that it has written before.
func encryptionConfig() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return []byte(fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: lab, secret: %s}]}
  - identity: {}
`, base64.StdEncoding.EncodeToString(key)))
}

// writeSecret waits for a machine's own API server, which has the new
// configuration once it takes a secret that is then stored encrypted.
func writeSecret(ctx context.Context, m machine.Machine) error {
	var last error
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if out, err := machine.Exec(ctx, m, "pgrep", "-f", "^kube-apiserver .*--encryption-provider-config"); err != nil {
			last = fmt.Errorf("no API server with the configuration runs: %s%w", out, err)
			continue
		}
		if last = postSecret(ctx, m); last == nil {
			return nil
		}
	}
	return fmt.Errorf("write a secret on %s: %w", m.Name, last)
}

func postSecret(ctx context.Context, m machine.Machine) error {
	c, err := kube.Open(state.Kubeconfig(), "https://"+m.Addr+":6443")
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := c.Ready(ctx); err != nil {
		return err
	}
	_, err = c.Do(ctx, http.MethodPost, sealedSecret, map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": "sealed"}, "stringData": map[string]string{"a": "b"}}, nil)
	return err
}
