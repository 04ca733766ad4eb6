package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/lab/machine"
	"github.com/salvor-project/salvor/test/s3server"
)

// TestNight: the disks of all members are gone, and with them the machine on
// which the operator worked. What is left is a bucket, its credentials, and the
// private key in the safe.
func TestNight(t *testing.T) {
	b := newBench(t)
	v := b.vault()
	id := v.backUp()
	b.loses(b.planes()...)
	b.ledger.close()
	for _, m := range b.planes() {
		if out, err := b.on(m, "rm -rf /var/lib/salvor"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	b.newOperator()
	b.init()
	v.recover(id)
}

// TestNightBare: the machines are installed anew. Not even the keys of the
// cluster are left on them.
func TestNightBare(t *testing.T) {
	b := newBench(t)
	v := b.vault()
	id := v.backUp()
	b.loses(b.planes()...)
	b.ledger.close()
	v.reinstalled()
	b.newOperator()
	out := b.run("salvor", "vault", "put-back", "--target", v.target, "--identity", v.key, "--yes")
	b.Logf("%s", out)
	v.recover(id)
	for _, m := range b.planes() { // as put-back says in the end: else they stay down after a reboot
		if out, err := b.on(m, "systemctl enable kubelet && if test -e /etc/systemd/system/etcd.service; then systemctl enable etcd && systemctl is-enabled etcd; fi"); err != nil {
			t.Fatalf("%s: %v: %s", m, err, out)
		}
	}
}

// safe is a vault with one bucket, and what is kept of it away from the
// cluster.
type safe struct {
	*bench
	target string // as on a command line
	key    string // file of the private key
	kept   []string
	yaml   string // the vault's part of salvor.yaml
}

// vault starts an S3 server where all machines reach it, and makes a vault as
// an operator would.
func (b *bench) vault() *safe {
	b.Helper()
	s3 := s3server.StartAt(b, machine.Gateway)
	if err := os.Mkdir(filepath.Join(s3.Root, "plane"), 0o700); err != nil {
		b.Fatal(err)
	}
	b.Setenv("AWS_ACCESS_KEY_ID", s3server.AccessKey)
	b.Setenv("AWS_SECRET_ACCESS_KEY", s3server.SecretKey)
	endpoint := "http://" + s3.Endpoint
	v := &safe{bench: b, key: filepath.Join(b.TempDir(), "KEY.txt"),
		target: "s3://plane/prod?pathStyle=true&endpoint=" + url.QueryEscape(endpoint)}
	v.yaml = fmt.Sprintf(`vault:
  signingKey: ~/sign.key
  targets:
    - name: cloud
      offsite: true
      s3: {endpoint: %q, bucket: plane, prefix: prod, pathStyle: true}
  objectives: {copies: 1, media: 1, offline: 0}
`, endpoint)
	b.init()
	b.append(v.yaml)
	var made struct{ Recipient, Verify string }
	out := b.run("salvor", "vault", "init", "--new-identity", v.key, "-o", "json")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Recipient == "" || made.Verify == "" {
		b.Fatalf("vault init: %v\n%s", err, out)
	}
	b.append(fmt.Sprintf("  recipients: [%s]\n  trusted: [%q]\n", made.Recipient, made.Verify))
	return v
}

// append adds lines to salvor.yaml, as an editor would.
func (b *bench) append(text string) {
	b.Helper()
	f, err := os.OpenFile(filepath.Join(b.dir, "salvor.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		b.Fatal(err)
	}
}

// backUp makes a backup that lacks nothing, proves it, and lets the writer
// write on for a while.
func (v *safe) backUp() string {
	v.Helper()
	v.ledger.mu.Lock()
	v.kept = slices.Clone(v.ledger.names)
	v.ledger.mu.Unlock()
	begin := time.Now()
	var done struct {
		Manifest struct {
			ID     string `json:"id"`
			Source string `json:"source"`
		} `json:"manifest"`
		Missing []struct {
			Text string `json:"text"`
		} `json:"missing"`
	}
	out, said, err := v.try("salvor", "backup", "-o", "json")
	if uerr := json.Unmarshal([]byte(out), &done); uerr != nil {
		v.Fatalf("backup: %v, %v\n%s%s", err, uerr, out, said)
	}
	if err != nil || len(done.Missing) > 0 {
		v.Fatalf("the backup is not whole: %v\n%s%s", err, out, said)
	}
	v.Logf("backup %s (%s): %.1f s", done.Manifest.ID, done.Manifest.Source, time.Since(begin).Seconds())
	begin = time.Now()
	v.run("salvor", "vault", "prove", "--identity", v.key)
	v.Logf("proof: %.1f s", time.Since(begin).Seconds())
	v.run("salvor", "vault", "status")
	time.Sleep(2 * time.Second)
	return done.Manifest.ID
}

// newOperator gives the operator a machine on which there is nothing.
func (b *bench) newOperator() {
	b.Helper()
	b.dir = b.TempDir()
}

// recover brings the control plane back from the bucket and demands that all of
// the backup is there, and that the loss was said before.
func (v *safe) recover(id string) {
	v.Helper()
	flags := []string{"--target", v.target, "--identity", v.key}
	if out := v.run("salvor", append([]string{"vault", "ls"}, flags...)...); !strings.Contains(out, id) {
		v.Fatalf("the backup %s is not listed:\n%s", id, out)
	}
	v.offers("vault:"+id, flags)
	v.bench.recover(flags...)
	v.nodesReady(2 * time.Minute)
	lost, err := v.ledger.lost()
	if err != nil {
		v.Fatal(err)
	}
	for _, name := range lost {
		if slices.Contains(v.kept, name) {
			v.Errorf("%s is lost, and the backup held it", name)
		}
	}
	if len(lost) == 0 || len(v.kept) == 0 {
		v.Errorf("%d objects were in the backup and %d are lost: this proves nothing", len(v.kept), len(lost))
	}
	v.Logf("%d of %d objects were written after the backup and are lost", len(lost), len(v.ledger.names))
	v.grows()
}

// offers waits until diagnose proposes a candidate, with a loss that it does not
// call nothing.
func (v *safe) offers(candidate string, flags []string) {
	v.Helper()
	v.until(2*time.Minute, "see "+candidate, func() error {
		out, said, _ := v.try("salvor", append([]string{"diagnose", "-o", "json"}, flags...)...)
		var d struct {
			Scenario   string `json:"scenario"`
			Candidates []struct {
				ID     string `json:"id"`
				Chosen bool   `json:"chosen"`
				Loss   struct {
					Proven bool `json:"proven"`
				} `json:"loss"`
			} `json:"candidates"`
		}
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			return fmt.Errorf("%w: %s%s", err, out, said)
		}
		for _, c := range d.Candidates {
			if c.ID == candidate && c.Chosen && d.Scenario == "all-lost" {
				if c.Loss.Proven {
					v.Errorf("nothing was to be lost: %s", out)
				}
				return nil
			}
		}
		return fmt.Errorf("it sees %s and offers %v", d.Scenario, d.Candidates)
	})
	if _, said, err := v.try("salvor", append([]string{"recover", "--yes"}, flags...)...); err == nil || exitCode(err) != 20 {
		v.Errorf("recover did not ask whether the loss is accepted: %v\n%s", err, said)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// reinstalled takes away from the control planes what is the cluster's and not
// the distribution's, and ends what runs of it.
func (v *safe) reinstalled() {
	v.Helper()
	const line = `systemctl stop kubelet
for t in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -s SIGKILL $t; done
systemctl disable -q etcd 2>/dev/null; rm -f /etc/systemd/system/etcd.service; systemctl daemon-reload
rm -rf /var/lib/salvor /etc/kubernetes /etc/etcd.env /etc/ssl/etcd /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/pki
! pidof etcd`
	for _, m := range v.planes() {
		if out, err := v.on(m, line); err != nil {
			v.Fatalf("reinstall %s: %v: %s", m, err, out)
		}
	}
}
