package say

import (
	"go/ast"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"unicode"
)

func tables() map[string]map[string]entry {
	return map[string]map[string]entry{"findings": findings, "scenarios": scenarios, "advice": advice, "candidates": candidates,
		"actions": actions, "verdicts": verdicts, "words": words, "screens": screens, "reports": reports, "vaults": vaults,
		"pagesMachines": pagesMachines, "pagesCerts": pagesCerts, "pagesData": pagesData, "pagesService": pagesService, "pagesAPI": pagesAPI, "pagesBackups": pagesBackups, "pageWords": pageWords}
}

// highest gives the number of the last argument that a form wants, and every
// verb that fill does not know.
func highest(form string) (last int, strange []string) {
	next := 0
	for i := strings.IndexByte(form, '%'); i >= 0; i = strings.IndexByte(form, '%') {
		form = form[i:]
		n, length := verb(form)
		switch {
		case length == 0 && strings.HasPrefix(form, "%%"):
			length = 2
		case length == 0:
			length = 1
			strange = append(strange, form[:min(4, len(form))])
		default:
			if n >= 0 {
				next = n
			}
			next++
			last = max(last, next)
		}
		form = form[length:]
	}
	return last, strange
}

// sameInBoth are words that Chinese operators write as in English.
var sameInBoth = map[string]bool{"state.learner": true, "check.revision": true, "column.revision": true,
	"column.position": true, "decided.note": true, "screen.revision": true, "screen.case": true, "report.case": true}

func TestBothLanguages(t *testing.T) {
	seen := map[string]string{}
	for table, entries := range tables() {
		for key, e := range entries {
			if other, twice := seen[key]; twice {
				t.Errorf("%s stands in %s and in %s", key, other, table)
			}
			seen[key] = table
			if e.en == "" || e.zh == "" {
				t.Errorf("%s lacks a language: en %q, zh %q", key, e.en, e.zh)
			}
			if han(e.en) {
				t.Errorf("%s: Chinese in the English text %q", key, e.en)
			}
			if !han(e.zh) && !sameInBoth[key] {
				t.Errorf("%s: no Chinese in %q", key, e.zh)
			}
			for _, form := range []string{e.en, e.zh} {
				if _, strange := highest(form); len(strange) > 0 {
					t.Errorf("%s: verbs that nothing fills: %q", key, strange)
				}
			}
			if _, ok := find(key); !ok {
				t.Errorf("find does not know %s of table %s", key, table)
			}
		}
	}
}

func han(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// check holds one sentence, as said somewhere, against the catalogue.
func check(t *testing.T, key string, args int, where string) {
	t.Helper()
	e, ok := find(key)
	if !ok {
		t.Errorf("%s: the catalogue lacks %q", where, key)
		return
	}
	for lang, form := range map[Language]string{English: e.en, Chinese: e.zh} {
		if last, _ := highest(form); args >= 0 && last > args {
			t.Errorf("%s: %s in %s wants argument %d and is given %d: %q", where, key, lang, last, args, form)
		}
	}
}

// TestEverySentenceExists reads the module's sources for all that is said.
func TestEverySentenceExists(t *testing.T) {
	total := 0
	for dir, src := range readSources(t) {
		if filepath.Base(dir) == "say" {
			continue
		}
		for _, u := range src.uses() {
			total++
			switch {
			case u.whole:
				check(t, u.key, u.args, u.where)
			case u.key == "":
				continue // a helper that passes keys on, as Options.say
			case !anyWith(u.key):
				t.Errorf("%s: no sentence begins with %q", u.where, u.key)
			}
		}
	}
	if total < 100 {
		t.Errorf("only %d sentences were found in the sources: the search is broken", total)
	}
}

func anyWith(prefix string) bool {
	for _, entries := range tables() {
		for key := range entries {
			if strings.HasPrefix(key, prefix) {
				return true
			}
		}
	}
	return false
}

// TestFindings holds every rule of diagnose against its sentence: the subject
// and what its sightings add are the arguments. Every code has a rule, and a
// page with title, repair and wrong repair.
func TestFindings(t *testing.T) {
	src := readSources(t)[filepath.Join("..", "..", "internal", "diagnose")]
	ruled := map[string]bool{}
	note := func(code string, finder ast.Expr) {
		ruled[code] = true
		if call, ok := finder.(*ast.CallExpr); ok {
			finder = call.Fun
		}
		counts := map[int]bool{}
		src.sightings(t, finder.(*ast.Ident).Name, counts, map[string]bool{})
		if len(counts) != 1 {
			t.Errorf("rule %s gives its sightings %v arguments; one number is wanted", code, counts)
		}
		for c := range counts {
			check(t, "finding."+code, 1+c, "rule "+code)
		}
	}
	src.each(func(node ast.Node) {
		var code, find ast.Expr
		switch n := node.(type) {
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					switch id, _ := kv.Key.(*ast.Ident); {
					case id == nil:
					case id.Name == "code":
						code = kv.Value
					case id.Name == "find":
						find = kv.Value
					}
				}
			}
		case *ast.CallExpr: // the helpers that make rules: code first, then a find…
			if len(n.Args) > 1 {
				code = n.Args[0]
				for _, a := range n.Args[1:] {
					if name := finderName(a); strings.HasPrefix(name, "find") || strings.HasPrefix(name, "hazard") {
						find = a
					}
				}
			}
		}
		if id, ok := code.(*ast.Ident); ok && find != nil && finderName(find) != "find" {
			if value, ok := src.typed["Code"][id.Name]; ok {
				note(value, find)
			}
		}
	})
	for name, code := range src.typed["Code"] {
		if !ruled[code] {
			t.Errorf("no rule for code %s (%s)", code, name)
		}
		for _, part := range []string{"title.", "repair.", "wrong."} {
			check(t, part+code, 0, "page of "+code)
		}
	}
}

