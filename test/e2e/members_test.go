package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/etcd"
)

// start runs members, as an init system would.
func (l *lab) start(names ...string) {
	l.t.Helper()
	for _, name := range names {
		n := l.node(name)
		log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		must(l.t, err)
		line := l.command(n)
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		must(l.t, cmd.Start())
		_ = log.Close()
		go func() { _ = cmd.Wait() }()
	}
}

// pids finds the processes of a member, whoever started them, by the
// configuration file on their command line.
func (l *lab) pids(name string) []int {
	l.t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(l.t, err)
	var out []int
	for _, path := range lines {
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), "demo-member\x00--config-file\x00"+l.node(name).file+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		must(l.t, err)
		out = append(out, pid)
	}
	return out
}

// kill ends members with SIGKILL and waits until they are gone.
func (l *lab) kill(names ...string) {
	l.t.Helper()
	for _, name := range names {
		for _, pid := range l.pids(name) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for _, name := range names {
		for end := time.Now().Add(10 * time.Second); len(l.pids(name)) > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				l.t.Fatalf("%s does not end", name)
			}
		}
	}
}

// dial connects to the port on which a member listens.
func (l *lab) dial(name string) *etcd.Client {
	l.t.Helper()
	n := l.node(name)
	url := n.clientURL()
	if n.quiet {
		url = local(n.listen[0])
	}
	c, err := etcd.Dial(l.t.Context(), []string{url}, l.client())
	must(l.t, err)
	l.t.Cleanup(func() { _ = c.Close() })
	return c
}

// ready waits until every named member reads through a quorum.
func (l *lab) ready(names ...string) {
	l.t.Helper()
	for _, name := range names {
		c := l.dial(name)
		why := ""
		l.eventually(30*time.Second, func() bool {
			ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Second)
			defer cancel()
			k := c.Linearizable(ctx)
			why = k.Why
			return k.OK && k.Value
		}, func() string { return name + " is not ready: " + why + "\n" + l.tail(name) })
	}
}

func (l *lab) eventually(d time.Duration, ok func() bool, why func() string) {
	l.t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatal(why())
		}
	}
}

func (l *lab) tail(name string) string {
	b, _ := os.ReadFile(l.node(name).log)
	return string(b[max(0, len(b)-2000):])
}

// put writes keys through a member and gives the revision after them.
func (l *lab) put(name, prefix string, n int) int64 {
	l.t.Helper()
	c := l.dial(name)
	ctx := within(l.t, 30*time.Second)
	rev := int64(0)
	for i := range n {
		r, err := c.PutSeen(ctx, fmt.Sprintf("/registry/configmaps/default/%s-%03d", prefix, i), prefix, time.Hour)
		must(l.t, err)
		rev = r
	}
	return rev
}

func (l *lab) has(name, prefix string, i int) bool {
	l.t.Helper()
	_, found, err := l.dial(name).Read(within(l.t, 10*time.Second), fmt.Sprintf("/registry/configmaps/default/%s-%03d", prefix, i))
	must(l.t, err)
	return found
}

func (l *lab) status(name string) cluster.LiveMember {
	l.t.Helper()
	s, err := l.dial(name).Status(within(l.t, 10*time.Second))
	if err != nil {
		l.t.Fatalf("ask %s: %v\n%s", name, err, l.tail(name))
	}
	return s
}

// leader waits until all named members agree on a leader.
func (l *lab) leader(names ...string) cluster.ID {
	l.t.Helper()
	var id cluster.ID
	l.eventually(20*time.Second, func() bool {
		id = l.status(names[0]).Leader
		for _, n := range names {
			if s := l.status(n); s.Leader != id {
				return false
			}
		}
		return id != 0
	}, func() string { return "no common leader" })
	return id
}

// severalElections is long enough for a member to be elected if it can be.
const severalElections = 5 * election

func skipUnlessRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: file systems are mounted")
	}
}
