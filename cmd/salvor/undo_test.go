package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/demo"
	"github.com/salvor-project/salvor/internal/plan"
)

// TestThereAndBack recovers a cluster, rolls that back to the very wreck,
// recovers again, and cleans up behind the second case.
func TestThereAndBack(t *testing.T) {
	s := newScene(t, "majority-lost")
	s.must(codeStopped, "recover") // a case that nobody agreed to
	s.must(codeError, "cleanup", s.folder().Name(), "--yes").says(t, "has done nothing")

	was := s.recoverWatched("--yes")
	s.recovered(was)
	first := s.folder()
	s.harmless(first)
	s.rolledBack(first, was)
	check(t, s.cluster.KillAll()) // spares the time in which a member without a quorum stops

	// What was written since the recovery went with the rollback, and the
	// clients have seen revisions far above the wreck's.
	again := s.recoverWatched("--accept-loss", "unknown")
	s.proven(s.load())
	s.identity(s.load())
	s.kept(s.load(), again)
	s.above()
	s.cleaned(s.folder())
}

// above demands that the rebuilt cluster began above all that a client has
// seen, however far behind its source was.
func (s *scene) above() {
	s.t.Helper()
	c := s.load()
	seen := c.Diagnosis.HighestRevision.Value
	var built struct{ Revision int64 }
	for _, e := range c.Journal {
		if e.Event == casefile.EventDone && e.Step == c.Plan.Expect.BuiltBy {
			check(s.t, json.Unmarshal(e.Result, &built))
		}
	}
	if seen < plan.DefaultBump || built.Revision <= seen {
		s.t.Errorf("clients have seen revision %d, the cluster was built with %d", seen, built.Revision)
	}
}

// recoverWatched recovers and gives the fingerprints of what is set aside,
// taken after etcd has stopped and before anything is moved.
func (s *scene) recoverWatched(consent ...string) originals {
	s.t.Helper()
	o := orders{WaitAt: string(plan.KindSetAside), Waiting: s.path("waiting")}
	_, wait := s.paused(o, append([]string{"recover"}, consent...)...)
	was := s.originals(s.load())
	check(s.t, os.Remove(o.Waiting))
	wait().must(s.t, codeOK)
	if len(was) == 0 {
		s.t.Fatal("nothing was set aside")
	}
	return was
}

// harmless resumes a case that has ended: no step is done again.
func (s *scene) harmless(f casefile.Folder) {
	s.t.Helper()
	before, err := casefile.ReadJournal(f.Path(casefile.JournalFile))
	check(s.t, err)
	s.must(codeOK, "resume", f.Dir)
	after, err := casefile.ReadJournal(f.Path(casefile.JournalFile))
	check(s.t, err)
	for _, e := range after[len(before):] {
		if e.Event != casefile.EventBegan && e.Event != casefile.EventEnded {
			s.t.Errorf("resuming a finished case did something: %+v", e)
		}
	}
}

// rolledBack rolls a case back, looks at the wreck before a member is started
// in it again, and lets the rollback end.
func (s *scene) rolledBack(f casefile.Folder, was originals) {
	s.t.Helper()
	s.must(codeStopped, "rollback", f.Name())
	o := orders{WaitAt: string(plan.KindStartMember), Waiting: s.path("waiting")}
	_, wait := s.paused(o, "rollback", f.Name(), "--accept-loss", "unknown")
	for _, name := range demo.Names() {
		dir := s.cluster.DataDir(name)
		if s.lost(name) {
			if exists(dir) {
				s.t.Errorf("%s was lost before the recovery and is there after the rollback", dir)
			}
			continue
		}
		if diff := cmp.Diff(was[name], tree(s.t, dir)); diff != "" {
			s.t.Errorf("%s is not as it was (-want +got):\n%s", dir, diff)
		}
	}
	check(s.t, os.Remove(o.Waiting))
	wait().must(s.t, codeOK)
	for _, name := range demo.Names() {
		pids, err := s.cluster.PIDs(name)
		check(s.t, err)
		if runs := len(pids) > 0; runs == s.lost(name) {
			s.t.Errorf("%s runs: %v, although it ran before only if it was not lost", name, runs)
		}
		if undone := s.cluster.DataDir(name) + ".salvor-" + f.Name() + ".undone"; !exists(undone) {
			s.t.Errorf("what the recovery had built is gone: %s", undone)
		}
	}
	s.free()
}

