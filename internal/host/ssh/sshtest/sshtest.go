// Package sshtest runs a real sshd for tests: a process of its own on a
// loopback port, with its own configuration, host key and authorized keys, in
// a temporary folder.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Server is an sshd that runs until the test ends.
type Server struct {
	// User is who may log in: the user who runs the test.
	User string
	// Host and Port are where it listens.
	Host string
	Port int
	// KnownHosts is a file that holds its host key.
	KnownHosts string
	// Identity is a private key file that it accepts.
	Identity string
	// HostKey is its host key.
	HostKey ssh.PublicKey
	// Dir is its folder.
	Dir string

	cmd *exec.Cmd
	log *log
}

// Start starts an sshd with further lines of sshd_config. The test is skipped
// where sshd is not installed.
func Start(t testing.TB, lines ...string) *Server {
	t.Helper()
	binary, err := exec.LookPath("sshd")
	if err != nil {
		binary = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip("sshd is not installed")
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{User: u.Username, Host: "127.0.0.1", Dir: t.TempDir(), log: &log{}}
	s.KnownHosts, s.Identity = filepath.Join(s.Dir, "known_hosts"), filepath.Join(s.Dir, "identity")
	if s.Port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	s.HostKey = WriteKey(t, filepath.Join(s.Dir, "host_key"), "")
	s.Authorize(t, WriteKey(t, s.Identity, ""))
	s.write(t, "known_hosts", knownhosts.Line([]string{s.Address()}, s.HostKey)+"\n")
	config := []string{
		"Port " + strconv.Itoa(s.Port), "ListenAddress " + s.Host, "HostKey " + filepath.Join(s.Dir, "host_key"),
		"AuthorizedKeysFile " + filepath.Join(s.Dir, "authorized_keys"), "PidFile none", "StrictModes no", "UsePAM no",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "LogLevel VERBOSE", "UseDNS no",
	}
	// The first line of a keyword is the one that counts. The home is an empty
	// one: what the user's shell does at its start is not to be tested.
	lines, home := slices.Clone(lines), "SetEnv HOME="+s.Dir
	for i, l := range lines {
		if strings.HasPrefix(l, "SetEnv ") {
			lines[i], home = l+" HOME="+s.Dir, ""
		}
	}
	config = append(config, home)
	s.write(t, "sshd_config", strings.Join(append(lines, config...), "\n")+"\n")
	if os.Geteuid() == 0 { // as the package's own service does
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.cmd = exec.Command(binary, "-D", "-e", "-f", filepath.Join(s.Dir, "sshd_config"))
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.KillSessions(t)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // "signal: killed"
		if t.Failed() {
			t.Logf("sshd on port %d:\n%s", s.Port, s.Log())
		}
	})
	s.await(t)
	return s
}

// await waits until it listens.
func (s *Server) await(t testing.TB) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		if strings.Contains(s.Log(), "Server listening") {
			return
		}
	}
	t.Fatalf("sshd does not listen:\n%s", s.Log())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Address gives host:port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Authorize lets these keys in, and no others.
func (s *Server) Authorize(t testing.TB, keys ...ssh.PublicKey) {
	t.Helper()
	text := ""
	for _, k := range keys {
		text += string(ssh.MarshalAuthorizedKey(k))
	}
	s.write(t, "authorized_keys", text)
}

// Log gives what it has logged.
func (s *Server) Log() string { return s.log.String() }

// Sessions gives the processes that serve its connections now.
func (s *Server) Sessions() []int { return children(s.cmd.Process.Pid) }

// KillSessions kills what serves its connections, but not itself.
func (s *Server) KillSessions(t testing.TB) {
	for _, pid := range s.Sessions() {
		for _, p := range append(children(pid), pid) { // a user's session has a child of its own
			if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p)); err != nil || !strings.HasPrefix(string(comm), "sshd") {
				continue
			}
			if err := syscall.Kill(p, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				t.Error(err)
			}
		}
	}
}

// Freeze stops what serves its connections, as if the machine hung.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	for _, pid := range s.Sessions() {
		Stop(t, pid)
	}
}

// Stop stops a process, and waits until all of its threads stand.
func Stop(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		standing := len(tasks) > 0
		for _, f := range tasks {
			state, _ := stat(f)
			standing = standing && state == "T"
		}
		if standing {
			return
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("process %d does not stop", pid)
		}
	}
}

// Gone tells whether a process has ended, also when nobody has asked how.
func Gone(pid int) bool {
	state, _ := stat(fmt.Sprintf("/proc/%d/stat", pid))
	return state == "" || state == "Z"
}

// stat reads a process's state and its parent; the state is empty when there
// is no such process.
func stat(file string) (state string, parent int) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// children gives the processes whose parent is pid.
func children(pid int) []int {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []int
	for _, f := range all {
		if state, parent := stat(f); state != "" && state != "Z" && parent == pid {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			out = append(out, n)
		}
	}
	return out
}

// WriteKey makes an ed25519 key, with a passphrase unless that is empty, in a
// file with mode 0600, and gives its public half.
func WriteKey(t testing.TB, path, passphrase string) ssh.PublicKey {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Write(t, path, private, pub, passphrase)
}

// Write is WriteKey for a key that exists, of any kind.
func Write(t testing.TB, path string, private, public any, passphrase string) ssh.PublicKey {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "salvor test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "salvor test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// log keeps what sshd says.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
