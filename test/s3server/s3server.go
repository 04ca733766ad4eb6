// Package s3server gives tests a real S3 server: versitygw over a folder. It is
// built from source, from the Go module in the folder beside this file, which
// pins its dependencies apart from Salvor's own, and kept outside the tree, in
// ${XDG_CACHE_HOME:-~/.cache}/salvor/s3server/VERSION/TOOLCHAIN, made when a
// test first asks for it.
package s3server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The keys of the server's owner.
const (
	AccessKey = "salvor-test"
	SecretKey = "salvor-test-secret"
)

// requiredEnv set to 1 makes a server that cannot be had a failure instead of a
// skipped test, for machines that must run everything.
const requiredEnv = "SALVOR_S3SERVER_REQUIRED"

// Server is a running S3 server.
type Server struct {
	Endpoint string // host:port, http
	Root     string // a bucket is a folder below it
	args     []string
	program  string
	cmd      *exec.Cmd
	said     *bytes.Buffer
}

// Start runs a server that can keep versions and locks, until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartAt(t, "127.0.0.1")
}

// StartAt is Start on an address of this machine that others can reach too.
func StartAt(t testing.TB, address string) *Server {
	t.Helper()
	path, err := program()
	switch {
	case err == nil:
	case os.Getenv(requiredEnv) == "1":
		t.Fatalf("S3 server: %v", err)
	default:
		t.Skipf("S3 server cannot be had here: %v", err)
	}
	dir := t.TempDir()
	s := &Server{Root: filepath.Join(dir, "root"), program: path}
	for _, d := range []string{"root", "versions", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Endpoint = l.Addr().String()
	l.Close()
	s.args = []string{"--quiet", "--port", s.Endpoint, "--access", AccessKey, "--secret", SecretKey,
		"--iam-dir", filepath.Join(dir, "iam"), "--iam-cache-disable", "posix", "--versioning-dir", filepath.Join(dir, "versions"), s.Root}
	s.Run(t)
	t.Cleanup(s.Stop)
	return s
}

// Run starts the server again after Stop, at the same address.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	s.said = new(bytes.Buffer)
	s.cmd = exec.Command(s.program, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the server's life hangs on the thread that started it
	defer runtime.UnlockOSThread()
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start S3 server: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", s.Endpoint)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Stop()
			t.Fatalf("S3 server does not answer: %v\n%s", err, s.said)
		}
	}
}

// Grant makes a key that may do everything; Revoke takes it back at once.
func (s *Server) Grant(t testing.TB, access, secret string) {
	t.Helper()
	s.admin(t, "create-user", "--access", access, "--secret", secret, "--role", "admin")
}

// Revoke takes a key back: the next request with it is refused.
func (s *Server) Revoke(t testing.TB, access string) {
	t.Helper()
	s.admin(t, "delete-user", "--access", access)
}

func (s *Server) admin(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command(s.program, append([]string{"admin", "--access", AccessKey, "--secret", SecretKey, "--endpoint-url", "http://" + s.Endpoint}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("S3 server: %s: %v: %s", args[0], err, out)
	}
}

// Stop kills the server.
func (s *Server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

const module = "github.com/versity/versitygw"

func program() (string, error) {
	here, err := source()
	if err != nil {
		return "", err
	}
	mod, err := os.ReadFile(filepath.Join(here, "go.mod"))
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(mod)
	if version == nil {
		return "", fmt.Errorf("%s/go.mod does not pin %s", here, module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "salvor", "s3server", string(version[1]), runtime.Version())
	path := filepath.Join(dir, "versitygw")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil // another test process made it meanwhile
	}
	return path, build(here, path)
}

// source is the folder of the server's module: go test runs in the folder of
// the test, somewhere in Salvor's module.
func source() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		here := filepath.Join(dir, "test", "s3server", "versitygw")
		if _, err := os.Stat(filepath.Join(here, "go.mod")); err == nil {
			return here, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the folder test/s3server is not above the working directory")
		}
	}
	return "", err
}

// build compiles the server into a file beside path and renames it.
func build(here, path string) error {
	part := path + ".part"
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", part, module+"/cmd/versitygw")
	cmd.Dir = here
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("build %s: %w: %s", module, err, strings.Join(lines[max(0, len(lines)-3):], " / "))
	}
	return os.Rename(part, path)
}
