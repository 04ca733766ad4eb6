package scratch_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/salvor-project/salvor/internal/scratch"
)

// TestMain makes the test binary the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SALVOR_SCRATCH_DIR"); dir != "" {
		path, _, err := scratch.Make(dir, "copy-")
		if err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString(path + "\n") // read by the test
		_, _ = os.Stdin.Read(make([]byte, 1))     // until it is killed
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLeftoversAreSweptAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SALVOR_SCRATCH_DIR="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	theirs := lines.Text()
	if err := os.WriteFile(filepath.Join(theirs, "db"), make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "copy-of-my-thesis")
	if err := os.Mkdir(users, 0o700); err != nil {
		t.Fatal(err)
	}
	early := filepath.Join(dir, "copy-12345") // killed before it was locked
	if err := os.Mkdir(early, 0o700); err != nil {
		t.Fatal(err)
	}
	ours, done, err := scratch.Make(dir, "copy-")
	if err != nil {
		t.Fatal(err)
	}
	there := func(p string) bool { _, err := os.Stat(p); return err == nil }
	if there(early) {
		t.Error("an empty leftover stays")
	}
	if !there(theirs) || !there(users) || !there(ours) {
		t.Fatal("a folder in use, or somebody else's, was removed")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	_, done2, err := scratch.Make(dir, "copy-")
	if err != nil {
		t.Fatal(err)
	}
	if there(theirs) || !there(users) || !there(ours) {
		t.Errorf("killed one's %v, user's %v, ours %v", there(theirs), there(users), there(ours))
	}
	for _, d := range []func() error{done, done2} {
		if err := d(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
