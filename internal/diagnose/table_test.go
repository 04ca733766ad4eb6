package diagnose

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/say"
)

var update = flag.Bool("update", false, "write docs/FAILURES*.md anew")

// TestTable wants causes before consequences, every code once and in kebab
// case, and a need for every rule.
func TestTable(t *testing.T) {
	seen := map[Code]bool{}
	form := regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)
	for _, r := range rules() {
		if seen[r.code] || !form.MatchString(string(r.code)) {
			t.Errorf("%s stands twice, or is not kebab case", r.code)
		}
		for _, c := range r.causes {
			if !seen[c] {
				t.Errorf("%s falls silent under %s, which does not stand before it", r.code, c)
			}
		}
		seen[r.code] = true
		if len(r.needs) == 0 || r.find == nil {
			t.Errorf("%s lacks its needs or its finder", r.code)
		}
		for _, n := range r.needs {
			if !say.Has("need." + string(n)) {
				t.Errorf("%s needs %s, which has no name", r.code, n)
			}
		}
	}
}

// TestPages holds docs/FAILURES*.md against the table.
func TestPages(t *testing.T) {
	for name, lang := range map[string]say.Language{"FAILURES.md": say.English, "FAILURES.zh.md": say.Chinese} {
		path := filepath.Join("..", "..", "docs", name)
		want := Pages(lang)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/%s is not what the table says: go test ./internal/diagnose -run TestPages -update", name)
		}
	}
}

// TestHazardTable holds the list of what hurts after a restore (docs/PITFALLS.md)
// against the table: no number is missing, every class is one, and every hazard
// has its line.
func TestHazardTable(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "PITFALLS.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range Codes() {
		known[string(c)] = true
	}
	told, numbers := map[string]bool{}, 0
	_, text, _ := strings.Cut(string(b), "\n## What lies in the data")
	named := regexp.MustCompile("`([a-z0-9]+(?:-[a-z0-9]+)+)`")
	for line := range strings.Lines(text) {
		found := named.FindAllStringSubmatch(line, -1)
		if strings.HasPrefix(line, "| P") {
			if numbers++; !strings.HasPrefix(line, fmt.Sprintf("| P%d |", numbers)) || len(found) == 0 {
				t.Errorf("line %d of the list: %s", numbers, line)
			}
		}
		for _, f := range found {
			if told[f[1]] = true; !known[f[1]] {
				t.Errorf("there is no class %s", f[1])
			}
		}
	}
	for c := range known {
		if strings.HasPrefix(c, "hazard-") && !told[c] {
			t.Errorf("%s is not in the list", c)
		}
	}
	if numbers != 24 {
		t.Errorf("the list ends at P%d", numbers)
	}
}
