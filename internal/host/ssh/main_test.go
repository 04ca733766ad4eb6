package ssh

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/host/hosttest"
	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

// TestMain makes the test binary the salvor that is placed on the machines.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "host" {
		if err := hosttest.Command().Main(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// this is read and compressed once for all tests.
var this = ThisBinary()

// to gives the options that reach a server.
func to(s *sshtest.Server, stateDir string) Options {
	return Options{
		Name: "cp-1", Address: Address{User: s.User, Host: s.Host, Port: s.Port},
		Identities: []string{s.Identity}, KnownHosts: []string{s.KnownHosts},
		StateDir: stateDir, Binary: this, Limits: Limits{Connect: 5 * time.Second},
	}
}

// machine makes a transport that is closed at the test's end.
func machine(t *testing.T, o Options) *Transport {
	t.Helper()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// dial connects to a machine's salvor.
func dial(t *testing.T, m *Transport, dir string) *host.Client {
	t.Helper()
	c, err := host.Dial(t.Context(), m, host.DialOptions{Version: hosttest.Version, StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestConformance runs the suite over one connection, which carries the
// sessions of all its tests.
func TestConformance(t *testing.T) {
	s := sshtest.Start(t)
	o := to(s, t.TempDir())
	o.Limits.Linger = time.Minute
	m := machine(t, o)
	dial(t, m, t.TempDir())
	hosttest.Run(t, func(*testing.T) host.Transport { return m })
	if n := m.Stats().Connections; n != 1 {
		t.Errorf("%d connections, want one for all sessions", n)
	}
}
