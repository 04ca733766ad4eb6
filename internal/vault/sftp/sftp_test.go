package sftp_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/vault/sftp"
	"github.com/salvor-project/salvor/internal/vault/target"
	"github.com/salvor-project/salvor/internal/vault/targettest"
)

// server is a real sshd that serves SFTP and nothing else.
type server struct {
	addr, user, key, known string
	dir                    string
	cmd                    *exec.Cmd
}

func start(t *testing.T) *server {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skipf("needs OpenSSH's sshd: %v", err)
	}
	if os.Geteuid() == 0 { // what the service's unit does
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("sshd needs its folder: %v", err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{user: me.Username, dir: t.TempDir()}
	host := s.newKey(t, "host")
	s.key = filepath.Join(s.dir, "client")
	client := s.newKey(t, "client")
	s.write(t, "authorized", string(ssh.MarshalAuthorizedKey(client)))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	l.Close()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.known = s.write(t, "known", fmt.Sprintf("[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(host)))
	conf := s.write(t, "conf", fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\n"+
		"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"+
		"ForceCommand internal-sftp\n", port, s.dir, s.dir))
	s.run(t, program, conf)
	return s
}

func (s *server) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *server) newKey(t *testing.T, name string) ssh.PublicKey {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, string(pem.EncodeToMemory(block)))
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *server) run(t *testing.T, program, conf string) {
	t.Helper()
	var said bytes.Buffer
	s.cmd = exec.Command(program, "-D", "-e", "-f", conf)
	s.cmd.Stderr = &said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.cmd.Start(); err != nil {
		t.Skipf("sshd does not start here: %v", err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not answer: %v\n%s", err, said.String())
		}
	}
}

func (s *server) open(t *testing.T, root string) *sftp.Target {
	t.Helper()
	one, err := sftp.New("nas", root, sftp.WithKey(s.addr, s.user, s.key, s.known), target.Properties{Media: "disk", Offsite: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Close() })
	return one
}

func TestTarget(t *testing.T) {
	s := start(t)
	targettest.Run(t, func(t *testing.T) (one, again target.Target) {
		root := t.TempDir()
		return s.open(t, root), s.open(t, root)
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	s := start(t)
	root := t.TempDir()
	if _, err := s.open(t, filepath.Join(root, "none")).List(t.Context(), ""); !errors.Is(err, target.ErrAbsent) {
		t.Errorf("missing folder: %v", err)
	}
	other := *s
	other.newKey(t, "other")
	other.key = filepath.Join(s.dir, "other")
	if _, err := other.open(t, root).List(t.Context(), ""); !errors.Is(err, target.ErrDenied) || !strings.Contains(err.Error(), "takes neither") {
		t.Errorf("wrong key: %v", err)
	}
	stranger := *s
	stranger.known = s.write(t, "known2", "[127.0.0.1]"+s.addr[strings.LastIndex(s.addr, ":"):]+" "+
		string(ssh.MarshalAuthorizedKey(s.newKey(t, "stranger"))))
	if _, err := stranger.open(t, root).List(t.Context(), ""); !errors.Is(err, target.ErrDenied) || !strings.Contains(err.Error(), "known_hosts") {
		t.Errorf("wrong host key: %v", err)
	}
	down := *s
	down.addr = "127.0.0.1:1"
	if _, err := down.open(t, root).List(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("down: %v", err)
	}
}

// TestFull mounts a small disk of its own.
func TestFull(t *testing.T) {
	s := start(t)
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	err := s.open(t, root).Put(t.Context(), "a/f", bytes.NewReader(targettest.Bytes(1, 2<<20)), target.PutOptions{})
	if !errors.Is(err, target.ErrFull) {
		t.Errorf("full: %v", err)
	}
}

// TestConnectionBreaks: the next call connects again.
func TestConnectionBreaks(t *testing.T) {
	s := start(t)
	one := s.open(t, t.TempDir())
	if err := one.Put(t.Context(), "a/f", strings.NewReader("x"), target.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Stat(t.Context(), "a/f"); err != nil {
		t.Error(err)
	}
}
