package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module is a Go module with one test file, for a real "go test -json".
func module(t *testing.T, tests string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.test/m\n\ngo 1.26\n",
		"m.go":      "package m\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\n" + tests,
		"skips.txt": "# allowed because the reporter's test says so\nneeds root*\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReport(t *testing.T) {
	cases := []struct{ name, tests, wantErr, wantOut string }{
		{"pass", `func TestA(t *testing.T) { t.Run("b", func(*testing.T) {}) }`, "", "2 passed, 0 failed, 0 skipped\n"},
		{"fail", `func TestA(t *testing.T) { t.Error("broken") }`, "tests failed", "m_test.go:5: broken"},
		{"allowed skip", "func TestA(t *testing.T) { t.Skip(\"needs root: mounts\") }\nfunc TestB(*testing.T) {}", "", "skipped: example.test/m TestA: needs root: mounts\n1 passed, 0 failed, 1 skipped\n"},
		{"other skip", "func TestA(t *testing.T) { t.Skip(\"no time\") }\nfunc TestB(*testing.T) {}", "does not allow", "SKIPPED, not allowed: example.test/m TestA: no time\n"},
		{"crash", `func TestA(*testing.T) { go panic("boom"); select {} }`, "tests failed", "boom"},
		{"no build", `func TestA(*testing.T) { x }`, "tests failed", "undefined: x"},
		{"nothing", `var _ testing.TB`, "no test ran", "0 passed, 0 failed, 0 skipped\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := module(t, c.tests)
			var out strings.Builder
			err := run(dir, filepath.Join(dir, "skips.txt"), []string{"go", "test", "-json", "./..."}, &out)
			if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
				t.Errorf("error %v, want %q", err, c.wantErr)
			}
			if !strings.Contains(out.String(), c.wantOut) {
				t.Errorf("the report lacks %q:\n%s", c.wantOut, &out)
			}
		})
	}
}

func TestCommandFails(t *testing.T) {
	var out strings.Builder
	err := run(".", "", []string{"sh", "-c", `echo '{"Action":"pass","Package":"m","Test":"TestA"}'; exit 3`}, &out)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v, want the exit status; report:\n%s", err, &out)
	}
}

func TestAllows(t *testing.T) {
	for reason, want := range map[string]bool{"exact": true, "exactly": false, "needs root": true, "needs root: x": true, "need": false} {
		if got := allows([]string{"exact", "needs root*"}, reason); got != want {
			t.Errorf("allows(%q) = %v, want %v", reason, got, want)
		}
	}
}
