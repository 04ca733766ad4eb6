package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// judge decides on the host keys of one handshake.
type judge struct {
	machine string
	address string
	check   ssh.HostKeyCallback
	// algorithms are what the machine is asked for, empty for any.
	algorithms []string
	// refused is why a key was not accepted: x/crypto wraps it out of sight.
	refused error
}

// newJudge reads the known host keys of one address.
func newJudge(machine, address string, files []string) (*judge, error) {
	var there []string
	for _, f := range files {
		switch _, err := os.Stat(f); {
		case err == nil:
			there = append(there, f)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("read known host keys: %w", err)
		}
	}
	check, err := knownhosts.New(there...)
	if err != nil {
		return nil, advise(fmt.Errorf("read known host keys: %w", err), "correct that line, or name another file in knownHosts")
	}
	j := &judge{machine: machine, address: address, check: check}
	j.algorithms = j.known()
	return j, nil
}

// known gives the algorithms of the keys that are known for the address: a
// machine has several, and must be asked for the one that can be compared.
func (j *judge) known() []string {
	var missing *knownhosts.KeyError
	// A key that nobody has gets all the known ones named.
	if err := j.check(j.address, &net.TCPAddr{}, noKey{}); !errors.As(err, &missing) {
		return nil
	}
	var all []string
	for _, k := range missing.Want {
		algorithms := []string{k.Key.Type()}
		if k.Key.Type() == ssh.KeyAlgoRSA {
			algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		for _, a := range algorithms {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// preferred are the host keys that an unknown machine is asked for.
func preferred() []string {
	return []string{ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
}

// callback is the handshake's question. There is no way around it.
func (j *judge) callback(address string, remote net.Addr, key ssh.PublicKey) error {
	err := j.check(address, remote, key)
	if err == nil {
		return nil
	}
	j.refused = j.refuse(key, err)
	return j.refused
}

func (j *judge) refuse(key ssh.PublicKey, err error) error {
	e := &HostKeyError{Machine: j.machine, Address: j.address, Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), key: key}
	var other *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		e.Revoked, e.File, e.Line = true, revoked.Revoked.Filename, revoked.Revoked.Line
	case errors.As(err, &other) && len(other.Want) > 0:
		e.File, e.Line = other.Want[0].Filename, other.Want[0].Line
		for _, w := range other.Want { // better: the line of the same kind
			if w.Key.Type() == key.Type() {
				e.File, e.Line = w.Filename, w.Line
				break
			}
		}
	case errors.As(err, &other):
	default: // a certificate that is not good
		return advise(fmt.Errorf("%w: %s: %w", ErrHostKey, j.address, err), "nothing was sent; look at the machine's host certificate")
	}
	return e
}

// noKey is a public key that no machine has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
