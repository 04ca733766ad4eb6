package ssh

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Keys are the private keys of the operator: what the agent holds, and the
// files that were read. A passphrase is asked for once, and only when a
// machine would accept the key. It is safe for use by many goroutines.
type Keys struct {
	// Agent is the agent's socket; none when empty.
	Agent string
	// Home is the folder whose DefaultIdentities are tried; none when empty.
	Home string
	// Ask reads a passphrase without showing it; nil when nobody can be asked.
	Ask func(prompt string) ([]byte, error)

	asking sync.Mutex // one question at a time
	mu     sync.Mutex
	open   map[string]ssh.Signer
}

// offer is what one handshake can show.
type offer struct {
	signers []ssh.Signer
	// notes say what was there and what could not be used, for messages.
	notes []string
	close func()
}

// agentTime is how long the agent may take to list its keys and, with the
// touch of a token, to sign.
const agentTime = 30 * time.Second

// offer collects keys: of the files when there are any, and otherwise of the
// agent and the usual files. Only the key of an encrypted file that is needed
// is asked for, with pause stopping the handshake's clock meanwhile.
func (k *Keys) offer(files []string, pause func() (resume func())) offer {
	o := offer{close: func() {}}
	held := k.agent(&o)
	explicit := len(files) > 0
	if !explicit {
		for _, s := range held {
			o.add(s, "from the agent")
		}
		if k.Home != "" {
			files = DefaultIdentities(k.Home)
		}
	}
	for _, f := range files {
		s, err := k.file(f, held, pause)
		switch {
		case err == nil:
			o.add(s, f)
		case explicit || !errors.Is(err, fs.ErrNotExist):
			o.notes = append(o.notes, err.Error())
		}
	}
	return o
}

func (o *offer) add(s ssh.Signer, from string) {
	fingerprint := ssh.FingerprintSHA256(s.PublicKey())
	for _, other := range o.signers {
		if ssh.FingerprintSHA256(other.PublicKey()) == fingerprint {
			return
		}
	}
	o.signers = append(o.signers, s)
	o.notes = append(o.notes, fmt.Sprintf("%s %s (%s)", s.PublicKey().Type(), fingerprint, from))
}

// agent gives the agent's keys; the agent stays open until the offer is closed.
func (k *Keys) agent(o *offer) []ssh.Signer {
	if k.Agent == "" {
		return nil
	}
	c, err := net.DialTimeout("unix", k.Agent, agentTime)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(agentTime))
	}
	if err != nil {
		o.notes = append(o.notes, fmt.Sprintf("the agent cannot be asked: %v", err))
		return nil
	}
	o.close = func() { _ = c.Close() }
	held, err := agent.NewClient(c).Signers()
	if err != nil {
		o.notes = append(o.notes, fmt.Sprintf("the agent %s does not answer: %v", k.Agent, err))
	}
	return held
}

// file reads a private key, or finds the one that the agent holds for it.
func (k *Keys) file(path string, held []ssh.Signer, pause func() func()) (ssh.Signer, error) {
	if s := k.kept(path); s != nil {
		return s, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key %s can be read by others: run `chmod 600 %s`", path, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	s, err := ssh.ParsePrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		if err != nil {
			return nil, fmt.Errorf("read the key %s: %w", path, err)
		}
		k.keep(path, s)
		return s, nil
	}
	pub := locked.PublicKey
	if pub == nil { // an older form, which does not hold it
		if pub, err = publicFile(path + ".pub"); err != nil {
			return nil, fmt.Errorf("the key %s needs a passphrase, and %w: add it to the agent with `ssh-add %s`", path, err, path)
		}
	}
	for _, h := range held {
		if string(h.PublicKey().Marshal()) == string(pub.Marshal()) {
			return h, nil
		}
	}
	if k.Ask == nil {
		return nil, fmt.Errorf("the key %s needs a passphrase, and there is no terminal to ask on: add it to the agent with `ssh-add %s`", path, path)
	}
	return &lockedKey{keys: k, path: path, pem: b, pub: pub, pause: pause}, nil
}

func publicFile(path string) (ssh.PublicKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return pub, nil
}

func (k *Keys) kept(path string) ssh.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open[path]
}

func (k *Keys) keep(path string, s ssh.Signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open == nil {
		k.open = map[string]ssh.Signer{}
	}
	k.open[path] = s
}

// lockedKey is the key of an encrypted file. It asks for the passphrase when
// it has to sign: then the machine has said that it would accept it.
type lockedKey struct {
	keys  *Keys
	path  string
	pem   []byte
	pub   ssh.PublicKey
	pause func() (resume func())
}

func (l *lockedKey) PublicKey() ssh.PublicKey { return l.pub }

func (l *lockedKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, "")
}

func (l *lockedKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	defer l.pause()()
	s, err := l.keys.unlock(l)
	if err != nil {
		return nil, err
	}
	if as, ok := s.(ssh.AlgorithmSigner); ok && algorithm != "" {
		return as.SignWithAlgorithm(rand, data, algorithm)
	}
	return s.Sign(rand, data)
}

// tries is how often a passphrase is asked for.
const tries = 3

func (k *Keys) unlock(l *lockedKey) (ssh.Signer, error) {
	k.asking.Lock()
	defer k.asking.Unlock()
	if s := k.kept(l.path); s != nil {
		return s, nil
	}
	for range tries {
		word, err := k.Ask("Passphrase of " + l.path + ": ")
		if err != nil {
			return nil, fmt.Errorf("ask for the passphrase of %s: %w", l.path, err)
		}
		s, err := ssh.ParsePrivateKeyWithPassphrase(l.pem, word)
		clear(word)
		switch {
		case err == nil:
			k.keep(l.path, s)
			return s, nil
		case !errors.Is(err, x509.IncorrectPasswordError):
			return nil, fmt.Errorf("read the key %s: %w", l.path, err)
		}
	}
	return nil, fmt.Errorf("the passphrase of %s was wrong %d times", l.path, tries)
}
