package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/plan"
)

// revive starts a member as its machine's service manager would when it boots.
func (s *scene) revive(name string) {
	s.t.Helper()
	m, _ := s.cluster.Config().Member(name)
	log, err := os.OpenFile(s.cluster.LogPath(name), os.O_APPEND|os.O_WRONLY, 0o600)
	check(s.t, err)
	defer log.Close()
	line := m.Run.Process.Command
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	check(s.t, cmd.Start())
	go func() { _ = cmd.Wait() }()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if pids, err := s.cluster.PIDs(name); err == nil && len(pids) > 0 {
			return
		} else if time.Now().After(end) {
			s.t.Fatalf("%s does not run: %v", name, err)
		}
	}
}

// TestAMemberThatCameBackIsStoppedAgain: its machine was started anew before
// its files were read.
func TestAMemberThatCameBackIsStoppedAgain(t *testing.T) {
	s := newScene(t, "majority-lost")
	s.killedAt(plan.KindSalvage)
	s.revive("m1")
	s.must(codeOK, "resume", s.folder().Name())
	s.proven(s.load())
	s.complete()
	stops := 0
	for _, e := range s.load().Journal {
		if e.Step == "stop-member@m1" && e.Event == casefile.EventDone {
			stops++
		}
	}
	if stops != 2 {
		t.Errorf("m1 was stopped %d times, want twice", stops)
	}
}

// TestAnOlderImageReplacesNothing: a member ran after its files were read. The
// run stops before anything is replaced, and looks again after a rollback.
func TestAnOlderImageReplacesNothing(t *testing.T) {
	s := newScene(t, "majority-lost")
	s.killedAt(plan.KindSetAside)
	s.revive("m1")
	first := s.folder()
	e := s.must(codeStopped, "resume", first.Name())
	e.says(t, "ran again after its files were read", "rollback", "recover")
	if exists(s.aside(s.load(), "m1")) {
		t.Error("the files of m1 were set aside all the same")
	}
	s.must(codeOK, "rollback", first.Name(), "--yes")
	s.must(codeOK, s.recovery()...)
	s.proven(s.load())
	s.complete()
}

// TestAMemberThatComesBackLateJoins: alone it can have taken no write, and the
// rebuilt cluster serves already.
func TestAMemberThatComesBackLateJoins(t *testing.T) {
	s := newScene(t, "power-cut")
	o := orders{WaitAt: "set-aside@m3", Waiting: s.path("waiting")}
	p, wait := s.paused(o, s.recovery()...)
	for end := time.Now().Add(20 * time.Second); s.last("put-in-place@m1") != casefile.EventDone || s.last("put-in-place@m2") != casefile.EventDone; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the others do not go on")
		}
	}
	check(t, p.Kill())
	wait()
	s.free()
	s.salvor(orders{Away: []string{"m3"}}, "resume", s.folder().Name()).must(t, codeVerdict)
	s.serves("m1", "m2")
	s.revive("m3")
	s.must(codeOK, "resume", s.folder().Name())
	s.proven(s.load())
}

// TestAMemberThatDiedSinceIsStartedAgain: the coordinator and members that it had
// started die after they were seen to work. A resume starts them again, and waits
// for the quorum anew.
func TestAMemberThatDiedSinceIsStartedAgain(t *testing.T) {
	for _, c := range []struct {
		wreck string
		at    plan.Kind
		dead  []string
	}{
		{"majority-lost", plan.KindCanary, []string{"m1", "m2", "m3"}},
		{"member-lost", plan.KindPromoteLearner, []string{"m3"}},
	} {
		t.Run(c.wreck+"/"+string(c.at), func(t *testing.T) {
			s := newScene(t, c.wreck)
			s.killedAt(c.at)
			for _, name := range c.dead {
				check(t, s.cluster.Kill(name))
			}
			s.must(codeOK, "resume", s.folder().Name())
			s.proven(s.load())
			s.serves("m1", "m2", "m3")
		})
	}
}
