package datadir_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// killable does one piece of work in dir: it salvages or scavenges dir/source
// to dir/image or dir/found, or makes members from dir/image.
func killable(t *testing.T, what, dir string) error {
	t.Helper()
	image := filepath.Join(dir, "image")
	switch what {
	case "salvage":
		_, err := datadir.Salvage(t.Context(), source(filepath.Join(dir, "source")), image, nil)
		return err
	case "scavenge":
		_, err := datadir.Scavenge(t.Context(), source(filepath.Join(dir, "source")), filepath.Join(dir, "found"), nil)
		return err
	case "restore", "arrival":
		const group = "a=http://127.0.0.1:1,b=http://127.0.0.1:2"
		o := datadir.RestoreOptions{
			Source: image, InitialCluster: group, Token: "t", BumpRevision: 1000, MarkCompacted: true, Compact: true,
			Members: must(datadir.AllMembers(filepath.Join(dir, what+"d"), group))(t),
		}
		if what == "arrival" {
			_, err := datadir.RestoreArrival(t.Context(), o, arrival(t, image), nil)
			return err
		}
		_, err := datadir.Restore(t.Context(), o, nil)
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
	n := 6
	if s := os.Getenv(killsEnv); s != "" {
		n = must(strconv.Atoi(s))(t)
	}
	c := crash(t)
	dir := scratch(t)
	copyTree(t, c.dir, filepath.Join(dir, "source"))
	before := treeState(t, filepath.Join(dir, "source"))
	random := rand.New(rand.NewPCG(3, 4))
	killed := 0
	for _, what := range []string{"scavenge", "salvage", "build", "restore", "arrival"} {
		result := filepath.Join(dir, map[string]string{
			"salvage": "image", "scavenge": "found", "build": "member/member/snap/db", "restore": "restored/b/member/snap/db", "arrival": "arrivald/b/member/snap/db"}[what])
		began := time.Now()
		runChild(t, what, dir, 0)
		whole := time.Since(began)
		for i := range n {
			clearResult(t, dir, what)
			if runChild(t, what, dir, time.Duration(random.Int64N(int64(whole)))) {
				killed++
			}
			if _, err := os.Stat(result); err == nil {
				check := must(datadir.ContentOf(t.Context(), result, c.live.Revision+map[string]int64{"build": 1000, "restore": 1000, "arrival": 1000}[what]))(t)
				if check.SHA256 != c.live.SHA256 {
					t.Errorf("%s %d: what lies there after the kill is not whole: %+v", what, i, check)
				}
			}
			// A restore that had ended is not done again over its result.
			if err := killable(t, what, dir); err != nil && (what != "restore" && what != "arrival" || !strings.Contains(err.Error(), "set it aside")) {
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
	if killed < n {
		t.Errorf("only %d of %d children were killed: the test proves nothing", killed, 5*n)
	}
}

// clearResult takes away what the last run made.
func clearResult(t *testing.T, dir, what string) {
	t.Helper()
	names := map[string][]string{
		"salvage":  {"image", "image.json", "image.work", "image.part"},
		"scavenge": {"found", "found.json", "found.work", "found.part"},
		"build":    {"member", "member.salvor.json", "member.salvor.part"},
		"restore":  {"restored"},
		"arrival":  {"arrivald"},
	}
	for _, name := range names[what] {
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
		t.Fatalf("%s: %v", what, err)
	}
	return err != nil
}
