package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/lab/build"
	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/lab/state"
	"github.com/salvor-project/salvor/test/s3server"
)

const daemonSets = "/apis/apps/v1/namespaces/kube-system/daemonsets"

// TestAgentPod runs the agent as packaging/salvor-agent.yaml has it, on every
// control plane: together they make one backup, which lacks nothing, and prove it.
func TestAgentPod(t *testing.T) {
	b := newBench(t)
	v := b.vault()
	for _, m := range b.lab.ControlPlanes() {
		v.equip(m)
	}
	body := v.daemonSet()
	remove := func() error {
		if err := b.api(http.MethodDelete, daemonSets+"/salvor-agent", nil, nil); err != nil && !missing(err) {
			return err
		}
		return nil
	}
	t.Cleanup(func() { _ = remove() }) // the lab is used again
	b.until(time.Minute, "apply the manifest", func() error {
		return errors.Join(remove(), b.api(http.MethodPost, daemonSets, body, nil))
	})
	begin := time.Now()
	b.until(3*time.Minute, "a proven backup", func() error {
		all, err := v.list()
		if err == nil && (len(all) == 0 || all[0].Proof != "passed") {
			err = fmt.Errorf("there are %+v", all)
		}
		return err
	})
	t.Logf("the agents' backup is proven: %.1f s", time.Since(begin).Seconds())
	b.until(3*time.Minute, "all agents are ready", func() error {
		var d struct {
			Status struct{ NumberReady, DesiredNumberScheduled int }
		}
		err := b.api(http.MethodGet, daemonSets+"/salvor-agent", nil, &d)
		if err == nil && (d.Status.NumberReady != len(b.planes()) || d.Status.DesiredNumberScheduled != len(b.planes())) {
			err = fmt.Errorf("%+v", d.Status)
		}
		return err
	})
	all, err := v.list()
	if err != nil || len(all) != 1 || len(all[0].Missing) != 0 {
		t.Errorf("%d agents made %+v, %v", len(b.planes()), all, err)
	}
}

// backedUp is a backup in the list.
type backedUp struct {
	ID      string `json:"id"`
	Proof   string `json:"proof"`
	Source  string `json:"source"`
	Missing []struct {
		Text string `json:"text"`
	} `json:"missing"`
}

func (v *safe) list() ([]backedUp, error) {
	v.Helper()
	out, said, err := v.try("salvor", "vault", "ls", "-o", "json")
	var list struct{ Backups []backedUp }
	if uerr := json.Unmarshal([]byte(out), &list); uerr != nil {
		return nil, fmt.Errorf("%w, %w: %s", err, uerr, said)
	}
	return list.Backups, nil
}

// equip puts onto a machine what its agent needs below /etc/salvor: itself is a
// local host there, the others are reached over SSH.
func (v *safe) equip(m machine.Machine) {
	v.Helper()
	cfg, err := config.Load(filepath.Join(v.dir, "salvor.yaml"))
	if err != nil {
		v.Fatal(err)
	}
	for i, h := range cfg.Hosts {
		cfg.Hosts[i].Identities, cfg.Hosts[i].KnownHosts = []string{"/etc/salvor/ssh"}, "/etc/salvor/known_hosts"
		if h.Name == m.Name {
			cfg.Hosts[i] = cluster.Host{Name: h.Name, Via: cluster.ViaLocal, StateDir: h.StateDir, Client: h.Client}
		}
	}
	cfg.Vault.SigningKey, cfg.Vault.Identity = "/etc/salvor/sign.key", "/etc/salvor/KEY.txt"
	cfg.Vault.Targets[0].S3.Credentials = "/etc/salvor/credentials"
	cfg.Backup = &cluster.Backup{Schedule: "0 0 1 1 *", Listen: "127.0.0.1:9379"}
	own := filepath.Join(v.TempDir(), "salvor.yaml")
	if _, err := config.Save(own, cfg, config.SaveOptions{}); err != nil {
		v.Fatal(err)
	}
	programs, err := programs()
	if err != nil {
		v.Fatal(err)
	}
	credentials := filepath.Join(v.TempDir(), "credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s3server.AccessKey, s3server.SecretKey)
	if err := os.WriteFile(credentials, []byte(text), 0o600); err != nil {
		v.Fatal(err)
	}
	ssh := filepath.Join(state.Dir(), "ssh")
	for to, from := range map[string]string{"/etc/salvor/salvor.yaml": own, "/etc/salvor/sign.key": filepath.Join(v.dir, "sign.key"), "/etc/salvor/KEY.txt": v.key,
		"/etc/salvor/credentials": credentials, "/etc/salvor/ssh": filepath.Join(ssh, "id_ed25519"), "/etc/salvor/known_hosts": filepath.Join(ssh, "known_hosts"),
		"/opt/salvor/salvor": filepath.Join(programs, "salvor")} {
		data, err := os.ReadFile(from)
		if err != nil {
			v.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if to == "/opt/salvor/salvor" {
			mode = 0o755
		}
		if err := state.Site().Write(m, to, string(data), mode); err != nil {
			v.Fatal(err)
		}
	}
}

// daemonSet is the manifest with the mount that its layout needs; only the image
// is the lab's, and the program comes from the machine.
func (v *safe) daemonSet() map[string]any {
	v.Helper()
	text, err := os.ReadFile("../../packaging/salvor-agent.yaml")
	if err != nil {
		v.Fatal(err)
	}
	if v.layout == "external" { // as its comments say
		text = regexp.MustCompile(`(?m)^( *)# (- \{?name: etcd-env|  hostPath: \{path: /etc/etcd.env)`).ReplaceAll(text, []byte("$1$2"))
	}
	var d map[string]any
	if err := yaml.Unmarshal(text, &d); err != nil {
		v.Fatal(err)
	}
	at := func(from any, path ...string) map[string]any {
		m, ok := from.(map[string]any)
		for _, p := range path {
			m, ok = m[p].(map[string]any)
		}
		if !ok {
			v.Fatalf("the manifest has no %v", path)
		}
		return m
	}
	pod := at(d, "spec", "template", "spec")
	list := func(m map[string]any, name string) []any {
		l, ok := m[name].([]any)
		if !ok {
			v.Fatalf("the manifest has no list %s", name)
		}
		return l
	}
	c := at(list(pod, "containers")[0])
	command := list(c, "command")
	command[0] = "/opt/salvor/salvor"
	c["image"] = build.WebImage()
	c["volumeMounts"] = append(list(c, "volumeMounts"), map[string]any{"name": "program", "mountPath": "/opt/salvor", "readOnly": true})
	pod["volumes"] = append(list(pod, "volumes"), map[string]any{"name": "program", "hostPath": map[string]any{"path": "/opt/salvor", "type": "Directory"}})
	return d
}
