package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/demo"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/operate"
	"github.com/salvor-project/salvor/internal/plan"
)

// tree is every file and folder below a path with a fingerprint of all that
// it is.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[rel] = info.Mode().String()
		if info.Mode().IsRegular() {
			sum, err := digest(path)
			out[rel] += " " + sum
			return err
		}
		return nil
	})
	check(t, err)
	return out
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return fmt.Sprintf("%d bytes, sha256 %s", n, hex.EncodeToString(h.Sum(nil)[:8])), err
}

// originals are the members' data dirs from before the recovery, by member.
type originals map[string]map[string]string

// replaces tells whether a plan sets a member's data dir aside.
func replaces(p plan.Plan, member string) bool {
	_, ok := p.Step(plan.StepID(string(plan.KindSetAside) + "@" + member))
	return ok
}

// originals takes the fingerprints of what a plan sets aside, as soon as all
// that had to stop has stopped: etcd itself writes when it ends. nil before.
func (s *scene) originals(c casefile.Case) originals {
	s.t.Helper()
	done := map[plan.StepID]bool{}
	for _, e := range c.Journal {
		if e.Event == casefile.EventDone {
			done[e.Step] = true
		}
	}
	out := originals{}
	for _, step := range c.Plan.Steps {
		if step.Action.Kind() == plan.KindStopMember && !done[step.ID] {
			return nil
		}
	}
	for _, name := range demo.Names() {
		if !replaces(*c.Plan, name) {
			continue
		}
		for _, dir := range []string{s.aside(c, name), s.cluster.DataDir(name)} {
			if exists(dir) {
				out[name] = tree(s.t, dir)
				break
			}
		}
		if s.lost(name) {
			delete(out, name)
		}
	}
	return out
}

func (s *scene) aside(c casefile.Case, member string) string {
	return s.cluster.DataDir(member) + ".salvor-" + c.Name
}

// lost tells whether the wreck has left nothing of a member.
func (s *scene) lost(member string) bool {
	for _, gone := range s.after.Gone {
		if gone == member {
			return s.wreck != "impostor" // which has made itself a new one
		}
	}
	return false
}

// recovered holds everything against what an uninterrupted run ends with.
func (s *scene) recovered(was originals) {
	s.t.Helper()
	c := s.load()
	s.proven(c)
	s.identity(c)
	s.complete()
	s.kept(c, was)
	s.tidy(c)
	s.free()
}

// proven demands a passed verdict and a journal in which every step is done.
func (s *scene) proven(c casefile.Case) {
	s.t.Helper()
	if c.Verdict == nil || !c.Verdict.Passed {
		s.t.Errorf("the verdict is not passed: %+v", c.Verdict)
	}
	done := map[plan.StepID]int{}
	last := int64(0)
	for _, e := range c.Journal {
		if e.Event == casefile.EventDone {
			done[e.Step]++
		}
		if e.Seq != last+1 {
			s.t.Errorf("journal line %d follows line %d", e.Seq, last)
		}
		last = e.Seq
	}
	for _, step := range c.Plan.Steps {
		if done[step.ID] == 0 {
			s.t.Errorf("step %s is not done", step.ID)
		}
	}
	want := expectations()[s.wreck]
	if string(want.scenario) != string(c.Plan.Scenario) || want.kind != c.Plan.Source.Kind {
		s.t.Errorf("recovered %s from %s, want %s from %s", c.Plan.Scenario, c.Plan.Source.Kind, want.scenario, want.kind)
	}
}

// identity demands three voters, in the old cluster or in a new one.
func (s *scene) identity(c casefile.Case) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	id, names := s.members(ctx)
	if diff := cmp.Diff(demo.Names(), names); diff != "" {
		s.t.Errorf("members (-want +got):\n%s", diff)
	}
	rebuilt := c.Plan.Source.Kind == diagnose.FromSurvivor || c.Plan.Source.Kind == diagnose.FromSnapshot
	if (id == s.id) == rebuilt {
		s.t.Errorf("the cluster was %x and is %x, although rebuilt = %v", s.id, id, rebuilt)
	}
}

// complete lets the writer write again and compares etcd with its ledger.
func (s *scene) complete() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	if err := s.writer.WaitAcked(ctx, 20); err != nil {
		s.t.Errorf("writes do not go on: %v", err)
	}
	check(s.t, s.writer.Pause())
	defer s.writer.Resume()
	client, err := s.cluster.Client()
	check(s.t, err)
	defer client.Close()
	r, err := demo.Compare(ctx, client, s.cluster.LedgerPath())
	check(s.t, err)
	if want := s.after.Newer; r.Lost != want || r.Mismatched != 0 {
		s.t.Errorf("%d of %d acknowledged writes are lost, want %d; %d were never written: %+v", r.Lost, r.Acknowledged, want, r.Mismatched, r.Losses)
	}
}

// kept demands that what was replaced is still there, byte for byte, and that
// the journal says so: a rollback relies on it.
func (s *scene) kept(c casefile.Case, was originals) {
	s.t.Helper()
	noted := map[plan.StepID]operate.Moved{}
	for _, e := range c.Journal {
		if e.Event == casefile.EventDone && len(e.Result) > 0 {
			var m operate.Moved
			_ = json.Unmarshal(e.Result, &m) // of other steps, it is not looked at
			noted[e.Step] = m
		}
	}
	for _, name := range demo.Names() {
		aside := s.aside(c, name)
		id := plan.StepID(string(plan.KindSetAside) + "@" + name)
		if replaces(*c.Plan, name) && noted[id].NothingThere() != (was[name] == nil) {
			s.t.Errorf("the journal's account of %s is wrong: %+v", id, noted[id])
		}
		if was[name] == nil {
			if exists(aside) {
				s.t.Errorf("%s was made of nothing", aside)
			}
			continue
		}
		if diff := cmp.Diff(was[name], tree(s.t, aside)); diff != "" {
			s.t.Errorf("the old data dir of %s is not as it was (-want +got):\n%s", name, diff)
		}
	}
}

// tidy demands that nothing half done lies about.
func (s *scene) tidy(c casefile.Case) {
	s.t.Helper()
	known := map[string]bool{"etcd": true, "etcd.json": true, "pki": true, "state": true, "member.log": true}
	for _, name := range demo.Names() {
		home := filepath.Dir(s.cluster.DataDir(name))
		entries, err := os.ReadDir(home)
		check(s.t, err)
		for _, e := range entries {
			path, aside := filepath.Join(home, e.Name()), s.aside(c, name)
			// A builder leaves a note, with which it would find out that its
			// work was done.
			if !known[e.Name()] && path != aside && path != aside+".new.salvor.json" {
				s.t.Errorf("%s was left behind", path)
			}
		}
		mirror, err := os.ReadDir(filepath.Join(home, "state", "cases", c.Name))
		if err != nil {
			continue // this host has no step
		}
		for _, e := range mirror {
			if strings.HasSuffix(e.Name(), ".part") || strings.HasSuffix(e.Name(), ".work") {
				s.t.Errorf("%s was left behind in the case folder of %s", e.Name(), name)
			}
		}
	}
}

// free demands that nobody holds a host's lock: every host side has ended.
func (s *scene) free() {
	s.t.Helper()
	for _, name := range demo.Names() {
		path := filepath.Join(filepath.Dir(s.cluster.DataDir(name)), "state", "lock")
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if os.IsNotExist(err) {
			continue
		}
		check(s.t, err)
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil || time.Now().After(end) {
				break
			}
		}
		if err != nil {
			s.t.Errorf("the lock of %s is still held: %v", name, err)
		}
		check(s.t, f.Close())
	}
}