// cleaned cleans up and demands that what was set aside is gone, and nothing
// else.
func (s *scene) cleaned(f casefile.Folder) {
	s.t.Helper()
	before := s.paths()
	s.must(codeStopped, "cleanup", f.Name())
	if diff := cmp.Diff(before, s.paths()); diff != "" {
		s.t.Errorf("a clean-up that nobody agreed to did something:\n%s", diff)
	}
	s.must(codeOK, "cleanup", f.Name(), "--yes")
	after := s.paths()
	var gone []string
	for _, p := range before {
		if !slices.Contains(after, p) {
			gone = append(gone, p)
		}
	}
	// m1 alone had anything to set aside, and held the image's report.
	var want []string
	tag := "etcd.salvor-" + f.Name()
	want = append(want, "m1/"+tag, "m1/state/cases/"+f.Name()+"/image.db.json")
	for _, name := range demo.Names() {
		want = append(want, name+"/state/cases/"+f.Name()+"/image.db", name+"/"+tag+".new.salvor.json")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, gone); diff != "" {
		s.t.Errorf("removed (-want +got):\n%s", diff)
	}
	s.identity(s.load0(f))
}

// paths lists what lies in the machines' homes and in their case folders, not
// within data dirs.
func (s *scene) paths() []string {
	s.t.Helper()
	out := map[string]bool{}
	for _, pattern := range []string{"*/*", "*/state/cases/*/*"} {
		found, err := filepath.Glob(s.path("demo", "hosts", pattern))
		check(s.t, err)
		for _, p := range found {
			out[strings.TrimPrefix(p, s.path("demo", "hosts")+"/")] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

func (s *scene) load0(f casefile.Folder) casefile.Case {
	s.t.Helper()
	c, err := f.Load()
	check(s.t, err)
	return c
}

// TestRollbackOfAHalf: the coordinator died in the middle. Whatever had been done
// by then, the files are what they were, and who ran runs.
func TestRollbackOfAHalf(t *testing.T) {
	for _, at := range []plan.Kind{plan.KindPutInPlace, plan.KindStartMember} {
		t.Run(string(at), func(t *testing.T) {
			s := newScene(t, "majority-lost")
			o := orders{WaitAt: string(plan.KindSetAside), Waiting: s.path("waiting")}
			p, wait := s.paused(o, s.recovery()...)
			was := s.originals(s.load())
			check(t, p.Kill())
			wait()
			s.free()
			f := s.folder()
			o = orders{WaitAt: string(at), Waiting: s.path("waiting2")}
			p, wait = s.paused(o, "resume", f.Name())
			check(t, p.Kill())
			wait()
			s.free()
			o = orders{WaitAt: string(plan.KindStartMember), Waiting: s.path("waiting3")}
			_, wait = s.paused(o, "rollback", f.Name(), "--yes", "--accept-loss", "unknown")
			if diff := cmp.Diff(was["m1"], tree(t, s.cluster.DataDir("m1"))); diff != "" {
				t.Errorf("m1 does not have its files back (-want +got):\n%s", diff)
			}
			check(t, os.Remove(o.Waiting))
			wait().must(t, codeOK)
			for _, name := range demo.Names() {
				pids, err := s.cluster.PIDs(name)
				check(t, err)
				if runs := len(pids) > 0; runs == s.lost(name) {
					t.Errorf("%s runs: %v, although it ran before only if it was not lost", name, runs)
				}
				if s.lost(name) && exists(s.cluster.DataDir(name)) {
					t.Errorf("%s was lost before and has files now", name)
				}
			}
			check(t, s.cluster.KillAll())
			s.must(codeOK, "recover", "--accept-loss", "unknown")
			s.proven(s.load())
		})
	}
}
