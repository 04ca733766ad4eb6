package ssh

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

const time10 = 10 * time.Second

// listen is a machine that accepts connections and hands them to serve, or
// leaves them alone.
func listen(t *testing.T, serve func(net.Conn)) Address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // and not before: what nobody holds is closed
			if serve != nil {
				go serve(c)
			}
		}
	}()
	a := l.Addr().(*net.TCPAddr)
	return Address{Host: a.IP.String(), Port: a.Port}
}

func TestMachinesThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	closed := listen(t, nil)
	closed.Port, _ = strconv.Atoi(func() string {
		l, _ := net.Listen("tcp", "127.0.0.1:0")
		defer l.Close()
		_, p, _ := net.SplitHostPort(l.Addr().String())
		return p
	}())
	say := func(text string, end bool) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			if end {
				_ = c.Close()
			}
		}
	}
	for name, c := range map[string]struct {
		to   Address
		want string
	}{
		"refuses":                   {closed, "connection refused"},
		"hangs after accept":        {listen(t, nil), "did not complete SSH's handshake within 300ms"},
		"half a version":            {listen(t, say("SSH-2.0-Op", false)), "did not complete SSH's handshake within 300ms"},
		"half a version, then ends": {listen(t, say("SSH-2.0-Op", true)), "in the middle of SSH's handshake"},
		"a version, then ends":      {listen(t, say("SSH-2.0-OpenSSH_9.2\r\n", true)), "handshake"},
		"half a packet":             {listen(t, say("SSH-2.0-OpenSSH_9.2\r\n\x00\x00\x01", false)), "did not complete SSH's handshake within 300ms"},
		"speaks HTTP":               {listen(t, say("HTTP/1.1 400 Bad Request\r\n\r\n", true)), "handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, Options{Name: "cp-1", Address: c.to, KnownHosts: []string{"/no/such/file"}, Limits: Limits{Connect: 300 * time.Millisecond}})
			began := time.Now()
			_, err := m.Start(t.Context(), "host", "digest")
			wants(t, name, err, nil, "cp-1", c.want)
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestSilentMachineIsFoundDead(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	o.Limits.Alive = 600 * time.Millisecond
	m := machine(t, o)
	c := dial(t, m, t.TempDir())
	time.Sleep(time.Second) // an idle connection is not a dead one
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	s.Freeze(t)
	began := time.Now()
	err := c.Call(t.Context(), "echo", nil, nil, nil)
	wants(t, "a call to a frozen machine", err, host.ErrDisconnected, "fell silent")
	if !errors.Is(err, ErrDead) {
		t.Errorf("%v is not ErrDead", err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("it took %s to notice", d)
	}
	_ = c.Close()
	dial(t, m, t.TempDir()) // the next connection is a new one
	if n := m.Stats().Connections; n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestCutInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	m := machine(t, to(s, t.TempDir()))
	dir := t.TempDir()
	c := dial(t, m, dir)
	if err := c.Lock(t.Context(), host.NewOwner("one")); err != nil {
		t.Fatal(err)
	}
	block := map[string]any{"Stopped": dir + "/stopped", "Linger": 0}
	err := c.Call(t.Context(), "block", block, nil, func(host.Progress) { s.KillSessions(t) })
	wants(t, "a call whose connection is cut", err, host.ErrDisconnected)
	if err := c.Close(); err != nil {
		t.Errorf("close after the break: %v", err)
	}
	next := dial(t, m, dir)
	// The far side has stopped its work and freed the lock by itself.
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := next.Lock(t.Context(), host.NewOwner("two"))
		if err == nil {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir + "/stopped"); err != nil {
		t.Errorf("the work did not stop: %v", err)
	}
}

func TestBulkTransferResumesAfterACut(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	dir := t.TempDir()
	m := machine(t, to(s, dir))
	c := dial(t, m, dir)
	const size = 24 << 20
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*i>>7) ^ byte(i>>11)
	}
	if err := os.WriteFile(dir+"/src", data, 0o600); err != nil {
		t.Fatal(err)
	}
	cut := false
	err := c.Put(t.Context(), dir+"/src", dir+"/dst", func(p host.Progress) {
		if p.Done > size/2 && !cut {
			cut = true
			s.KillSessions(t)
		}
	})
	wants(t, "a transfer that is cut", err, host.ErrDisconnected)
	if _, err := os.Stat(dir + "/dst"); err == nil {
		t.Fatal("a half file stands under its final name")
	}
	first := int64(-1)
	err = dial(t, m, dir).Put(t.Context(), dir+"/src", dir+"/dst", func(p host.Progress) {
		if first < 0 && p.Done > 0 {
			first = p.Done
		}
	})
	if err != nil || first < 1<<20 {
		t.Errorf("the second attempt: %v, it began at byte %d", err, first)
	}
	if got, err := os.ReadFile(dir + "/dst"); err != nil || string(got) != string(data) {
		t.Errorf("%d bytes that differ, %v", len(got), err)
	}
}

func TestJumpHosts(t *testing.T) {
	t.Parallel()
	last := sshtest.Start(t)
	first, second := sshtest.Start(t), sshtest.Start(t)
	known := filepath.Join(t.TempDir(), "known_hosts")
	o := to(last, t.TempDir())
	o.KnownHosts = []string{known}
	o.Limits.Alive = 600 * time.Millisecond
	for _, s := range []*sshtest.Server{first, second} {
		o.Jump = append(o.Jump, Address{User: s.User, Host: s.Host, Port: s.Port})
		o.Identities = append(o.Identities, s.Identity)
	}
	m := machine(t, o)
	// All three host keys are asked for, each through the ones before it.
	var seen []string
	if _, err := m.Accept(t.Context(), func(e *HostKeyError) (bool, error) { seen = append(seen, e.Address); return true, nil }); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || seen[0] != first.Address() || seen[1] != second.Address() || seen[2] != last.Address() {
		t.Errorf("asked for %v", seen)
	}
	c := dial(t, m, t.TempDir())
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Error(err)
	}
	first.Freeze(t) // the way there dies, not the machine
	wants(t, "a call through a frozen machine", c.Call(t.Context(), "echo", nil, nil, nil), ErrDead)

	o.Jump = o.Jump[:1]
	closed := sshtest.Start(t, "AllowTcpForwarding no")
	closed.Authorize(t, last.HostKey)
	o.Jump = []Address{{User: closed.User, Host: closed.Host, Port: closed.Port}}
	o.KnownHosts = append(o.KnownHosts, closed.KnownHosts)
	wants(t, "the wrong key on the way", start(t, machine(t, o)), ErrAuth, closed.Address())
	o.Identities = append(o.Identities, closed.Identity)
	authorize(t, closed)
	wants(t, "no forwarding", start(t, machine(t, o)), nil, "AllowTcpForwarding")
}

