package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Dial opens an SSH connection to the target's machine.
type Dial func(ctx context.Context) (*ssh.Client, error)

// WithKey dials addr (host:port) as user with the private key in keyFile, and
// takes only a host key that knownHosts lists.
func WithKey(addr, user, keyFile, knownHosts string) Dial {
	return func(ctx context.Context) (*ssh.Client, error) {
		pem, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, fmt.Errorf("read SSH key: %w", err)
		}
		signer, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			return nil, fmt.Errorf("read SSH key %s: %w", keyFile, err)
		}
		check, err := knownhosts.New(knownHosts)
		if err != nil {
			return nil, fmt.Errorf("read known hosts: %w", err)
		}
		d := net.Dialer{Timeout: 10 * time.Second}
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		c, chans, reqs, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
			User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: check,
			HostKeyAlgorithms: algorithms(check, addr, conn), Timeout: 10 * time.Second,
		})
		if err != nil {
			_ = conn.Close() // it is given up
			return nil, err
		}
		return ssh.NewClient(c, chans, reqs), nil
	}
}

// algorithms asks known_hosts which kinds of key it has for a host, so that
// the server is not asked for one that is not listed: empty for all. It is
// found in the error that a key of no known kind gives.
func algorithms(check ssh.HostKeyCallback, addr string, conn net.Conn) []string {
	var e *knownhosts.KeyError
	if !errors.As(check(addr, conn.RemoteAddr(), noKey{}), &e) {
		return nil
	}
	var kinds []string
	for _, k := range e.Want {
		switch kind := k.Key.Type(); kind {
		case ssh.KeyAlgoRSA:
			kinds = append(kinds, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// keepAlive closes a connection whose server does not answer, so that nobody
// waits for it; it ends with the connection.
func keepAlive(conn *ssh.Client) {
	for {
		answered := make(chan error, 1)
		go func() {
			_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if err != nil {
				return
			}
		case <-time.After(silence):
			_ = conn.Close() // it is given up
			return
		}
		time.Sleep(silence / 2)
	}
}

// silence is how long a server may say nothing.
const silence = 30 * time.Second
