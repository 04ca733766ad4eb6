package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/config"
	"github.com/salvor-project/salvor/internal/demo"
)

// stages are where scenes are played, two at a time. Each has a filled cluster
// of its own, made when it is first asked for, of which every scene is a copy:
// copies have the same ports.
var stages = func() chan *testStage {
	all := make(chan *testStage, 2)
	for range cap(all) {
		all <- &testStage{}
	}
	return all
}()

type testStage struct {
	dir      string
	template *demo.Template
}

// takeStage waits for a stage, and gives it back when the test has ended.
func takeStage(t *testing.T) *demo.Template {
	t.Helper()
	x := <-stages
	t.Cleanup(func() { stages <- x })
	if x.template != nil {
		return x.template
	}
	var err error
	x.dir, err = os.MkdirTemp("", "salvor-test-")
	check(t, err)
	self, err := os.Executable()
	check(t, err)
	x.template, err = demo.NewTemplate(context.Background(), filepath.Join(x.dir, "template"), []string{self, "demo-member"}, 200, 800)
	check(t, err)
	return x.template
}

func removeStages() {
	for range cap(stages) {
		x := <-stages
		_ = os.RemoveAll(x.dir)
	}
}

// scene is one wrecked cluster with a writer that goes on trying.
type scene struct {
	t       *testing.T
	wreck   string
	dir     string
	cluster *demo.Cluster
	writer  *demo.Writer
	after   demo.Aftermath
	// id is the cluster's identity before the wreck.
	id uint64
	// lock is a host's lock that the test itself holds.
	lock *os.File
}

// newScene copies a template, lets a writer write and wrecks the copy. A wreck
// that did not succeed, because an election came in between, is made anew.
func newScene(t *testing.T, wreck string) *scene {
	t.Helper()
	t.Parallel()
	template := takeStage(t)
	w, err := demo.FindWreck(wreck)
	check(t, err)
	for try := 0; ; try++ {
		s := &scene{t: t, wreck: wreck, dir: t.TempDir()}
		err := s.play(template, w)
		if err == nil {
			t.Cleanup(s.clear)
			return s
		}
		s.clear()
		if try == 2 {
			t.Fatal(err)
		}
		t.Logf("once more: %v", err)
	}
}

func (s *scene) clear() {
	if s.writer != nil {
		_ = s.writer.Stop()
	}
	if s.cluster != nil {
		_ = errors.Join(s.cluster.KillAll(), s.cluster.Close())
	}
}

func (s *scene) play(template *demo.Template, w demo.Wreck) error {
	var err error
	if s.cluster, err = template.Copy(s.path("demo")); err != nil {
		return err
	}
	if w.Tune != nil {
		if err := w.Tune(s.cluster); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := s.cluster.Start(ctx); err != nil {
		return err
	}
	s.id, _ = s.members(ctx)
	if s.writer, err = s.cluster.StartWriter(ctx); err != nil {
		return err
	}
	if err := s.writer.WaitAcked(ctx, 40); err != nil {
		return err
	}
	if s.after, err = w.Do(ctx, s.cluster, s.writer); err != nil {
		return err
	}
	_, err = config.Save(s.path("salvor.yaml"), s.cluster.Config(), config.SaveOptions{})
	return err
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *scene) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// members asks the living cluster who it is and who is in it; a learner has a
// question mark.
func (s *scene) members(ctx context.Context) (id uint64, names []string) {
	s.t.Helper()
	client, err := s.cluster.Client()
	check(s.t, err)
	defer client.Close()
	list, err := client.MemberList(ctx)
	check(s.t, err)
	for _, m := range list.Members {
		name := m.Name
		if m.IsLearner {
			name += "?"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return list.Header.ClusterId, names
}

// ended is how a salvor process ended.
type ended struct {
	code     int
	killed   bool
	out, err string
}

// start starts salvor with orders; the function that it gives waits for it.
func (s *scene) start(o orders, args ...string) (*os.Process, func() ended) {
	s.t.Helper()
	self, err := os.Executable()
	check(s.t, err)
	text, err := json.Marshal(o)
	check(s.t, err)
	args = append(args, "--config", s.path("salvor.yaml"), "--cases", s.path("cases"))
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), ordersEnv+"="+string(text))
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	cmd.WaitDelay = time.Second
	check(s.t, cmd.Start())
	deadline := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	return cmd.Process, func() ended {
		err := cmd.Wait()
		deadline.Stop()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Fatal(err)
		}
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		return ended{code: cmd.ProcessState.ExitCode(), out: out.String(), err: stderr.String(),
			killed: status.Signaled() && status.Signal() == syscall.SIGKILL}
	}
}

// paused starts salvor and returns when it waits where it was ordered to.
func (s *scene) paused(o orders, args ...string) (*os.Process, func() ended) {
	s.t.Helper()
	p, wait := s.start(o, args...)
	ends := make(chan ended, 1)
	go func() { ends <- wait() }()
	for end := time.Now().Add(30 * time.Second); !exists(o.Waiting) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case e := <-ends:
			s.t.Fatalf("it ended with %d before it came to %s\n%s\n%s", e.code, o.WaitAt, e.out, e.err)
		default:
		}
	}
	if !exists(o.Waiting) {
		_ = p.Kill()
		e := <-ends
		s.t.Fatalf("it did not come to %s\n%s\n%s", o.WaitAt, e.out, e.err)
	}
	return p, func() ended { return <-ends }
}

// salvor runs one command line to its end.
func (s *scene) salvor(o orders, args ...string) ended {
	s.t.Helper()
	_, wait := s.start(o, args...)
	return wait()
}

// must runs one command line that has to end with a code.
func (s *scene) must(code int, args ...string) ended {
	s.t.Helper()
	e := s.salvor(orders{}, args...)
	e.must(s.t, code)
	return e
}

func (e ended) must(t *testing.T, code int) {
	t.Helper()
	if e.code != code {
		t.Fatalf("exit code %d (killed: %v), want %d\n%s\n%s", e.code, e.killed, code, e.out, e.err)
	}
}

func (e ended) says(t *testing.T, what ...string) {
	t.Helper()
	for _, w := range what {
		if !strings.Contains(e.err, w) {
			t.Errorf("standard error does not say %q:\n%s", w, e.err)
		}
	}
}

// recovery is the command line that recovers this scene.
func (s *scene) recovery() []string {
	if s.after.Newer > 0 {
		return []string{"recover", "--accept-loss", fmt.Sprint(s.after.Newer)}
	}
	return []string{"recover", "--yes"}
}

// folder is the newest case.
func (s *scene) folder() casefile.Folder {
	s.t.Helper()
	entries, err := os.ReadDir(s.path("cases"))
	check(s.t, err)
	var newest string
	var at time.Time
	for _, e := range entries {
		info, err := os.Stat(s.path("cases", e.Name(), casefile.FactsFile))
		if err == nil && info.ModTime().After(at) {
			newest, at = e.Name(), info.ModTime()
		}
	}
	if newest == "" {
		s.t.Fatal("there is no case")
	}
	return casefile.Folder{Dir: s.path("cases", newest)}
}

func (s *scene) load() casefile.Case {
	s.t.Helper()
	c, err := s.folder().Load()
	check(s.t, err)
	if c.Plan == nil {
		s.t.Fatalf("case %s has no plan", c.Name)
	}
	return c
}
