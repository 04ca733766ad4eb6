package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// configs name the salvor.yaml files and their targets.
func (o options) configs() map[string]string {
	one, two := fmt.Sprintf("{name: one, dir: %s}", o.path("one")), fmt.Sprintf("{name: two, dir: %s}", o.path("two"))
	bucket := fmt.Sprintf("{name: bucket, s3: {endpoint: 'http://127.0.0.1:%s', bucket: bench, pathStyle: true, credentials: %s}}", s3Port, o.path("credentials"))
	return map[string]string{"both": one + ", " + two, "folder": one, "bucket": bucket, "copy": one + ", " + bucket}
}

const (
	clientPort, peerPort, s3Port = "23790", "23791", "23792"
	access, secret               = "bench", "bench-secret"
)

// prepare writes the subject as an etcd's data dir, the keys and the
// configurations.
func (o options) prepare() error {
	peer := "http://127.0.0.1:" + peerPort
	if err := quiet(o.salvor, "snapshot", "restore", o.subject, "--data-dir", o.path("etcd"), "--name", "m", "--new-token",
		"--initial-cluster", "m="+peer, "--initial-advertise-peer-urls", peer).Run(); err != nil {
		return fmt.Errorf("restore the subject: %w", err)
	}
	for _, d := range []string{"one", "two", "s3", "s3/bench"} {
		if err := os.Mkdir(o.path(d), 0o700); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", access, secret)
	if err := os.WriteFile(o.path("credentials"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := o.configure("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"); err != nil {
		return err
	}
	out, err := exec.Command(o.salvor, "-c", o.config("both"), "vault", "init", "--new-identity", o.path("key.txt")).Output()
	if err != nil {
		return fmt.Errorf("vault init: %w", err)
	}
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "age1") {
			return o.configure(word)
		}
	}
	return errors.New("vault init named no recipient")
}

func (o options) configure(recipient string) error {
	for name, targets := range o.configs() {
		text := fmt.Sprintf(`cluster: bench
hosts: [{name: h, via: local, stateDir: %[1]s/state}]
members:
  - name: m
    host: h
    dataDir: %[1]s/etcd
    clientURLs: ['http://127.0.0.1:%[2]s']
    peerURLs: ['http://127.0.0.1:%[3]s']
    run: {systemd: etcd.service}
vault:
  identity: %[1]s/key.txt
  signingKey: %[1]s/sign
  recipients: [%[4]s]
  targets: [%[5]s]
backup:
  absent: [/etc/kubernetes]
  scratch: %[1]s
`, o.dir, clientPort, peerPort, recipient, targets)
		if err := os.WriteFile(o.config(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// serveEtcd starts an etcd on the subject.
func (o options) serveEtcd() (endpoint string, stop func(), err error) {
	endpoint, peer := "http://127.0.0.1:"+clientPort, "http://127.0.0.1:"+peerPort
	stop, err = o.start("etcd.log", filepath.Join(o.etcd, "etcd"), "--name=m", "--data-dir="+o.path("etcd"), "--listen-client-urls="+endpoint,
		"--advertise-client-urls="+endpoint, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=m="+peer, "--quota-backend-bytes=8589934592")
	if err != nil {
		return "", nil, err
	}
	return endpoint, stop, until(stop, func() bool {
		return exec.Command(filepath.Join(o.etcd, "etcdctl"), "--endpoints="+endpoint, "get", "x").Run() == nil
	})
}

// serveS3 starts an S3 server.
func (o options) serveS3() (stop func(), err error) {
	stop, err = o.start("s3.log", o.s3, "--quiet", "--port", "127.0.0.1:"+s3Port, "--access", access, "--secret", secret, "posix", o.path("s3"))
	if err != nil {
		return nil, err
	}
	return stop, until(stop, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+s3Port)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}

func (o options) start(log string, command ...string) (stop func(), err error) {
	f, err := os.Create(o.path(log))
	if err != nil {
		return nil, err
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = f, f
	if err := errors.Join(c.Start(), f.Close()); err != nil {
		return nil, err
	}
	return func() { _ = c.Process.Kill(); _ = c.Wait() }, nil
}

// until waits for a server, and stops it when it does not come.
func until(stop func(), serves func() bool) error {
	for deadline := time.Now().Add(3 * time.Minute); !serves(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			stop()
			return errors.New("a server does not answer: see etcd.log or s3.log")
		}
	}
	return nil
}
