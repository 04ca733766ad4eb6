package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/demo"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestOneMemberDoesNotStart: something holds a rebuilt member's port. The
// others serve nevertheless, the verdict says what is missing, and a resume
// brings it back when the cause is gone.
func TestOneMemberDoesNotStart(t *testing.T) {
	s := newScene(t, "majority-lost")
	o := orders{WaitAt: string(plan.KindStartMember), Waiting: s.path("waiting")}
	_, wait := s.paused(o, s.recovery()...)
	squatter := s.squat("m2")
	check(t, os.Remove(o.Waiting))
	wait().must(t, codeVerdict)
	s.serves("m1", "m3")
	s.unproven("members", "steps")
	if id := plan.StepID("start-member@m2"); s.last(id) != casefile.EventFailed || s.last("start-member@m3") != casefile.EventDone {
		t.Errorf("the journal ends %s with %q", id, s.last(id))
	}

	check(t, squatter.Close())
	s.must(codeOK, "resume", s.folder().Name())
	s.serves("m1", "m2", "m3")
	s.proven(s.load())
}

// TestTooFewMembersStart: without a quorum the run stops for the operator.
func TestTooFewMembersStart(t *testing.T) {
	s := newScene(t, "majority-lost")
	o := orders{WaitAt: string(plan.KindStartMember), Waiting: s.path("waiting")}
	_, wait := s.paused(o, s.recovery()...)
	for _, name := range []string{"m2", "m3"} {
		defer s.squat(name).Close()
	}
	check(t, os.Remove(o.Waiting))
	e := wait()
	e.must(t, codeStopped)
	e.says(t, "start-member@m3", "resume")
}

// squat takes a member's port away.
func (s *scene) squat(name string) net.Listener {
	s.t.Helper()
	m, _ := s.cluster.Config().Member(name)
	u, err := url.Parse(m.PeerURLs[0])
	check(s.t, err)
	l, err := net.Listen("tcp", u.Host)
	check(s.t, err)
	return l
}

// serves demands that these members accept a write and find it, each.
func (s *scene) serves(names ...string) {
	s.t.Helper()
	for _, name := range names {
		client, err := s.cluster.Client(name)
		check(s.t, err)
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		if _, err := client.Put(ctx, "/test/through", name); err != nil {
			s.t.Errorf("%s takes no write: %v", name, err)
		}
		cancel()
		check(s.t, client.Close())
	}
}

