package datadir_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPitfalls keeps docs/PITFALLS.md honest: every number from C1 to C52 has
// its line, and every test that is named there is in the tree.
func TestPitfalls(t *testing.T) {
	const last = 52
	root := filepath.Join("..", "..")
	tests := allTests(t, root)
	named := regexp.MustCompile("`([a-z0-9]+)\\.((?:Test|Fuzz)\\w+)(?:/([^`]+))?`")
	row := regexp.MustCompile(`^\| C(\d+) \|`)
	n := 0
	for line := range strings.Lines(string(must(os.ReadFile(filepath.Join(root, "docs", "PITFALLS.md")))(t))) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n++
		if m[1] != fmt.Sprint(n) {
			t.Fatalf("after C%d comes C%s", n-1, m[1])
		}
		columns := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(columns) < 3 || len(columns[1]) < 20 || len(columns[2]) < 20 {
			t.Errorf("C%d says too little: %q", n, line)
		}
		found := named.FindAllStringSubmatch(line, -1)
		if len(found) == 0 && !strings.Contains(line, "No test: ") {
			t.Errorf("C%d has neither a test nor a reason", n)
		}
		if strings.Count(line, "Test") != strings.Count(strings.Join(flat(found), " "), "Test") {
			t.Errorf("C%d names a test in another form than `package.TestX` or `package.TestX/subtest`: %s", n, line)
		}
		for _, f := range found {
			src, ok := tests[f[1]+"."+f[2]]
			if !ok || f[3] != "" && !strings.Contains(src, `t.Run("`+f[3]+`"`) {
				t.Errorf("C%d: there is no test %s", n, f[0])
			}
		}
	}
	if n != last {
		t.Errorf("the table ends at C%d, not at C%d", n, last)
	}
}

func flat(found [][]string) []string {
	var out []string
	for _, f := range found {
		out = append(out, f[0])
	}
	return out
}

// allTests maps package.TestX to the source of its file.
func allTests(t *testing.T, root string) map[string]string {
	t.Helper()
	head := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range head.FindAllStringSubmatch(string(b), -1) {
			all[filepath.Base(filepath.Dir(path))+"."+m[1]] = string(b)
		}
		return err
	})
	if err != nil || len(all) < 100 {
		t.Fatalf("%d tests found, %v", len(all), err)
	}
	return all
}
