package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Access is what a kubeconfig's current context leads to. It never holds a
// key or a token.
type Access struct {
	Server string
	// CA and Client are PEM certificates; empty when the file names them by
	// path (CAFile, ClientFile) or has none.
	CA, Client         []byte
	CAFile, ClientFile string
}

type kubeconfig struct {
	CurrentContext string `yaml:"current-context"`
	Clusters       []struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server string `yaml:"server"`
			CA     string `yaml:"certificate-authority"`
			CAData string `yaml:"certificate-authority-data"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Users []struct {
		Name string `yaml:"name"`
		User struct {
			Cert     string `yaml:"client-certificate"`
			CertData string `yaml:"client-certificate-data"`
		} `yaml:"user"`
	} `yaml:"users"`
}

// ReadKubeconfig reads a kubeconfig; path is where it lies, for the relative
// paths in it (k8s.io/client-go tools/clientcmd/api/v1).
func ReadKubeconfig(path string, b []byte) (Access, error) {
	var k kubeconfig
	if err := yaml.Unmarshal(b, &k); err != nil {
		return Access{}, fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	cluster, user := "", ""
	for _, c := range k.Contexts {
		if c.Name == k.CurrentContext || k.CurrentContext == "" && len(k.Contexts) == 1 {
			cluster, user = c.Context.Cluster, c.Context.User
		}
	}
	if cluster == "" {
		return Access{}, fmt.Errorf("read kubeconfig %s: no context is current", path)
	}
	a, found := Access{}, false
	var err error
	for _, c := range k.Clusters {
		if c.Name == cluster {
			found = true
			a.Server, a.CAFile = c.Cluster.Server, beside(path, c.Cluster.CA)
			a.CA, err = decodePEM(c.Cluster.CAData, err)
		}
	}
	for _, u := range k.Users {
		if u.Name == user {
			a.ClientFile = beside(path, u.User.Cert)
			a.Client, err = decodePEM(u.User.CertData, err)
		}
	}
	switch {
	case err != nil:
		return a, fmt.Errorf("read kubeconfig %s: %w", path, err)
	case !found || a.Server == "":
		return a, fmt.Errorf("read kubeconfig %s: %w", path, errors.New("it names no server"))
	}
	return a, nil
}

func decodePEM(data string, before error) ([]byte, error) {
	if data == "" {
		return nil, before
	}
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, errors.Join(before, fmt.Errorf("its embedded certificate is no base64: %w", err))
	}
	return b, before
}

func beside(path, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(path), file)
}
