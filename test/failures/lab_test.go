// Package failures breaks real etcds of the newest version in the ways of
// docs/FAILURES.md and wants Salvor to name each.
package failures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/etcd"
	"github.com/salvor-project/salvor/internal/observe"
	"github.com/salvor-project/salvor/test/captured"
	"github.com/salvor-project/salvor/test/etcds"
	"github.com/salvor-project/salvor/test/ports"
)

// lab is three etcd members on loopback, without TLS.
type lab struct {
	t   *testing.T
	dir string
	cfg cluster.Config
	run map[string]*exec.Cmd
	// cause is the root cause that is wanted where it is not the class itself,
	// variant tells the fixture from others of that class, and also are classes
	// that are wanted beside it. All hold once.
	cause   *diagnose.Code
	variant string
	also    []diagnose.Code
	// behind are the addresses at which members listen for their peers where
	// that is not what they are known by, and down the hosts that cannot be
	// reached.
	behind map[string]string
	down   map[string]error
	// words are what else of this machine stands in the facts, and what stands
	// for it in fixtures.
	words map[string]string
}

// under names the root cause of what is shown next; none where that is too mild
// to be one.
func (l *lab) under(cause diagnose.Code) *lab { l.cause = &cause; return l }

// as names the fixture of what is shown next.
func (l *lab) as(variant string) *lab { l.variant = variant; return l }

// with names further classes that are wanted of what is shown next.
func (l *lab) with(also ...diagnose.Code) *lab { l.also = also; return l }

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), run: map[string]*exec.Cmd{}}
	program := etcds.Path(t, etcds.V3_7)
	l.cfg.Cluster = "failures"
	for i, n := range []string{"m1", "m2", "m3"} {
		m := cluster.Member{Name: n, Host: n, DataDir: filepath.Join(l.dir, n), ClientURLs: []string{"http://127.0.0.1:" + strconv.Itoa(ports.Free(t))}, PeerURLs: []string{"http://127.0.0.1:" + strconv.Itoa(ports.Free(t))},
			Run: cluster.Supervisor{Process: &cluster.Process{Command: []string{program}, Log: filepath.Join(l.dir, n+".log")}}}
		m.Run.Process.Command = append(m.Run.Process.Command, "--name="+n, "--data-dir="+m.DataDir)
		l.cfg.Hosts = append(l.cfg.Hosts, cluster.Host{Name: n, Via: cluster.ViaChild, StateDir: filepath.Join(l.dir, "state", fmt.Sprint(i))})
		l.cfg.Members = append(l.cfg.Members, m)
	}
	t.Cleanup(func() {
		for n := range l.run {
			l.kill(n)
		}
	})
	return l
}

func (l *lab) member(n string) cluster.Member {
	m, _ := l.cfg.Member(n)
	return m
}

// start runs a member; flags come after, and in place of, its own.
func (l *lab) start(n string, flags ...string) {
	l.t.Helper()
	l.begin(n, exec.Command(l.member(n).Run.Process.Command[0], l.flags(n, flags...)...))
}

// flags are a member's own, and others after them.
func (l *lab) flags(n string, more ...string) []string {
	m := l.member(n)
	peers := m.PeerURLs[0]
	if at := l.behind[n]; at != "" {
		peers = at
	}
	own := []string{"--name=" + n, "--data-dir=" + m.DataDir, "--listen-client-urls=" + m.ClientURLs[0], "--advertise-client-urls=" + m.ClientURLs[0],
		"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + m.PeerURLs[0], "--initial-cluster=" + cluster.InitialCluster(l.cfg.Members),
		"--initial-cluster-token=failures", "--heartbeat-interval=50", "--election-timeout=500", "--logger=zap", "--log-outputs=stderr"}
	return append(own, more...)
}

// begin runs a command as a member, with the member's log.
func (l *lab) begin(n string, cmd *exec.Cmd) {
	l.t.Helper()
	log, err := os.OpenFile(l.member(n).Run.Process.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	l.must(err)
	cmd.Stdout, cmd.Stderr = log, log
	l.must(cmd.Start())
	_ = log.Close()
	l.run[n] = cmd
}

// kill ends a member as a power cut does.
func (l *lab) kill(names ...string) {
	for _, n := range names {
		if c := l.run[n]; c != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
			delete(l.run, n)
		}
	}
}

// ended waits until a member has ended by itself.
func (l *lab) ended(n string) {
	l.t.Helper()
	if !l.ends(n, 30*time.Second) {
		l.t.Fatalf("%s still runs", n)
	}
}

// ends tells whether a member ends by itself within a time.
func (l *lab) ends(n string, within time.Duration) bool {
	done := make(chan struct{})
	c := l.run[n]
	go func() { _ = c.Wait(); close(done) }()
	select {
	case <-done:
		delete(l.run, n)
		return true
	case <-time.After(within):
		_ = c.Process.Kill()
		<-done
		delete(l.run, n)
		return false
	}
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// up starts all members and waits until a write succeeds.
func (l *lab) up(flags ...string) *lab {
	l.t.Helper()
	for _, m := range l.cfg.Members {
		l.start(m.Name, flags...)
	}
	l.await("m1")
	return l
}

// ctl runs etcdctl against a member.
func (l *lab) ctl(n string, args ...string) (string, error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, etcds.Program(l.t, etcds.V3_7, "etcdctl"), append([]string{"--endpoints=" + l.member(n).ClientURLs[0], "--command-timeout=3s"}, args...)...).CombinedOutput()
	return string(out), err
}

