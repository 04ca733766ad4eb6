package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

func TestKnownHostsAccept(t *testing.T) {
	s := sshtest.Start(t)
	dir := t.TempDir()
	known := filepath.Join(dir, "known_hosts")
	cfg := fmt.Sprintf(`cluster: t
hosts:
  - {name: cp-1, via: ssh, address: '%s@%s', identities: [%s], knownHosts: %s}
  - {name: box, via: local, stateDir: /srv/other}
members:
  - {name: m1, host: cp-1, dataDir: /x, clientURLs: ['http://h:1'], peerURLs: ['http://h:2'], run: {systemd: etcd}}
`, s.User, s.Address(), s.Identity, known)
	if err := os.WriteFile(dir+"/salvor.yaml", []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	right := ssh.FingerprintSHA256(s.HostKey)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"cp-1"}, codeStopped, "--fingerprint " + right},
		{[]string{"cp-1", "--fingerprint", "SHA256:other"}, codeError, right},
		{[]string{"cp-1", "--fingerprint", "MD5:x"}, codeUsage, "SHA256:"},
		{[]string{"box"}, codeUsage, "not reached over SSH"},
		{[]string{"nobody"}, codeUsage, "not in the configuration"},
		{[]string{"cp-1", "--fingerprint", right}, codeOK, "accepted ssh-ed25519 " + right},
		{[]string{"cp-1"}, codeOK, "nothing to accept"},
	} {
		var out bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &out, version: version}
		code := execute(t.Context(), a, append([]string{"known-hosts", "accept", "--config", dir + "/salvor.yaml"}, c.args...))
		if code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: exit code %d, want %d; it says\n%s", c.args, code, c.code, out.String())
		}
	}
	s.Authorize(t) // nobody gets in: that is another matter
	var out bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &out, version: version}
	if code := execute(t.Context(), a, []string{"known-hosts", "accept", "--config", dir + "/salvor.yaml", "cp-1"}); code != codeOK || !strings.Contains(out.String(), "accepted no key") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}
