package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/datadir"
	"github.com/salvor-project/salvor/internal/datadir/diff"
)

// TestSnapshotContract wants every field of every kind that salvor snapshot
// prints to stand in its chapter of docs/JSON.md.
func TestSnapshotContract(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "JSON.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, ok := strings.Cut(string(b), "## Snapshot documents\n")
	chapter, _, end := strings.Cut(chapter, "\n## ")
	if !ok || !end {
		t.Fatal("docs/JSON.md has no chapter on snapshot documents")
	}
	fields := 0
	seen := map[reflect.Type]bool{}
	var want func(typ reflect.Type)
	want = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		// Facts have a chapter and a test of their own.
		if typ.Kind() != reflect.Struct || seen[typ] || strings.HasSuffix(typ.PkgPath(), "internal/cluster") && typ.Name() != "Content" || typ.PkgPath() == "time" {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "-" {
				continue
			}
			if !f.Anonymous {
				fields++
				if name == "" || !strings.Contains(chapter, "`"+name+"`") {
					t.Errorf("docs/JSON.md does not name %q of %s", name, typ)
				}
			}
			want(f.Type)
		}
	}
	for _, doc := range []any{
		inspection{}, salvaged{}, scavenged{}, restored{}, keyLine{}, diff.Change{}, diff.Summary{},
	} {
		want(reflect.TypeOf(doc))
	}
	want(reflect.TypeFor[datadir.CheckReport]())
	if fields < 90 {
		t.Errorf("only %d fields were found: the search is broken", fields)
	}
}
