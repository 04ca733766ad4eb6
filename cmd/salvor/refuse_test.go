package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/plan"
)

// hosts is the state of all machines: data dirs, state folders, snapshots.
func (s *scene) hosts() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, root := range []string{"hosts", "snapshots"} {
		for path, sum := range tree(s.t, s.path("demo", root)) {
			if !strings.HasSuffix(path, "/member.log") {
				out[root+"/"+path] = sum
			}
		}
	}
	return out
}

// TestRefusals asks for what must not be done, and looks whether it was.
func TestRefusals(t *testing.T) {
	s := newScene(t, "all-lost")
	before := s.hosts()
	unchanged := func(what string) {
		t.Helper()
		after := s.hosts()
		for path := range after {
			// Even a host that is only asked gets a state folder, with the lock
			// that was held while it was asked.
			switch {
			case strings.HasSuffix(path, "/state/lock"):
				delete(after, path)
			case strings.HasSuffix(path, "/state"):
				after[path] = before[path]
			}
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s changed the hosts (-before +after):\n%s", what, diff)
		}
	}
	loss := s.after.Newer
	if loss < 2 {
		t.Fatalf("the wreck lost only %d writes", loss)
	}
	e := s.must(codeStopped, "recover")
	e.says(t, fmt.Sprintf("--accept-loss %d", loss))
	unchanged("recover without a flag or a terminal")
	s.must(codeStopped, "recover", "--yes").says(t, fmt.Sprintf("--accept-loss %d", loss))
	unchanged("recover --yes of a plan that loses something")
	s.must(codeStopped, "recover", "--accept-loss", strconv.Itoa(loss-1)).says(t, fmt.Sprintf("--accept-loss %d", loss))
	unchanged("recover with too small a loss")
	s.must(codeUsage, "recover", "--accept-loss", "-1")

	s.must(codeStopped, "apply", s.planned(), "--yes")
	s.must(codeError, "resume", s.folder().Name()).says(t, "was never agreed to")
	unchanged("apply --yes and resume of a plan that nobody agreed to")

	s.edited(unchanged)

	name := s.planned()
	check(t, os.Rename(s.after.Snapshot, s.path("elsewhere")))
	s.must(codeStale, "apply", name, "--accept-loss", "unknown").says(t, "the plan is stale")
	if c := s.load(); begun(c.Journal) {
		t.Errorf("a stale plan was begun: %+v", c.Journal)
	}
}

// planned makes a plan and gives its case.
func (s *scene) planned() string {
	s.t.Helper()
	s.must(codeOK, "plan")
	return s.folder().Name()
}

// edited changes one byte of a reviewed plan at a time.
func (s *scene) edited(unchanged func(string)) {
	s.t.Helper()
	name := s.planned()
	path := s.folder().Path(casefile.PlanFile)
	good, err := os.ReadFile(path)
	check(s.t, err)
	for _, edit := range [][2]string{
		{`"bump": 1000000000`, `"bump": 2000000000`},
		{s.cluster.DataDir("m1") + `",`, s.cluster.DataDir("m2") + `",`},
		{`"needs"`, `"wants"`},
		{fmt.Sprintf(`"value": %d`, s.after.Newer), `"value": 0`},
	} {
		bad := bytes.Replace(good, []byte(edit[0]), []byte(edit[1]), 1)
		if bytes.Equal(bad, good) {
			s.t.Errorf("the plan does not hold %s", edit[0])
		}
		check(s.t, os.WriteFile(path, bad, 0o600))
		s.must(codeError, "apply", name, "--accept-loss", "unknown").says(s.t, "was changed after it was made")
		unchanged("apply of an edited plan")
	}
}

// TestSecondRun starts a recovery beside one that runs, interrupts the first,
// and resumes it.
func TestSecondRun(t *testing.T) {
	s := newScene(t, "majority-lost")
	o := orders{WaitAt: string(plan.KindSalvage), Waiting: s.path("waiting")}
	first, wait := s.paused(o, s.recovery()...)
	name := s.folder().Name()
	e := s.must(codeLocked, s.recovery()...)
	e.says(t, "locked by another run", fmt.Sprintf("process %d", first.Pid), name)
	if c := s.load(); c.Name != name {
		t.Errorf("the refused run has made a case of its own: %s", c.Name)
	}
	was := s.originals(s.load())

	check(t, first.Signal(os.Interrupt))
	time.Sleep(50 * time.Millisecond) // until the signal is in the context
	check(t, os.Remove(o.Waiting))
	e = wait()
	e.must(t, codeCancelled)
	e.says(t, "salvor resume "+s.folder().Dir)
	s.free()
	s.held("another case")
	s.must(codeLocked, "resume", name)
	// What is left of the interrupted run itself is waited for.
	release := s.held(name)
	time.AfterFunc(700*time.Millisecond, release)
	s.must(codeOK, "resume", name)
	s.recovered(was)
}

// held takes a host's lock for a case, as a host side does, until it is
// released or taken anew.
func (s *scene) held(caseName string) (release func()) {
	s.t.Helper()
	path := filepath.Join(filepath.Dir(s.cluster.DataDir("m1")), "state", "lock")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(s.t, err)
	text, err := json.Marshal(host.NewOwner(caseName))
	check(s.t, err)
	if s.lock != nil {
		check(s.t, s.lock.Close())
	}
	s.lock = f
	check(s.t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	check(s.t, f.Truncate(0))
	_, err = f.WriteAt(text, 0)
	check(s.t, err)
	return func() { _ = f.Close() }
}

// TestInterrupt interrupts a run, as Ctrl-C does, in the middle of an action.
func TestInterrupt(t *testing.T) {
	s := newScene(t, "stopped")
	p, wait := s.start(orders{}, s.recovery()...)
	for end := time.Now().Add(20 * time.Second); !s.starts(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no member is started")
		}
	}
	check(t, p.Signal(syscall.SIGINT))
	e := wait()
	e.must(t, codeCancelled)
	e.says(t, "nothing is lost", "salvor resume "+s.folder().Dir)
	s.free()
	// The case folder is gone too: the hosts' mirrors know which case it was.
	check(t, os.Rename(s.folder().Dir, s.path("gone")))
	s.must(codeError, "resume", "20200101-000000-demo-none").says(t, "no interrupted case is known")
	if e := s.must(codeOK, "cases"); !strings.Contains(e.out, "interrupted") || !strings.Contains(e.out, "mirror on ") {
		t.Errorf("cases says:\n%s", e.out)
	}
	s.must(codeOK, "resume").says(t, "taken from the mirror on ")
	s.recovered(nil)
	s.must(codeError, "resume").says(t, "no interrupted case is known")
}

// starts tells whether the run has begun to start a member.
func (s *scene) starts() bool {
	entries, err := os.ReadDir(s.path("cases"))
	if err != nil {
		return false
	}
	for _, e := range entries {
		b, _ := os.ReadFile(s.path("cases", e.Name(), casefile.JournalFile))
		if bytes.Contains(b, []byte(`"event":"started","step":"start-member@`)) {
			return true
		}
	}
	return false
}
