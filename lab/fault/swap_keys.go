package fault

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/sign"
)

// swapKeys gives one master an authority or a key of its own: what a kubeadm
// init on a second machine, or a copy that was forgotten, leaves.
func swapKeys() Fault {
	return Fault{
		Name: "swap-keys",
		What: "replace what all masters share by new keys, on the named ones only",
		Keys: []Key{
			{"of", "ca", "ca, etcd-ca, front-proxy-ca or service-account"},
			{"kill", "", "processes to kill afterwards, comma-separated"},
		},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			files, err := newKeys(s.Keys["of"])
			if err != nil {
				return nil, err
			}
			notes := map[string]string{"kill": s.Keys["kill"]}
			for name, data := range files {
				path := s.root(m, filepath.Join("etc/kubernetes/pki", name))
				kept, err := s.keep(m, path)
				if err != nil {
					return notes, err
				}
				notes["file "+path] = kept
				if err := os.WriteFile(path, data, 0o600); err != nil {
					return notes, err
				}
			}
			return notes, killAll(ctx, m, notes["kill"])
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			for name, kept := range notes {
				if path, ok := strings.CutPrefix(name, "file "); ok {
					if err := giveBack(kept, path); err != nil {
						return err
					}
				}
			}
			return killAll(ctx, m, notes["kill"])
		},
	}
}

func killAll(ctx context.Context, m machine.Machine, processes string) error {
	if processes == "" {
		return nil
	}
	return again(ctx, m, processes)
}

// newKeys makes the files of a new authority or key, named below kubeadm's pki
// folder.
func newKeys(of string) (map[string][]byte, error) {
	names := map[string][2]string{"ca": {"kubernetes", "ca"}, "etcd-ca": {"etcd-ca", "etcd/ca"}, "front-proxy-ca": {"front-proxy-ca", "front-proxy-ca"}}
	if name, ok := names[of]; ok {
		authority, err := sign.New(name[0])
		if err != nil {
			return nil, err
		}
		cert, key, err := authority.PEM()
		return map[string][]byte{name[1] + ".crt": cert, name[1] + ".key": key}, err
	}
	if of != "service-account" {
		return nil, fmt.Errorf("swap-keys: there are no keys of=%s", of)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"sa.key": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"sa.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}, nil
}
