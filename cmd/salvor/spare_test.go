package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestOneMemberDoesNotStart: something holds a rebuilt member's port. The
// others serve nevertheless, the verdict says what is missing, and a resume
// brings it back when the cause is gone.
func TestOneMemberDoesNotStart(t *testing.T) {
	s := newScene(t, "majority-lost")
	o := orders{WaitAt: string(plan.KindStartMember), Waiting: s.path("waiting")}
	_, wait := s.paused(o, s.recovery()...)
	m, _ := s.cluster.Config().Member("m2")
	u, err := url.Parse(m.PeerURLs[0])
	check(t, err)
	squatter, err := net.Listen("tcp", u.Host)
	check(t, err)
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
		m, _ := s.cluster.Config().Member(name)
		u, err := url.Parse(m.PeerURLs[0])
		check(t, err)
		squatter, err := net.Listen("tcp", u.Host)
		check(t, err)
		defer squatter.Close()
	}
	check(t, os.Remove(o.Waiting))
	e := wait()
	e.must(t, codeStopped)
	e.says(t, "start-member@m3", "resume")
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