// await waits until a member takes writes.
func (l *lab) await(n string) {
	l.t.Helper()
	var out string
	var err error
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if out, err = l.ctl(n, "put", "k", "v"); err == nil {
			return
		}
	}
	l.t.Fatalf("%s takes no writes: %v %s", n, err, out)
}

func (l *lab) put(n string, count int) {
	l.t.Helper()
	for i := range count {
		if out, err := l.ctl(n, "put", fmt.Sprintf("key-%d", i), strings.Repeat("x", 200)); err != nil {
			l.t.Fatalf("%v: %s", err, out)
		}
	}
}

// asker asks a host that is this machine.
type asker struct{ host string }

// Reach finds this machine at once.
func (asker) Reach(context.Context) error { return nil }

func (a asker) Observe(ctx context.Context, cfg cluster.Config) (cluster.HostFacts, error) {
	return observe.Host(ctx, cfg, a.host, "test"), nil
}

func (a asker) Changes(ctx context.Context, cfg cluster.Config, since []int64) (map[string][]cluster.Changes, error) {
	return observe.Changes(ctx, cfg, a.host, since), nil
}

func (a asker) HashAt(ctx context.Context, cfg cluster.Config, member string, revision int64) (cluster.HashKV, error) {
	m, ok := cfg.Member(member)
	if !ok {
		return cluster.HashKV{}, errors.New("no such member")
	}
	c, err := etcd.Dial(ctx, m.ClientURLs, cfg.Client)
	if err != nil {
		return cluster.HashKV{}, err
	}
	defer c.Close()
	return c.HashKV(ctx, revision)
}

// facts looks at everything.
func (l *lab) facts() cluster.Facts {
	var hosts []observe.Reached
	for _, h := range l.cfg.Hosts {
		if err := l.down[h.Name]; err != nil {
			hosts = append(hosts, observe.Reached{Host: h, Err: err})
			continue
		}
		hosts = append(hosts, observe.Reached{Host: h, Asker: asker{h.Name}})
	}
	return observe.Gather(context.Background(), l.cfg, hosts, time.Now(), 30*time.Second, observe.HashAll)
}

func (l *lab) diagnose() diagnose.Diagnosis { return diagnose.Diagnose(l.facts()) }

// keep makes a fixture of facts.
func (l *lab) keep(code, cause diagnose.Code, f cluster.Facts) {
	l.t.Helper()
	names := map[string]string{l.dir: "/srv"}
	maps.Copy(names, l.words)
	for _, m := range l.cfg.Members {
		names[filepath.Dir(m.Run.Process.Command[0])] = "/usr/local/bin"
	}
	captured.Keep(l.t, captured.Fixture{Code: code, Cause: cause, Also: l.also, Facts: f}, captured.Where{Variant: l.variant, Redact: observe.Redact, Names: names})
}

// shows wants a class among the findings, with evidence, as the root cause, and
// a restore never allowed while the data is there.
func (l *lab) shows(want diagnose.Code, not ...diagnose.Code) diagnose.Diagnosis {
	l.t.Helper()
	cause := want
	if l.cause != nil {
		cause = *l.cause
	}
	facts := l.facts()
	d := diagnose.Diagnose(facts)
	got := map[diagnose.Code]bool{}
	var codes []string
	for _, f := range d.Findings {
		codes = append(codes, fmt.Sprintf("%s of %s %v", f.Code, f.Subject, f.CausedBy))
		got[f.Code] = len(f.Evidence) > 0
		for _, n := range not {
			if f.Code == n {
				l.t.Errorf("%s is found too: %v", n, f.Evidence)
			}
		}
	}
	for _, c := range append([]diagnose.Code{want}, l.also...) {
		if !got[c] {
			l.t.Errorf("%s is not found: %s %s %v", c, d.Scenario, d.Level, codes)
		}
	}
	if is := causeOf(d); is != cause {
		l.t.Errorf("the root cause of %s is %q, not %q: %s", want, is, cause, strings.Join(codes, ", "))
	}
	for _, a := range d.Allowed {
		if a.Action == diagnose.ActRestore && d.Level.Data == diagnose.D0 {
			l.t.Errorf("a restore is allowed although the data is intact")
		}
	}
	l.keep(want, cause, facts)
	l.cause, l.variant, l.also = nil, "", nil
	return d
}

func causeOf(d diagnose.Diagnosis) diagnose.Code {
	if d.Cause == nil {
		return ""
	}
	return d.Cause.Code
}

// grave are the findings that are more than information: a busy machine makes
// heartbeats late.
func grave(d diagnose.Diagnosis) []diagnose.Finding {
	var out []diagnose.Finding
	for _, f := range d.Findings {
		if f.Severity != diagnose.Info {
			out = append(out, f)
		}
	}
	return out
}

// copyOf copies a folder.
func copyOf(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, rel))
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func codesOf(d diagnose.Diagnosis) []diagnose.Code {
	var out []diagnose.Code
	for _, f := range d.Findings {
		out = append(out, f.Code)
	}
	return out
}
