package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
	"github.com/salvor-project/salvor/internal/run"
)

// wrecks are the scenarios that end in a recovery.
func wrecks() []string {
	if testing.Short() {
		return []string{"majority-lost"}
	}
	return []string{"stopped", "member-lost", "majority-lost", "power-cut", "all-lost", "no-space", "impostor"}
}

// TestKilledCoordinator kills the coordinator at every boundary of every step,
// and once in the middle of every action, each time alone or with its host
// sides, and resumes each time, from the case folder or from a host's mirror.
// The end must be that of a run that nobody disturbed.
func TestKilledCoordinator(t *testing.T) {
	for _, wreck := range wrecks() {
		t.Run(wreck, func(t *testing.T) {
			s := newScene(t, wreck)
			o := orders{Marks: s.path("marks")}
			e := s.salvor(o, s.recovery()...)
			o.Early = 6
			var was originals
			var next []string
			n := 0
			// With its host sides gone it may end by itself before it dies.
			for ; e.killed || len(marks(o.Marks)) > n; n++ {
				// It may have died before it had brought the case back.
				if n == 0 || exists(s.path("cases", next[1])) {
					c := s.load()
					if was == nil {
						was = s.originals(c)
					}
					next = s.resume(c, n)
				}
				e = s.salvor(o, next...)
			}
			e.must(t, codeOK)
			s.recovered(was)
			s.everywhere(n)
			s.asked()
		})
	}
}

// resume gives the command line of the n-th resume. Every second pair takes
// the mirror of a host, another one each time, with the case folder gone.
func (s *scene) resume(c casefile.Case, n int) []string {
	s.t.Helper()
	folder := casefile.Folder{Dir: s.path("cases", c.Name)}
	if n/2%2 == 0 {
		return []string{"resume", c.Name}
	}
	hosts := c.Plan.Hosts()
	from := hosts[n/4%len(hosts)]
	s.mirrored(folder, from)
	check(s.t, os.MkdirAll(s.path("gone"), 0o700))
	check(s.t, os.Rename(folder.Dir, s.path("gone", time.Now().Format("150405.000000"))))
	return []string{"resume", c.Name, "--from", from}
}

// mirrored demands that a host's mirror is the journal but for the line that
// was being written: here last, or there by a run whose folder is gone.
func (s *scene) mirrored(folder casefile.Folder, host string) {
	s.t.Helper()
	h, _ := s.cluster.Config().Host(host)
	own, err := os.ReadFile(folder.Path(casefile.JournalFile))
	check(s.t, err)
	mirror, err := os.ReadFile(filepath.Join(h.State(), "cases", folder.Name(), casefile.JournalFile))
	check(s.t, err)
	long, short := own, mirror
	if len(long) < len(short) {
		long, short = short, long
	}
	if rest, ok := bytes.CutPrefix(long, short); !ok || bytes.Count(rest, []byte("\n")) > 1 {
		s.t.Errorf("the mirror on %s is not the journal (-journal +mirror):\n%s", host,
			cmp.Diff(strings.Split(string(own), "\n"), strings.Split(string(mirror), "\n")))
	}
}

// everywhere demands that the coordinator has died wherever it could have.
func (s *scene) everywhere(deaths int) {
	s.t.Helper()
	died := map[string]bool{}
	hits := 0
	for _, m := range marks(s.path("marks")) {
		if died[m] {
			s.t.Errorf("died twice of %s", m)
		}
		died[m] = true
		if strings.HasPrefix(m, inside+":") {
			hits++
		}
	}
	began := 0
	for _, step := range s.load().Plan.Steps {
		points := []run.Point{run.BeforeDone, run.AfterDone}
		if died[mark(string(run.BeforeStarted), step.ID)] || neverFound(step.Action.Kind()) {
			points = append(points, run.BeforeStarted, run.AfterStarted)
			began++
		}
		for _, p := range points {
			if !died[mark(string(p), step.ID)] {
				s.t.Errorf("never died %s of %s", p, step.ID)
			}
		}
	}
	if len(died) != deaths {
		s.t.Errorf("%d deaths, but %d marks", deaths, len(died))
	}
	if hits < began/3 {
		s.t.Errorf("only %d of %d actions were hit in the middle", hits, began)
	}
	s.t.Logf("%d deaths, %d of them in the middle of %d actions", deaths, hits, began)
}

