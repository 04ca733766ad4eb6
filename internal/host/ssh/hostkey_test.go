package ssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

// start tries to start a session and gives the error.
func start(t *testing.T, m *Transport) error {
	t.Helper()
	s, err := m.Start(t.Context(), "host", "digest")
	if err != nil {
		return err
	}
	return errors.Join(s.Wait(), s.Close())
}

// wants checks an error's kind and words.
func wants(t *testing.T, what string, err, kind error, words ...string) {
	t.Helper()
	if err == nil || (kind != nil && !errors.Is(err, kind)) {
		t.Errorf("%s: %v, want %v", what, err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v, want the words %q", what, err, w)
		}
	}
}

func TestUnknownHostKeyIsRefusedAndAccepted(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	known := filepath.Join(t.TempDir(), "deep", "known_hosts")
	o.KnownHosts = []string{known}
	m := machine(t, o)
	fingerprint := ssh.FingerprintSHA256(s.HostKey)
	wants(t, "an unknown key", start(t, m), ErrHostKey, fingerprint, "ssh-ed25519", "salvor known-hosts accept cp-1", s.Address())
	if _, err := os.Stat(known); err == nil {
		t.Error("the file was written without consent")
	}

	no := func(*HostKeyError) (bool, error) { return false, nil }
	if got, err := m.Accept(t.Context(), no); !errors.Is(err, ErrHostKey) || len(got) != 0 {
		t.Errorf("declined: %v, %v", got, err)
	}
	asked := ""
	yes := func(e *HostKeyError) (bool, error) { asked += e.Fingerprint; return true, nil }
	if got, err := m.Accept(t.Context(), yes); err != nil || len(got) != 1 || asked != fingerprint {
		t.Fatalf("accepted: %v, %v; asked for %q", got, err, asked)
	}
	if err := start(t, m); err != nil {
		t.Errorf("after the key was accepted: %v", err)
	}
	if got, err := m.Accept(t.Context(), no); err != nil || len(got) != 0 {
		t.Errorf("nothing to accept: %v, %v", got, err)
	}
	if st, err := os.Stat(known); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestChangedHostKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	other := sshtest.WriteKey(t, filepath.Join(t.TempDir(), "other"), "")
	file := filepath.Join(t.TempDir(), "known_hosts")
	o.KnownHosts = []string{file}
	m := machine(t, o)
	yes := func(*HostKeyError) (bool, error) { return true, nil }
	for name, c := range map[string]struct{ line, word string }{
		"changed": {knownhosts.Line([]string{s.Address()}, other), "find out which"},
		"hashed":  {knownhosts.HashHostname(knownhosts.Normalize(s.Address())) + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other))), "find out which"},
		"revoked": {"@revoked * " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.HostKey))), "is revoked"},
	} {
		text := "# a comment\n" + c.line + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wants(t, name, start(t, m), ErrHostKey, file+":2", ssh.FingerprintSHA256(s.HostKey), c.word)
		if _, err := m.Accept(t.Context(), yes); !errors.Is(err, ErrHostKey) {
			t.Errorf("%s: accepted: %v", name, err)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != text {
			t.Errorf("%s: the file now holds %q, %v", name, b, err)
		}
	}
	if got := len(s.Sessions()); got != 0 && strings.Contains(s.Log(), "Accepted publickey") {
		t.Error("a key was shown to a machine that is not the known one")
	}
}

// A machine has keys of several kinds; the one that is known has to be asked
// for, or it would look changed.
func TestTheKnownKindOfHostKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, public := ecdsaKey(t)
	second := sshtest.Write(t, filepath.Join(dir, "ecdsa"), private, public, "")
	s := sshtest.Start(t, "HostKey "+filepath.Join(dir, "ecdsa"))
	o := to(s, t.TempDir())
	o.KnownHosts = []string{filepath.Join(dir, "absent"), filepath.Join(dir, "known_hosts")}
	for _, k := range []ssh.PublicKey{second, s.HostKey} {
		if err := os.WriteFile(o.KnownHosts[1], []byte(knownhosts.Line([]string{s.Address()}, k)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := start(t, machine(t, o)); err != nil {
			t.Errorf("known by its %s key: %v", k.Type(), err)
		}
	}
}

func TestRememberKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "known_hosts")
	key := sshtest.WriteKey(t, filepath.Join(dir, "k"), "")
	if err := os.WriteFile(file, []byte("# mine, without an end"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := remember(file, &HostKeyError{Address: fmt.Sprintf("10.0.0.%d:22", i), key: key}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	lines := strings.Split(string(b), "\n")
	if err != nil || len(lines) != 4 || lines[0] != "# mine, without an end" || !strings.HasPrefix(lines[2], "10.0.0.1 ssh-ed25519 ") {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestBrokenKnownHostsFileIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte("\nx y z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := newJudge("cp-1", "10.0.0.1:22", []string{file})
	wants(t, "a file that cannot be read", err, nil, file+":2")
}

func TestCancelledWhileConnecting(t *testing.T) {
	t.Parallel()
	l := listen(t, nil)
	m := machine(t, Options{Address: l, KnownHosts: []string{"/none"}, Limits: Limits{Connect: time10}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := m.Start(ctx, "host", "digest"); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
