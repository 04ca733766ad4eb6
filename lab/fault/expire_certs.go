package fault

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/sign"
)

// expireCerts replaces certificates by ones for the same keys and names that
// ended yesterday.
func expireCerts() Fault {
	return Fault{
		Name: "expire-certs",
		What: "replace certificates by ones that ended yesterday, and kill what uses them",
		Keys: []Key{{"of", "etcd", "etcd, or apiserver (kubeadm's API server certificates)"}},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			set, err := s.certificates(m, s.Keys["of"])
			if err != nil {
				return nil, err
			}
			notes := map[string]string{"process": set.process}
			for _, path := range set.certs {
				kept, err := s.keep(m, path)
				if err != nil {
					return notes, err
				}
				if err := expire(set.ca, set.key, path); err != nil {
					return notes, fmt.Errorf("expire %s: %w", path, err)
				}
				notes["file "+path] = kept
			}
			signal(ctx, m, "KILL", set.process)
			return notes, nil
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			for name, kept := range notes {
				if path, ok := strings.CutPrefix(name, "file "); ok {
					if err := giveBack(kept, path); err != nil {
						return err
					}
				}
			}
			signal(ctx, m, "KILL", notes["process"])
			return nil
		},
	}
}

// certSet are certificates of one authority that one process serves with.
type certSet struct {
	ca, key, process string
	certs            []string
}

func (s *Scene) certificates(m machine.Machine, of string) (certSet, error) {
	external := s.Lab.Layout == "external"
	set := certSet{process: "etcd"}
	var patterns []string
	dir := s.root(m, "etc/kubernetes/pki/etcd")
	switch {
	case of == "etcd" && external:
		dir = s.root(m, "etc/ssl/etcd/ssl")
		set.ca, set.key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
		patterns = []string{"member-*", "admin-*", "node-*"}
	case of == "etcd":
		set.ca, set.key = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
		patterns = []string{"server.crt", "peer.crt", "healthcheck-client.crt", "../apiserver-etcd-client.crt"}
	case of == "apiserver":
		dir = s.root(m, "etc/kubernetes/pki")
		set.process = "kube-apiserver"
		set.ca, set.key = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
		patterns = []string{"apiserver.crt", "apiserver-kubelet-client.crt"}
	default:
		return set, fmt.Errorf("expire-certs: of=%s is neither etcd nor apiserver", of)
	}
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			return set, err
		}
		for _, path := range found {
			if !strings.HasSuffix(path, "-key.pem") {
				set.certs = append(set.certs, path)
			}
		}
	}
	if len(set.certs) == 0 {
		return set, fmt.Errorf("expire-certs: %s has no such certificates", m.Name)
	}
	return set, nil
}

// expire issues a certificate anew that was good for a year until yesterday.
func expire(ca, key, path string) error {
	read := map[string][]byte{ca: nil, key: nil, path: nil}
	for name := range read {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read[name] = data
	}
	authority, err := sign.Load(read[ca], read[key])
	if err != nil {
		return err
	}
	old, err := sign.Parse(read[path])
	if err != nil {
		return err
	}
	end := time.Now().Add(-24 * time.Hour)
	cert, err := authority.Again(old, end.AddDate(-1, 0, 0), end)
	if err != nil {
		return err
	}
	return os.WriteFile(path, cert, 0o644)
}
