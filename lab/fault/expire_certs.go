package fault

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
		Keys: []Key{
			{"of", "etcd", "etcd, or etcd-peer, etcd-server, etcd-client (the API server's), apiserver, kubelet, kubeconfig (of controllers and scheduler) of kubeadm"},
			{"ends", "-24h", "when they end, from now"},
		},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			set, err := s.certificates(m, s.Keys["of"])
			if err != nil {
				return nil, err
			}
			left, err := time.ParseDuration(s.Keys["ends"])
			if err != nil {
				return nil, fmt.Errorf("expire-certs: ends=%s: %w", s.Keys["ends"], err)
			}
			notes := map[string]string{"process": set.process}
			for _, path := range set.certs {
				kept, err := s.keep(m, path)
				if err != nil {
					return notes, err
				}
				if err := expire(set.ca, set.key, path, time.Now().Add(left)); err != nil {
					return notes, fmt.Errorf("expire %s: %w", path, err)
				}
				notes["file "+path] = kept
			}
			return notes, again(ctx, m, set.process)
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			for name, kept := range notes {
				if path, ok := strings.CutPrefix(name, "file "); ok {
					if err := giveBack(kept, path); err != nil {
						return err
					}
				}
			}
			return again(ctx, m, notes["process"])
		},
	}
}

// again has processes (comma-separated) started anew: by their supervisors
// after a kill, the kubelet by systemd at once.
func again(ctx context.Context, m machine.Machine, processes string) error {
	for _, p := range strings.Split(processes, ",") {
		if p == "kubelet" {
			if _, err := machine.Exec(ctx, m, "systemctl", "restart", "--no-block", "kubelet"); err != nil {
				return err
			}
			continue
		}
		signal(ctx, m, "KILL", p)
	}
	return nil
}

// certSet are certificates of one authority that the same processes use.
type certSet struct {
	ca, key, process string
	certs            []string
}

func (s *Scene) certificates(m machine.Machine, of string) (certSet, error) {
	dir := s.root(m, "etc/kubernetes/pki")
	cluster := certSet{ca: filepath.Join(dir, "ca.crt"), key: filepath.Join(dir, "ca.key")}
	etcd := certSet{ca: filepath.Join(dir, "etcd/ca.crt"), key: filepath.Join(dir, "etcd/ca.key"), process: "etcd"}
	if of == "etcd" && s.Lab.Layout == "external" {
		dir = s.root(m, "etc/ssl/etcd/ssl")
		etcd.ca, etcd.key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
		return etcd.with(dir, "member-*", "admin-*", "node-*")
	}
	switch of {
	case "etcd":
		return etcd.with(dir, "etcd/server.crt", "etcd/peer.crt", "etcd/healthcheck-client.crt", "apiserver-etcd-client.crt")
	case "etcd-peer":
		return etcd.with(dir, "etcd/peer.crt")
	case "etcd-server":
		return etcd.with(dir, "etcd/server.crt")
	case "etcd-client":
		etcd.process = "kube-apiserver"
		return etcd.with(dir, "apiserver-etcd-client.crt")
	case "apiserver":
		cluster.process = "kube-apiserver"
		return cluster.with(dir, "apiserver.crt", "apiserver-kubelet-client.crt")
	case "kubelet":
		cluster.process = "kubelet"
		path, err := s.resolve(m, "var/lib/kubelet/pki/kubelet-client-current.pem")
		cluster.certs = []string{path}
		return cluster, err
	case "kubeconfig":
		cluster.process = "kube-controller-manager,kube-scheduler"
		return cluster.with(filepath.Dir(dir), "controller-manager.conf", "scheduler.conf")
	}
	return cluster, fmt.Errorf("expire-certs: there are no certificates of=%s", of)
}

// with finds the certificates of a set.
func (c certSet) with(dir string, patterns ...string) (certSet, error) {
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			return c, err
		}
		for _, path := range found {
			if !strings.HasSuffix(path, "-key.pem") {
				c.certs = append(c.certs, path)
			}
		}
	}
	if len(c.certs) == 0 {
		return c, fmt.Errorf("expire-certs: %s has no such certificates", dir)
	}
	return c, nil
}

// resolve follows a machine's own symbolic link, as the machine sees it.
func (s *Scene) resolve(m machine.Machine, path string) (string, error) {
	at := s.root(m, path)
	to, err := os.Readlink(at)
	switch {
	case err != nil:
		return at, err
	case filepath.IsAbs(to):
		return s.root(m, to), nil
	}
	return filepath.Join(filepath.Dir(at), to), nil
}

// embedded is the certificate in a kubeconfig.
var embedded = regexp.MustCompile(`(client-certificate-data: )(\S+)`)

// expire issues a certificate anew that is good for a year until its end. It
// stands alone in its file, before its key, or in a kubeconfig.
func expire(ca, key, path string, end time.Time) error {
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
	old := read[path]
	hit := embedded.FindSubmatch(old)
	if hit != nil {
		if old, err = base64.StdEncoding.DecodeString(string(hit[2])); err != nil {
			return err
		}
	}
	ended, err := until(authority, old, end)
	if err != nil {
		return err
	}
	if hit != nil {
		ended = embedded.ReplaceAll(read[path], []byte("${1}"+base64.StdEncoding.EncodeToString(ended)))
	}
	return os.WriteFile(path, ended, 0o600)
}

// until replaces the certificate of a PEM file and leaves its keys.
func until(authority *sign.Authority, file []byte, end time.Time) ([]byte, error) {
	old, err := sign.Parse(file)
	if err != nil {
		return nil, err
	}
	out, err := authority.Again(old, end.AddDate(-1, 0, 0), end)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			out = append(out, pem.EncodeToMemory(block)...)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate was made")
	}
	return out, nil
}
