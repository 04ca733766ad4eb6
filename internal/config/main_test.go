package config

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// TestMain lets this test binary be a real etcd, under the name etcd or as a
// program that embeds it, or a program that only has etcd's flags.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "etcd":
		etcdmain.Main(os.Args)
	case len(os.Args) > 1 && os.Args[1] == "embedded":
		etcdmain.Main(append([]string{"etcd"}, os.Args[2:]...))
	case len(os.Args) > 1 && os.Args[1] == "impostor":
		time.Sleep(time.Minute)
	default:
		os.Exit(m.Run())
	}
}

// self is this test binary; etcdBinary the same file under the name etcd.
func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func etcdBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "etcd")
	if os.Link(self(t), path) == nil {
		return path
	}
	in, err := os.Open(self(t))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// table is a process table that shows only the processes of one test: others
// run etcd on this machine, too.
type table struct {
	t    *testing.T
	path string
}

func newTable(t *testing.T) table {
	t.Helper()
	p := table{t: t, path: t.TempDir()}
	p.link("self")
	return p
}

func (p table) link(name string) {
	if err := os.Symlink(filepath.Join("/proc", name), filepath.Join(p.path, name)); err != nil {
		p.t.Fatal(err)
	}
}

// start starts a process with its output in a log file.
func (p table) start(log, dir string, env []string, argv ...string) *exec.Cmd {
	p.t.Helper()
	out, err := os.Create(log)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append([]string{"PATH=/usr/bin", "HOME=/"}, env...), out, out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.link(strconv.Itoa(cmd.Process.Pid))
	p.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// kill ends a process and waits until it is gone.
func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // the error is the signal
}

// awaitPort waits until something listens.
func awaitPort(t *testing.T, address, log string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s: %s", address, read(t, log))
}

// freePorts gives ports that nobody listened on a moment ago, from below those
// that Linux gives to outgoing connections.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for try := 0; len(ports) < n; try++ {
		port := strconv.Itoa(15000 + rand.IntN(15000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil && try < 1000 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, port)
	}
	return ports
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