// unproven demands that exactly these checks of the verdict have failed, among
// others that could not be made.
func (s *scene) unproven(names ...string) {
	s.t.Helper()
	c := s.load()
	var got []string
	if c.Verdict != nil {
		for _, x := range c.Verdict.Checks {
			if x.Result == casefile.Failed {
				got = append(got, x.Name)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(names, got); diff != "" {
		s.t.Errorf("checks that failed (-want +got):\n%s", diff)
	}
}

// last is a step's last event in the journal.
func (s *scene) last(id plan.StepID) casefile.Event {
	s.t.Helper()
	out := casefile.Event("")
	for _, e := range s.load().Journal {
		if e.Step == id {
			out = e.Event
		}
	}
	return out
}

// notes are the reasons of the steps that were skipped.
func (s *scene) notes() string {
	var out []string
	for _, e := range s.load().Journal {
		if e.Event == casefile.EventSkipped {
			out = append(out, string(e.Step)+": "+e.Note)
		}
	}
	return strings.Join(out, "\n")
}

// killedAt runs a recovery that is killed where a step of this kind begins.
func (s *scene) killedAt(kind plan.Kind) {
	s.t.Helper()
	o := orders{WaitAt: string(kind), Waiting: s.path("waiting")}
	p, wait := s.paused(o, s.recovery()...)
	check(s.t, p.Kill())
	wait()
	s.free()
}

// TestMachineDiesInTheMiddle: one machine is dead when the run is resumed. The
// others are brought back without it; when it returns, a resume completes it.
func TestMachineDiesInTheMiddle(t *testing.T) {
	for _, at := range []plan.Kind{plan.KindBuildMember, plan.KindPutInPlace, plan.KindStartMember} {
		t.Run(string(at), func(t *testing.T) {
			s := newScene(t, "majority-lost")
			s.killedAt(at)
			e := s.salvor(orders{Away: []string{"m3"}}, "resume", s.folder().Name())
			e.must(t, codeVerdict)
			e.says(t, "host away")
			s.serves("m1", "m2")
			s.unproven("members", "steps")
			if !strings.Contains(s.notes(), "start-member@m3: host away: ") {
				t.Errorf("the journal does not say what was left out:\n%s", s.notes())
			}
			if pids, err := s.cluster.PIDs("m3"); err != nil || len(pids) > 0 {
				t.Errorf("m3 runs: %v (%v)", pids, err)
			}
			s.must(codeOK, "resume", s.folder().Name())
			s.serves("m3")
			s.proven(s.load())
		})
	}
}

// TestTooManyMachinesDie: the run stops for the operator and names one; so does
// one whose source is on the machine that died.
func TestTooManyMachinesDie(t *testing.T) {
	s := newScene(t, "majority-lost")
	s.killedAt(plan.KindSalvage)
	e := s.salvor(orders{Away: []string{"m1"}}, "resume", s.folder().Name())
	e.must(t, codeStopped)
	e.says(t, "host away: m1", "cannot do without")
	e = s.salvor(orders{Away: []string{"m2", "m3"}}, "resume", s.folder().Name())
	e.must(t, codeStopped)
	e.says(t, "host away: m2", "no quorum", "resume")
	for _, name := range demo.Names() {
		if path := s.aside(s.load(), name); exists(path) || exists(path+".new") && name != "m1" {
			t.Errorf("%s was worked on", path)
		}
	}
}

// TestAFirstRunNeedsItsMachines: only a resume goes on without one.
func TestAFirstRunNeedsItsMachines(t *testing.T) {
	s := newScene(t, "majority-lost")
	s.must(codeStopped, "recover")
	e := s.salvor(orders{Away: []string{"m3"}}, "apply", s.folder().Name(), "--yes")
	if e.code == codeOK || e.code == codeVerdict {
		t.Errorf("it ended with %d\n%s", e.code, e.err)
	}
	if got := s.load().Journal; len(got) > 0 {
		t.Errorf("it did something: %+v", got)
	}
}

// TestRollbackGoesOn: one machine is dead, and a member does not start. The
// rest is put back; a resume brings the member back when the cause is gone.
func TestRollbackGoesOn(t *testing.T) {
	s := newScene(t, "majority-lost")
	was := s.recoverWatched("--yes")
	first := s.folder()
	built := tree(t, s.cluster.DataDir("m2"))["."]
	o := orders{WaitAt: string(plan.KindStartMember), Waiting: s.path("waiting"), Away: []string{"m2"}}
	_, wait := s.paused(o, "rollback", first.Name(), "--accept-loss", "unknown")
	if diff := cmp.Diff(was["m1"], tree(t, s.cluster.DataDir("m1"))); diff != "" {
		t.Errorf("m1 does not have its files back (-want +got):\n%s", diff)
	}
	squatter := s.squat("m1")
	check(t, os.Remove(o.Waiting))
	e := wait()
	e.must(t, codeStopped)
	e.says(t, "m2 is left out", "everything else was done", "start-member@m1")
	if got := tree(t, s.cluster.DataDir("m2"))["."]; got != built {
		t.Errorf("something was done on the dead machine: %s was %s", got, built)
	}
	check(t, squatter.Close())
	undo, err := filepath.Glob(s.path("cases", first.Name()+"-rollback-*"))
	if err != nil || len(undo) != 1 {
		t.Fatalf("rollbacks: %v (%v)", undo, err)
	}
	s.must(codeOK, "resume", undo[0])
	if pids, err := s.cluster.PIDs("m1"); err != nil || len(pids) == 0 {
		t.Errorf("m1 does not run (%v)", err)
	}
}