// finderName is the name of a function, or of the function that makes it.
func finderName(e ast.Expr) string {
	if call, ok := e.(*ast.CallExpr); ok {
		e = call.Fun
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// sightings notes the lengths of all []any{…} in a function and in what it
// calls in its own package.
func (s *source) sightings(t *testing.T, name string, counts map[int]bool, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	for _, f := range s.functions() {
		if f.name != name {
			continue
		}
		ast.Inspect(f.body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				arr, ok := n.Type.(*ast.ArrayType)
				if ok && typeName(arr.Elt) == "any" {
					counts[len(n.Elts)] = true
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok {
					s.sightings(t, id.Name, counts, seen)
				}
			}
			return true
		})
	}
}

// TestActions holds every action of plan against its sentence.
func TestActions(t *testing.T) {
	src := readSources(t)[filepath.Join("..", "..", "internal", "plan")]
	kinds, args := map[string]string{}, map[string]int{}
	for _, f := range src.functions() {
		switch {
		case f.receiver == "":
		case f.name == "Kind":
			ret, ok := f.body.List[0].(*ast.ReturnStmt)
			if id, is := ret.Results[0].(*ast.Ident); ok && is {
				kinds[f.receiver] = src.typed["Kind"][id.Name]
			}
		case f.name == "Text":
			src.calls(f, func(call *ast.CallExpr, name string) {
				if name == "New" {
					args[f.receiver] = len(call.Args) - 1
				}
			})
		}
	}
	if len(kinds) != len(src.typed["Kind"]) {
		t.Errorf("%d actions for %d kinds", len(kinds), len(src.typed["Kind"]))
	}
	for receiver, kind := range kinds {
		n, ok := args[receiver]
		if !ok {
			t.Errorf("action %s says nothing", kind)
		}
		check(t, "action."+kind, n, "action "+kind)
	}
}

// TestConstants wants a sentence for every constant that becomes one at run
// time.
func TestConstants(t *testing.T) {
	src := readSources(t)[filepath.Join("..", "..", "internal", "diagnose")]
	given := map[string]int{"stopped": 2, "no-space": 0, "certs-expired": 0, "blocked": 0, "degraded": 0}
	for _, s := range sorted(src.typed["Scenario"]) {
		n, ok := given[s]
		if !ok {
			n = 1
		}
		check(t, "scenario."+s, n, "scenario "+s)
		check(t, "name."+s, 0, "scenario "+s)
	}
	for typ, prefix := range map[string]string{"CandidateKind": "candidate.chosen.", "Availability": "availability.", "Data": "data.",
		"State": "state.", "Severity": "severity.", "Integrity": "integrity."} {
		if len(src.typed[typ]) == 0 {
			t.Errorf("diagnose has no constants of type %s", typ)
		}
		for _, v := range sorted(src.typed[typ]) {
			check(t, prefix+v, 0, typ+" "+v)
		}
	}
}

func sorted(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	sort.Strings(out)
	return out
}
