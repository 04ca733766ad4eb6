package datadir_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/salvor-project/salvor/internal/datadir"
)

// killsEnv says how often work is killed; a release is tried with 100.
const killsEnv = "SALVOR_KILLS"

// childEnv makes this test binary do one piece of work and end: its value is
// what TestKilledChild does.
const childEnv = "SALVOR_KILLED_CHILD"

// TestKilledChild is the process that TestKilled kills.
func TestKilledChild(t *testing.T) {
	what := os.Getenv(childEnv)
	if what == "" {
		t.Skip("runs as a child of TestKilled only")
	}
	if err := killable(t, what, os.Getenv("SALVOR_KILLED_DIR")); err != nil {
		t.Fatal(err)
	}
}

// killable salvages dir/source to dir/image, or builds dir/member from
// dir/image.
func killable(t *testing.T, what, dir string) error {
	t.Helper()
	image := filepath.Join(dir, "image")
	if what == "salvage" {
		_, err := datadir.Salvage(t.Context(), source(filepath.Join(dir, "source")), image, nil)
		return err
	}
	_, err := datadir.BuildMember(t.Context(), datadir.Build{
		Image: image, Dir: filepath.Join(dir, "member"), Name: "m", PeerURLs: []string{"http://127.0.0.1:1"},
		InitialCluster: "m=http://127.0.0.1:1", Token: "t", BumpRevision: 1000, MarkCompacted: true,
	}, nil)
	return err
}

// TestKilled kills a salvage and a build at random moments and repeats them:
// the target is absent or whole at every moment, the repetition gives what an
// undisturbed run gives, and the source is never touched.
func TestKilled(t *testing.T) {
	n := 12
	if s := os.Getenv(killsEnv); s != "" {
		n = must(strconv.Atoi(s))(t)
	}
	c := crash(t)
	dir := scratch(t)
	copyTree(t, c.dir, filepath.Join(dir, "source"))
	before := treeState(t, filepath.Join(dir, "source"))
	random := rand.New(rand.NewPCG(3, 4))
	killed := 0
	for _, what := range []string{"salvage", "build"} {
		result := filepath.Join(dir, map[string]string{"salvage": "image", "build": "member/member/snap/db"}[what])
		began := time.Now()
		runChild(t, what, dir, 0)
		whole := time.Since(began)
		for i := range n {
			clearResult(t, dir, what)
			if runChild(t, what, dir, time.Duration(random.Int64N(int64(whole)))) {
				killed++
			}
			if _, err := os.Stat(result); err == nil {
				check := must(datadir.ContentOf(t.Context(), result, c.live.Revision+map[string]int64{"build": 1000}[what]))(t)
				if check.SHA256 != c.live.SHA256 {
					t.Errorf("%s %d: what lies there after the kill is not whole: %+v", what, i, check)
				}
			}
			if err := killable(t, what, dir); err != nil {
				t.Fatalf("%s %d again: %v", what, i, err)
			}
			got := must(datadir.ContentOf(t.Context(), result, 0))(t)
			if got.SHA256 != c.live.SHA256 || got.Keys != c.live.Keys {
				t.Errorf("%s %d again: %+v, want %+v", what, i, got, c.live)
			}
		}
	}
	if d := cmp.Diff(before, treeState(t, filepath.Join(dir, "source"))); d != "" {
		t.Error("the source was changed: ", d)
	}
	if killed < n/2 {
		t.Errorf("only %d of %d children were killed: the test proves nothing", killed, 2*n)
	}
}

// clearResult takes away what the last run made.
func clearResult(t *testing.T, dir, what string) {
	t.Helper()
	names := []string{"image", "image.json", "image.work", "image.part"}
	if what == "build" {
		names = []string{"member", "member.salvor.json", "member.salvor.part"}
	}
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// runChild does a piece of work in a process of its own, which it kills after
// a while (0: never), and tells whether it was killed.
func runChild(t *testing.T, what, dir string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+what, "SALVOR_KILLED_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		stop := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
	}
	err := cmd.Wait()
	if err != nil && after == 0 {
		t.Fatal(err)
	}
	return err != nil
}