// asked demands that what had been achieved before a death was found, not done
// again: every action was once over before that was noted.
func (s *scene) asked() {
	s.t.Helper()
	c := s.load()
	for _, e := range c.Journal {
		if e.Event != casefile.EventDone || e.Found {
			continue
		}
		step, _ := c.Plan.Step(e.Step)
		switch step.Action.Kind() {
		case plan.KindCopyFiles, plan.KindCheckImage, plan.KindCanary: // true only at the time
		case plan.KindDefragment: // near the quota it is done once more
		default:
			s.t.Errorf("%s was done again after it was done", e.Step)
		}
	}
}

// neverFound tells of which kinds nothing can be there before they began.
func neverFound(kind plan.Kind) bool {
	switch kind {
	case plan.KindStopMember, plan.KindSetAside, plan.KindAwaitQuorum, plan.KindDefragment:
		return false
	}
	return true
}

// TestKilledHost kills a host side in the middle of every action. The run has
// to connect anew, ask what was achieved, and end by itself.
func TestKilledHost(t *testing.T) {
	for _, wreck := range wrecks() {
		t.Run(wreck, func(t *testing.T) {
			s := newScene(t, wreck)
			o := orders{HostMarks: s.path("marks"), WaitAt: string(plan.KindSetAside), Waiting: s.path("waiting")}
			_, wait := s.start(o, s.recovery()...)
			ends := make(chan ended, 1)
			go func() { ends <- wait() }()
			var was originals
			var e ended
			for over := false; !over; {
				select {
				case e = <-ends:
					over = true
				case <-time.After(5 * time.Millisecond):
					if exists(o.Waiting) {
						was = s.originals(s.load())
						check(t, os.Remove(o.Waiting))
					}
				}
			}
			e.must(t, codeOK)
			s.recovered(was)
			s.struck()
			if wreck == "member-lost" || wreck == "majority-lost" {
				s.stale()
			}
		})
	}
}

// struck demands that a host side died within every action that began, and
// that every mirror is whole nevertheless.
func (s *scene) struck() {
	s.t.Helper()
	c := s.load()
	died := map[string]bool{}
	for _, m := range marks(s.path("marks")) {
		died[m] = true
	}
	for _, e := range c.Journal {
		if e.Event != casefile.EventStarted {
			continue
		}
		step, _ := c.Plan.Step(e.Step)
		for _, m := range hostMarks(s.t, step) {
			if !died[m] {
				s.t.Errorf("no host side died of %s: %s is missing", step.ID, m)
			}
		}
	}
	for _, host := range c.Plan.Hosts() {
		s.mirrored(s.folder(), host)
	}
	s.t.Logf("%d deaths of host sides", len(died))
}

// hostMarks are the marks of all processes that take part in a step.
func hostMarks(t *testing.T, step plan.Step) []string {
	t.Helper()
	if a, ok := step.Action.(plan.CopyFiles); ok {
		return []string{transferMark("send", a.From), transferMark("receive", a.To)}
	}
	do, err := json.Marshal(step.Action)
	check(t, err)
	return []string{actionMark(step.Host, step.Action.Kind(), do)}
}

// stale resumes from a mirror that has missed nearly all: every step is done
// again or found, and nothing that came of the recovery gets lost.
func (s *scene) stale() {
	s.t.Helper()
	c := s.load()
	was := s.originals(c)
	host := c.Plan.Hosts()[0]
	h, _ := s.cluster.Config().Host(host)
	mirror := filepath.Join(h.State(), "cases", c.Name, casefile.JournalFile)
	b, err := os.ReadFile(mirror)
	check(s.t, err)
	lines := bytes.SplitAfter(b, []byte("\n"))
	check(s.t, os.WriteFile(mirror, bytes.Join(lines[:2], nil), 0o600))
	check(s.t, os.Rename(s.folder().Dir, s.path("gone")))
	s.must(codeOK, "resume", c.Name, "--from", host)
	s.recovered(was)
}
