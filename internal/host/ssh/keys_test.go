package ssh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

func ecdsaKey(t *testing.T) (private, public any) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, k.Public()
}

func rsaKey(t *testing.T) (private, public any) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k, k.Public()
}

// connects tells whether a machine lets us in, without placing anything.
func connects(t *testing.T, o Options) error {
	t.Helper()
	c, err := o.dial(t.Context(), &traffic{})
	if err != nil {
		return err
	}
	c.close()
	return nil
}

func TestKeysOfEveryKind(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	dir := t.TempDir()
	ec, ecPub := ecdsaKey(t)
	rs, rsPub := rsaKey(t)
	wrong := filepath.Join(dir, "wrong")
	sshtest.WriteKey(t, wrong, "")
	for name, k := range map[string]struct {
		private, public any
		word            string
	}{
		"ecdsa": {ec, ecPub, ""}, "rsa": {rs, rsPub, ""}, "encrypted-rsa": {rs, rsPub, "secret"},
	} {
		path := filepath.Join(dir, name)
		s.Authorize(t, sshtest.Write(t, path, k.private, k.public, k.word))
		o.Identities = []string{wrong, path}
		o.Keys = &Keys{Ask: func(string) ([]byte, error) { return []byte(k.word), nil }}
		if err := connects(t, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, "Banner "+banner(t))
	o := to(s, t.TempDir())
	wrong := filepath.Join(t.TempDir(), "wrong")
	pub := sshtest.WriteKey(t, wrong, "")
	o.Identities = []string{wrong, "/no/such/key"}
	o.Keys = &Keys{}
	wants(t, "a wrong key", connects(t, o), ErrAuth, "user "+s.User, ssh.FingerprintSHA256(pub), wrong,
		"/no/such/key", "authorized_keys", "Property of the harbour")
	o.Identities = nil
	wants(t, "no key", connects(t, o), ErrAuth, "there is no agent and no key file")
	o.Identities = []string{s.Identity}
	if err := os.Chmod(s.Identity, 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, "an open key file", connects(t, o), ErrAuth, "chmod 600 "+s.Identity)
}

func banner(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(path, []byte("Property of the harbour\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEncryptedKey(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	path := filepath.Join(t.TempDir(), "locked")
	s.Authorize(t, sshtest.WriteKey(t, path, "secret"))
	o.Identities = []string{path}
	o.Keys = &Keys{}
	wants(t, "nobody to ask", connects(t, o), ErrAuth, "there is no terminal", "ssh-add "+path)

	var answers []string
	asked := 0
	ask := func(string) ([]byte, error) {
		asked++
		if len(answers) == 0 {
			return nil, errors.New("no more answers")
		}
		a := answers[0]
		answers = answers[1:]
		time.Sleep(50 * time.Millisecond)
		return []byte(a), nil
	}
	o.Keys = &Keys{Ask: ask}
	answers = []string{"a", "b", "c"}
	wants(t, "three wrong answers", connects(t, o), nil, "wrong 3 times")
	answers = []string{"wrong", "secret"}
	for range 2 { // the second time nobody is asked
		if err := connects(t, o); err != nil {
			t.Error(err)
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times, want 3 and then 2", asked)
	}
	// A key that the machine does not accept is not worth a question.
	s.Authorize(t)
	o.Keys, asked = &Keys{Ask: ask}, 0
	if err := connects(t, o); !errors.Is(err, ErrAuth) || asked != 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

// A person who types is not a machine that hangs.
func TestThePassphraseMayTakeTime(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	path := filepath.Join(t.TempDir(), "locked")
	s.Authorize(t, sshtest.WriteKey(t, path, "secret"))
	o.Identities, o.Limits.Connect = []string{path}, 2*time.Second
	o.Keys = &Keys{Ask: func(string) ([]byte, error) { time.Sleep(2100 * time.Millisecond); return []byte("secret"), nil }}
	if err := connects(t, o); err != nil {
		t.Error(err)
	}
}

func TestAgent(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	path := filepath.Join(t.TempDir(), "locked")
	s.Authorize(t, sshtest.WriteKey(t, path, "secret"))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(b, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, ring)
	for name, files := range map[string][]string{"any key": nil, "this key": {path}} {
		o.Identities, o.Keys = files, &Keys{Agent: socket}
		if err := connects(t, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// With keys named, the agent's other keys are not shown to the machine.
	o.Identities = []string{filepath.Join(t.TempDir(), "other")}
	sshtest.WriteKey(t, o.Identities[0], "")
	wants(t, "another key", connects(t, o), ErrAuth)
	o.Identities, o.Keys = nil, &Keys{Agent: "/no/such/agent"}
	wants(t, "no agent", connects(t, o), ErrAuth, "the agent cannot be asked")
}

func serveAgent(t *testing.T, ring agent.Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c); c.Close() }()
		}
	}()
	return socket
}