// authorize lets a server's own identity in again.
func authorize(t *testing.T, s *sshtest.Server) {
	t.Helper()
	keys := &Keys{}
	o := keys.offer([]string{s.Identity}, nil)
	s.Authorize(t, o.signers[0].PublicKey())
}

// A machine that allows one session a connection gets more connections.
func TestOneSessionPerConnection(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, "MaxSessions 1")
	o := to(s, t.TempDir())
	o.Limits.Grace, o.Limits.Linger = 200*time.Millisecond, 100*time.Millisecond
	m := machine(t, o)
	dir := t.TempDir()
	c := dial(t, m, dir)
	if err := os.WriteFile(dir+"/a", []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), dir+"/a", dir+"/b", nil); err != nil {
		t.Error(err)
	}
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Error(err)
	}
	if err := m.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	sshtest.Stop(t, c.Hello().PID)
	wants(t, "close", c.Close(), nil, "was killed")
	if n := m.Stats().Connections; n < 2 {
		t.Errorf("%d connections", n)
	}
	none := sshtest.Start(t, "MaxSessions 0")
	wants(t, "no session at all", start(t, machine(t, to(none, dir))), nil, "raise MaxSessions")
}

func TestFrozenSessionIsKilled(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	o.Limits.Grace = 200 * time.Millisecond
	m := machine(t, o)
	c, other := dial(t, m, t.TempDir()), dial(t, m, t.TempDir())
	pid := c.Hello().PID
	sshtest.Stop(t, pid)
	wants(t, "close", c.Close(), nil, "killed", strconv.Itoa(pid))
	if !sshtest.Gone(pid) {
		t.Error("the frozen process is still there")
	}
	if err := other.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Errorf("another session of the connection: %v", err)
	}
}

func TestIdleConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	o.Limits.Linger = 50 * time.Millisecond
	m := machine(t, o)
	if err := dial(t, m, t.TempDir()).Close(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); len(s.Sessions()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the connection is still there")
		}
	}
}

func TestSudo(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sudo"); err != nil {
		t.Skip("sudo is not installed")
	}
	if out, err := exec.Command("sudo", "-n", "true").CombinedOutput(); err != nil {
		t.Skipf("sudo wants a password: %s", out)
	}
	s := sshtest.Start(t)
	dir := t.TempDir()
	o := to(s, dir)
	o.Sudo = true
	o.Limits.Grace = 300 * time.Millisecond
	m := machine(t, o)
	c := dial(t, m, dir)
	if err := os.WriteFile(dir+"/src", []byte("with sudo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), dir+"/src", dir+"/d st'\"$(x)", nil); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(dir + "/d st'\"$(x)"); string(b) != "with sudo" {
		t.Errorf("%q, %v", b, err)
	}
	pid := c.Hello().PID
	sshtest.Stop(t, pid)
	wants(t, "close", c.Close(), nil, "killed")
	for began := time.Now(); !sshtest.Gone(pid); time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// A user's sudo that asks for a password, or that is not there.
func TestSudoThatRefuses(t *testing.T) {
	t.Parallel()
	for said, program := range map[string]string{
		"sudo: a password is required":    "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n",
		"sudo: you must have a tty":       "#!/bin/sh\necho 'sudo: you must have a tty' >&2\nexit 1\n",
		"not found":                       "",
		"root is not in the sudoers file": "#!/bin/sh\necho 'sudo: root is not in the sudoers file' >&2\nexit 1\n",
	} {
		dir := t.TempDir()
		if program != "" {
			if err := os.WriteFile(dir+"/sudo", []byte(program), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("/bin/sh", dir+"/sh"); err != nil {
			t.Fatal(err)
		}
		s := sshtest.Start(t, "SetEnv PATH="+dir)
		o := to(s, t.TempDir())
		o.Sudo = true
		wants(t, said, start(t, machine(t, o)), ErrSudo, said, "NOPASSWD", "log in as root")
	}
}

func TestTheLoginShellMaySpeak(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, `ForceCommand echo "Welcome aboard"; printf "no line break: "; sh -c "$SSH_ORIGINAL_COMMAND"`)
	m := machine(t, to(s, t.TempDir()))
	c := dial(t, m, t.TempDir())
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Error(err)
	}
	shut := sshtest.Start(t, `ForceCommand echo "This account is closed"; exit 1`)
	wants(t, "an account without a shell", start(t, machine(t, to(shut, t.TempDir()))), ErrPlace, "This account is closed")
	endless := sshtest.Start(t, `ForceCommand yes`)
	o := to(endless, t.TempDir())
	o.Limits.Grace = 100 * time.Millisecond
	wants(t, "an endless greeting", start(t, machine(t, o)), ErrPlace, "says too much")
}

// cutter is a way to a machine that ends after so many bytes towards it.
func cutter(t *testing.T, s *sshtest.Server, limit int64) (Address, string) {
	t.Helper()
	var left atomic.Int64
	left.Store(limit)
	a := listen(t, func(c net.Conn) {
		defer c.Close()
		there, err := net.Dial("tcp", s.Address())
		if err != nil {
			return
		}
		defer there.Close()
		go func() { _, _ = io.Copy(c, there); c.Close() }()
		buf := make([]byte, 16<<10)
		for {
			n, err := c.Read(buf)
			if err != nil || left.Add(-int64(n)) < 0 {
				time.Sleep(100 * time.Millisecond) // until what has come is taken
				return
			}
			if _, err := there.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	a.User = s.User
	known := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(known, []byte(knownhosts.Line([]string{a.dial()}, s.HostKey)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, known
}
