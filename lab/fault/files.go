package fault

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"regexp"

	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/sign"
)

// removeFile takes a file away that a process needs when it starts.
func removeFile() Fault {
	return Fault{
		Name: "remove-file",
		What: "remove a file, and kill who needs it",
		Keys: []Key{
			{"path", "/etc/kubernetes/pki/etcd/server.key", "the file"},
			{"kill", "etcd", "processes to kill afterwards, comma-separated"},
		},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			path := s.root(m, s.Keys["path"])
			kept, err := s.keep(m, path)
			if err != nil {
				return nil, err
			}
			notes := map[string]string{"kept": kept, "path": path, "kill": s.Keys["kill"]}
			if err := os.Remove(path); err != nil {
				return notes, err
			}
			return notes, killAll(ctx, m, notes["kill"])
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			if err := giveBack(notes["kept"], notes["path"]); err != nil {
				return err
			}
			return killAll(ctx, m, notes["kill"])
		},
	}
}

// trusted is the authority in a kubeconfig.
var trusted = regexp.MustCompile(`(certificate-authority-data: )(\S+)`)

// trustOther has a kubeconfig trust the authority of another cluster.
func trustOther() Fault {
	return Fault{
		Name: "trust-other-ca",
		What: "put the authority of another cluster into a kubeconfig, and kill who uses it",
		Keys: []Key{
			{"file", "scheduler.conf", "a kubeconfig in /etc/kubernetes"},
			{"kill", "kube-scheduler", "processes to kill afterwards, comma-separated"},
		},
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			other, err := sign.New("kubernetes")
			if err != nil {
				return nil, err
			}
			cert, _, err := other.PEM()
			if err != nil {
				return nil, err
			}
			notes, err := s.edit(m, s.root(m, "etc/kubernetes/"+s.Keys["file"]), func(text string) string {
				return trusted.ReplaceAllString(text, "${1}"+base64.StdEncoding.EncodeToString(cert))
			})
			if err != nil {
				return notes, err
			}
			notes["kill"] = s.Keys["kill"]
			return notes, killAll(ctx, m, notes["kill"])
		},
		Heal: func(ctx context.Context, _ *Scene, m machine.Machine, notes map[string]string) error {
			return errors.Join(giveBack(notes["kept"], notes["path"]), killAll(ctx, m, notes["kill"]))
		},
	}
}

// changeKey gives an API server's certificate a key that is not its own: half of
// a renewal that was copied by hand.
func changeKey() Fault {
	const path = "etc/kubernetes/pki/apiserver.crt"
	return Fault{
		Name: "change-key",
		What: "replace the API server's certificate by one for another key; the running process goes on with the old one",
		Do: func(_ context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			set, err := s.certificates(m, "apiserver")
			if err != nil {
				return nil, err
			}
			ca, err := os.ReadFile(set.ca)
			if err != nil {
				return nil, err
			}
			key, err := os.ReadFile(set.key)
			if err != nil {
				return nil, err
			}
			authority, err := sign.Load(ca, key)
			if err != nil {
				return nil, err
			}
			cert, _, err := authority.Issue("kube-apiserver", []string{m.Name, m.Addr, machine.Virtual, "10.96.0.1", "127.0.0.1", "kubernetes"})
			if err != nil {
				return nil, err
			}
			kept, err := s.keep(m, s.root(m, path))
			if err != nil {
				return nil, err
			}
			return map[string]string{"kept": kept, "path": s.root(m, path)}, replace(s.root(m, path), cert)
		},
		Heal: returnManifest,
	}
}
