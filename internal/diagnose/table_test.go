package diagnose

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
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
