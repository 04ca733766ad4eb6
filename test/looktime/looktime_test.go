// Package looktime measures how long a full diagnosis takes: five machines, of
// which one refuses connections and one accepts them and says nothing, and three
// with a data dir of gigabytes each.
//
//	make bench-diagnose
//
// All machines are this one, over sshd processes of their own: three real
// machines have three times its processors and disks.
package looktime

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/salvor-project/salvor/internal/host/ssh/sshtest"
)

// The goals of a full diagnosis.
const (
	goalCold = 10 * time.Second
	goalWarm = 3 * time.Second
)

// memoryBound is what a diagnosis may have of a machine's memory, in bytes.
const memoryBound = 256 << 20

// stage is the machines and their configuration.
type stage struct {
	t      testing.TB
	dir    string
	salvor string
	db     string
	// places are where the machines have their programs.
	places []string
}

// subjects is the folder with the big snapshot, made by go run
// ./internal/datadir/bench; the test works beside it, on the same disk.
func subjects(t testing.TB) string {
	dir := os.Getenv("SALVOR_BENCH")
	if dir == "" {
		t.Skip("set SALVOR_BENCH to the folder of the benchmarks' subjects")
	}
	return dir
}

// TestDiagnosisInTime holds a diagnosis to its goals, cold and warm, at rest and
// with the snapshot beside it that could be restored.
func TestDiagnosisInTime(t *testing.T) {
	cache := subjects(t)
	work := filepath.Join(cache, "looktime")
	s := &stage{t: t, dir: work, salvor: filepath.Join(t.TempDir(), "salvor")}
	s.run("go", "build", "-o", s.salvor, "github.com/salvor-project/salvor/cmd/salvor")
	s.restore(filepath.Join(cache, "live.db"))
	for _, c := range []struct {
		name, snapshot string
		alive          int
	}{{"one machine", "", 1}, {"three machines", "", 3}, {"three machines and a snapshot", filepath.Join(cache, "live.db"), 3}} {
		config := s.configure(c.alive, c.snapshot)
		s.diagnose(config) // places the programs
		for _, mode := range []struct {
			name string
			goal time.Duration
		}{{"cold", goalCold}, {"warm", goalWarm}, {"warm", goalWarm}} {
			if mode.name == "cold" {
				s.forget(c.snapshot)
			}
			load := loadAverage()
			spending := count(s.places)
			took, d := s.diagnose(config)
			spent, anonymous := spending.end()
			t.Logf("%s, %s: %.1f s (goal %s), load before %s; %.1f s of processor time on each machine, at most %d MiB; %s, %d facts not read", c.name, mode.name, took.Seconds(), mode.goal, load,
				spent.Seconds()/float64(c.alive), anonymous>>20, d.Scenario, len(d.Unjudged))
			if anonymous > memoryBound {
				t.Errorf("%s, %s: %d MiB, more than %d", c.name, mode.name, anonymous>>20, memoryBound>>20)
			}
			for _, u := range d.Unjudged {
				if strings.Contains(u.Why, "time") {
					t.Errorf("%s, %s: no time was left for %s of %s: %s", c.name, mode.name, u.Fact, u.Subject, u.Why)
				}
			}
			if took > mode.goal {
				t.Errorf("%s, %s: %.1f s, more than %s", c.name, mode.name, took.Seconds(), mode.goal)
			}
		}
	}
}

func (s *stage) run(name string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func member(i int) string { return fmt.Sprintf("m%d", i) }

// restore makes five members of one cluster from a snapshot. Their logs are
// their own; their dbs, which are the same but for the machine they lie on, are
// one file under several names.
func (s *stage) restore(snapshot string) {
	s.t.Helper()
	var initial []string
	for i := 1; i <= 5; i++ {
		initial = append(initial, fmt.Sprintf("%s=http://127.9.8.7:%d", member(i), 23800+i))
	}
	for i := 1; i <= 3; i++ {
		dir := filepath.Join(s.dir, member(i))
		if _, err := os.Stat(dir); err == nil {
			s.db = filepath.Join(s.dir, member(1), "member", "snap", "db")
			continue
		}
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.run(s.salvor, "snapshot", "restore", snapshot, "--data-dir", dir, "--name", member(i), "--initial-cluster", strings.Join(initial, ","),
			"--initial-cluster-token", "looktime", "--initial-advertise-peer-urls", fmt.Sprintf("http://127.9.8.7:%d", 23800+i))
		db := filepath.Join(dir, "member", "snap", "db")
		if i == 1 {
			s.db = db
			continue
		}
		if err := os.Remove(db); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Link(s.db, db); err != nil {
			s.t.Fatal(err)
		}
	}
}

// configure writes a salvor.yaml of five machines, some of them alive.
func (s *stage) configure(alive int, snapshot string) string {
	s.t.Helper()
	var b strings.Builder
	b.WriteString("cluster: looktime\nhosts:\n")
	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		s.t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	_ = closed.Close()
	s.t.Cleanup(func() { _ = hang.Close() })
	go func() {
		var held []net.Conn // one that nobody holds is closed by the collector
		for {
			conn, err := hang.Accept()
			if err != nil {
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
			held = append(held, conn)
		}
	}()
	first := sshtest.Start(s.t)
	n := 0
	for i := 1; i <= 5; i++ {
		server, address := first, ""
		switch {
		case i == 4, i <= 3 && i > alive:
			address = "root@" + closed.Addr().String()
		case i == 5:
			address = "root@" + hang.Addr().String()
		default:
			if n++; n > 1 {
				server = sshtest.Start(s.t)
			}
			address = fmt.Sprintf("%s@%s:%d", server.User, server.Host, server.Port)
		}
		s.places = append(s.places, server.Dir)
		fmt.Fprintf(&b, "- {name: h%d, via: ssh, address: %q, identities: [%q], knownHosts: %q, stateDir: %q}\n", i, address, server.Identity, server.KnownHosts, filepath.Join(server.Dir, fmt.Sprintf("state%d", i)))
	}
	b.WriteString("members:\n")
	for i := 1; i <= 5; i++ {
		dir := filepath.Join(s.dir, member(i))
		fmt.Fprintf(&b, "- {name: %s, host: h%d, dataDir: %q, clientURLs: [http://127.9.8.7:%d], peerURLs: [http://127.9.8.7:%d], run: {process: {command: [/usr/bin/etcd]}}}\n", member(i), i, dir, 23790+i, 23800+i)
	}
	if snapshot != "" {
		fmt.Fprintf(&b, "snapshots:\n- {host: h1, path: %q}\n", snapshot)
	}
	path := filepath.Join(s.t.TempDir(), "salvor.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// answered is what of a diagnosis is looked at.
type answered struct {
	Scenario string `json:"scenario"`
	Unjudged []struct{ Fact, Subject, Why string }
}

// diagnose runs the program as an operator does.
func (s *stage) diagnose(config string) (time.Duration, answered) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.salvor, "--config", config, "diagnose", "-o", "json")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	var d answered
	if jerr := json.Unmarshal(out, &d); jerr != nil {
		s.t.Fatalf("diagnose: %v, %v: %s%s", err, jerr, out, stderr.String())
	}
	return took, d
}

// forget takes the files out of the page cache, and only them.
func (s *stage) forget(snapshot string) {
	s.t.Helper()
	drop := func(path string) {
		f, err := os.Open(path)
		if err != nil {
			s.t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			s.t.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			s.t.Fatal(err)
		}
	}
	if snapshot != "" {
		drop(snapshot)
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			drop(path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
