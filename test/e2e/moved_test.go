package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMovedWhileRunning: two data dirs are moved away under their processes,
// which go on serving from files that nobody finds any more.
func TestMovedWhileRunning(t *testing.T) {
	l := labOf(t, 3)
	l.write()
	l.start(l.names()...)
	l.ready(l.names()...)
	l.lose("m2", "m3")
	l.put("m2", "unseen", 3)
	d := l.diagnose()
	if d.Scenario != "member-lost" || d.Level.Availability != "T1" || d.Level.Data != "D0" || d.state("m2") != "lost" || d.state("m3") != "lost" {
		t.Errorf("diagnosed %+v", d)
	}
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	l.holdsAll()
	if !l.has("m3", "unseen", 2) {
		t.Error("a write to the moved files is lost")
	}
	l.salvor("diagnose").want(t, 0)
}

// TestMovedAndDying: etcd notices within half a minute that its files are gone
// and ends; here just when the other one has been taken out. The run is broken off,
// and a new recovery starts from the only disk that is left.
func TestMovedAndDying(t *testing.T) {
	l := labOf(t, 3)
	l.write()
	l.start(l.names()...)
	l.ready(l.names()...)
	l.lose("m2", "m3")
	l.put("m1", "unseen", 3)
	l.whenDone("remove-member@m2", func(salvor *os.Process) {
		l.kill("m3")
		must(t, salvor.Signal(os.Interrupt)) // nobody would wait for a quorum that cannot come
	}, "recover", "--accept-loss", "unknown").want(t, 130, "interrupted", "salvor resume")
	l.salvor("recover", "--accept-loss", "unknown").want(t, 0, "Recovered, and proven by verification")
	l.holdsAll()
	if !l.has("m3", "unseen", 2) {
		t.Error("an acknowledged write is lost")
	}
}

// whenDone runs salvor and does something as soon as the journal shows a step
// as done.
func (l *lab) whenDone(step string, do func(salvor *os.Process), args ...string) result {
	l.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(within(l.t, 2*time.Minute), program, append([]string{"--config", l.salvorYAML(), "--cases", l.cases()}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	must(l.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	mark := []byte(`"event":"done","step":"` + step + `"`)
	for seen := false; ; {
		select {
		case <-ended:
			if !seen {
				l.t.Fatalf("%s was never done:\n%s\n%s", step, out.String(), errs.String())
			}
			return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
		case <-time.After(2 * time.Millisecond):
		}
		journals, _ := filepath.Glob(filepath.Join(l.cases(), "*", "journal.jsonl"))
		for _, j := range journals {
			if b, err := os.ReadFile(j); err == nil && !seen && bytes.Contains(b, mark) {
				do(cmd.Process)
				seen = true
			}
		}
	}
}
